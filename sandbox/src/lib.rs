//! Where generated code runs.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod backends;
pub mod environment;
pub mod isolation;
pub mod judge;
pub mod pool;
pub mod process;
pub mod tensor;
