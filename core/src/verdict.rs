//! A verdict: the judge's word on an attempt, with its evidence.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{backend::Backend, digest::Digest, finding::Finding, job::JobOutcome, limit::Limit};

/// The judge's version: part of every step key, so that a changed judge judges anew.
pub const JUDGE_VERSION: u32 = 8;

/// The judge's word on one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Executed on the named device; every output of every input set agrees with eager PyTorch.
    Pass,
    /// Built and structurally checked; no device here can execute it. Never a pass.
    Converted,
    Fail,
    TimedOut,
    Crashed,
    OutOfMemory,
    /// The backend or device is absent.
    Unavailable,
    /// Shown to be impossible.
    Unsupported,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Converted => "converted",
            Verdict::Fail => "fail",
            Verdict::TimedOut => "timed out",
            Verdict::Crashed => "crashed",
            Verdict::OutOfMemory => "out of memory",
            Verdict::Unavailable => "unavailable",
            Verdict::Unsupported => "unsupported",
        }
    }
}

impl Verdict {
    /// What a job that did not answer amounts to; `None` for one that did.
    pub fn of_outcome(outcome: &JobOutcome) -> Option<Self> {
        match outcome {
            JobOutcome::Done { .. } => None,
            JobOutcome::Failed { .. } => Some(Verdict::Fail),
            JobOutcome::TimedOut { .. } => Some(Verdict::TimedOut),
            JobOutcome::OutOfMemory { .. } => Some(Verdict::OutOfMemory),
            JobOutcome::Crashed { .. } => Some(Verdict::Crashed),
        }
    }
}

/// The verdict on one backend, with what it rests on: a pass carries evidence, anything else a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackendVerdict {
    pub backend: Backend,
    pub verdict: Verdict,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
}

/// The limits of several passes, each with the backends whose pass has it, in the order of the kinds.
pub fn limits(verdicts: &[BackendVerdict]) -> Vec<(&Limit, Vec<Backend>)> {
    let mut limits: BTreeMap<&Limit, Vec<Backend>> = BTreeMap::new();
    for verdict in verdicts {
        for limit in verdict.evidence.iter().flat_map(|it| &it.limits) {
            limits.entry(limit).or_default().push(verdict.backend);
        }
    }
    limits.into_iter().collect()
}

/// What a verdict rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub judge_version: u32,
    /// The device that executed, as the runtime names it.
    pub device: String,
    pub versions: BTreeMap<String, String>,
    /// Nodes placed on the expected provider, and all nodes.
    pub placement: Placement,
    /// Per output, over all input sets.
    pub outputs: Vec<OutputEvidence>,
    /// The input sets and their sizes, e.g. `batch=2 sequence=8`.
    pub input_sets: Vec<InputSetEvidence>,
    /// Which inputs were probed, and how far they moved the outputs.
    pub sensitivity: Vec<SensitivityEvidence>,
    pub load_seconds: f64,
    pub latency_p50_seconds: f64,
    pub latency_p95_seconds: f64,
    pub peak_resident_bytes: u64,
    /// Bytes of resident memory per reload, by least squares; absent where fewer than three reloads were measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_slope_bytes: Option<f64>,
    /// The artefact's digest; for a backend that runs the module itself, the module's.
    pub artefact: Digest,
    pub artefact_bytes: u64,
    pub plan: Digest,
    /// The isolation that held, e.g. `namespaces+landlock+seccomp`; `none` under `--no-sandbox`.
    pub isolation: String,
    /// Whether axes stayed free in the artefact.
    pub dynamic: bool,
    /// What the pass does not prove, in the order of its kinds; empty for a pass without limits.
    #[serde(default)]
    pub limits: Vec<Limit>,
}

impl Evidence {
    /// The output whose difference comes nearest to what was allowed.
    pub fn worst(&self) -> Option<&OutputEvidence> {
        self.outputs
            .iter()
            .max_by(|a, b| a.share().total_cmp(&b.share()))
    }

    /// The sizes of each dimension that an input set had. Of others the pass says nothing.
    pub fn sizes_tried(&self) -> BTreeMap<&str, BTreeSet<u64>> {
        let mut tried: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for (name, size) in self.input_sets.iter().flat_map(|set| &set.sizes) {
            tried.entry(name).or_default().insert(*size);
        }
        tried
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// The provider that was asked for.
    pub provider: String,
    pub nodes_on_provider: u64,
    pub nodes: u64,
    /// Nodes per provider.
    pub by_provider: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputEvidence {
    pub name: String,
    pub dtype: String,
    /// Largest absolute difference from the reference.
    pub max_absolute: f64,
    /// Largest difference relative to the reference's spread.
    pub max_relative: f64,
    /// Largest minus smallest value of the reference.
    pub reference_spread: f64,
    /// How far the reference lies from the same computed with less rounding.
    #[serde(default)]
    pub reference_noise: f64,
    /// The difference that comes nearest to what is allowed where it lies.
    #[serde(default)]
    pub difference: f64,
    /// What is allowed where that difference lies.
    pub allowed: f64,
    /// Whether it follows from the sizes of the inputs and the weights alone, so that nothing had to move it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub untouched: bool,
}

impl OutputEvidence {
    /// The difference in proportion to what was allowed where it lies.
    pub fn share(&self) -> f64 {
        if self.difference == 0.0 {
            0.0
        } else {
            self.difference / self.allowed
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputSetEvidence {
    pub name: String,
    pub sizes: BTreeMap<String, u64>,
    pub seed: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensitivityEvidence {
    pub input: String,
    /// The output that moved most, and by how much in both.
    pub output: String,
    pub reference_moved: f64,
    pub candidate_moved: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(difference: f64, allowed: f64) -> OutputEvidence {
        OutputEvidence {
            name: "y".into(),
            dtype: "F32".into(),
            max_absolute: difference,
            max_relative: 0.0,
            reference_spread: 1.0,
            reference_noise: 0.0,
            difference,
            allowed,
            untouched: false,
        }
    }

    #[test]
    fn a_difference_counts_in_proportion_to_what_was_allowed() {
        assert!(output(0.09, 0.1).share() > output(0.5, 1.0).share());
        assert_eq!(output(0.0, 0.0).share(), 0.0);
    }
}
