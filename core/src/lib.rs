//! The vocabulary of Portwright.
//!
//! Every other crate speaks in these words: model types and runs ([`ids`]), what an analyst reads
//! ([`card`]), every type of a release ([`catalogue`]), the editable recipe of a port ([`plan`]), a diagnosis ([`finding`]), the judge's word
//! ([`verdict`]) and what a pass leaves open ([`limit`]), the coverage matrix ([`sweep`]), what an input carries ([`modality`]), what happened ([`event`]) and what a sandboxed job is asked and answers ([`job`]).
//! Text that somebody else wrote is made fit for where it is shown by [`text`] and [`markdown`].
//! Nothing here does input or output, and nothing here is async.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod backend;
mod bounds;
pub mod card;
pub mod catalogue;
pub mod digest;
pub mod event;
pub mod family;
pub mod finding;
pub mod format;
pub mod ids;
pub mod inventory;
pub mod job;
pub mod limit;
pub mod markdown;
pub mod modality;
pub mod plan;
pub mod sweep;
pub mod text;
pub mod verdict;

pub use backend::Backend;
pub use card::InterfaceCard;
pub use catalogue::{Catalogue, CatalogueEntry, Kind};
pub use digest::Digest;
pub use family::Family;
pub use finding::{Finding, Signature, Stage};
pub use format::Format;
pub use ids::{ModelType, RunId, SweepId};
pub use inventory::Inventory;
pub use limit::{Limit, LimitKind};
pub use plan::PortPlan;
pub use verdict::{Evidence, Verdict};
