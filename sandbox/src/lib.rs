//! Where generated code runs.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod backends;
pub mod elsewhere;
pub mod environment;
pub mod folder;
pub mod isolation;
pub mod judge;
pub mod plain;
pub mod pool;
pub mod process;
pub mod tensor;

/// The digest of this crate's code: the cage, the workers, the backends and the judge. Part of the key of whatever was
/// measured or judged, so that nothing is answered with what other code found.
pub fn code_digest() -> &'static str {
    env!("PORTWRIGHT_SANDBOX_CODE")
}
