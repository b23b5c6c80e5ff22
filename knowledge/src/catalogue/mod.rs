//! The catalogue: every model type of a release, what changed between two releases, and which type a name means.

mod assemble;
mod diff;
mod family;
mod resolve;
mod rows;
mod seeds;

use portwright_core::Digest;

pub use assemble::{AssembleError, assemble};
pub use diff::{CatalogueDiff, Change, ChangedType, Mapped, diff};
pub use family::{family, task};
pub use resolve::{ResolveError, Resolved, resolve};
pub use rows::{SeedRow, SeedTarget, rows};
pub use seeds::{Seed, Via, seeds};

/// Names the code that concludes a catalogue from what was introspected: one that was kept is good only as long as
/// this code is the same.
pub fn code_digest() -> Digest {
    Digest::of([include_str!("assemble.rs"), include_str!("family.rs")].concat())
}
