//! What a person or a machine is shown: the live view, the closing table, and the JSON document.

pub mod gauge;
pub mod json;
pub mod live;
pub mod table;
