//! What a person or a machine is shown: the live view, the closing table, and the JSON document.

pub mod catalogue;
pub mod catalogue_diff;
pub mod json;
pub mod live;
pub mod table;
