//! The suite of repairs: failures of a sweep as they were met, and what the fixer's ladder makes of each.
//!
//! A case is a plan and the finding that it met before anything was repaired. [`collect`] takes cases from a ledger,
//! [`Case::write`] and [`read_all`] keep them as folders, and [`climb`] has the ladder repair one and says which rung did.

mod case;
mod climb;
mod collect;

pub use case::{Case, CaseError, Split, read_all};
pub use climb::{Climb, Rung, climb};
pub use collect::collect;
