//! What a person or a machine is shown: the live view, the closing table, the JSON document, and what is made of a
//! sweep.

pub mod catalogue;
pub mod catalogue_diff;
pub mod coverage;
pub mod gauge;
pub mod json;
pub mod knowledge;
pub mod live;
pub mod matrix;
pub mod suite;
pub mod table;
