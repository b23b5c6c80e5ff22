//! The report on a sweep in each of its forms. `docs/reference/json.md` is the reference of those for machines.

pub mod csv;
pub mod document;
pub mod junit;
pub mod markdown;
#[cfg(test)]
mod samples;
