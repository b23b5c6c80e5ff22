//! The walls around generated code, as the rest of the crate uses them.
//!
//! The walls themselves are in `cage/`, a source compiled twice; see its first lines for what holds and what does not.

#[path = "../../cage/cage.rs"]
mod cage;
mod library;
mod probe;
mod read_paths;

pub use cage::{CageError, KernelSupport, Mode, Policy, enter};
pub use library::{LibraryError, library};
pub use probe::{Probe, probe};
pub use read_paths::default_read_paths;

#[cfg(test)]
mod tests;
