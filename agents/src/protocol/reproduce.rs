//! A failure that is reduced: plain data, as all of the protocol is.

use portwright_core::{Finding, PortPlan};
use serde::{Deserialize, Serialize};

/// A smaller plan, and the failure that may be met on it too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reproduction {
    pub plan: Box<PortPlan>,
    /// Met on a backend, or where there is none before anything was exported.
    pub finding: Box<Finding>,
    /// The keys of what the plan does without, for people.
    pub without: Vec<String>,
}
