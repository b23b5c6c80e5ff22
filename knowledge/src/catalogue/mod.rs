//! The catalogue: which model type a name means, and which family a type belongs to.

mod family;
mod resolve;
mod seeds;

pub use family::{family, task};
pub use resolve::{ResolveError, Resolved, resolve};
pub use seeds::{Seed, Via, seeds};
