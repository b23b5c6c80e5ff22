//! The judge: its word decides, and nothing that a job prints or answers can change it.
//!
//! It runs in the main process and consists of plain functions over files. It draws the inputs from a seed that no
//! agent sees, checks that the reference of eager PyTorch is worth comparing with, and compares every backend in one
//! place, with one table of tolerances. What a job contributes are files of tensors and figures; both are read as
//! hostile.

pub mod branches;
mod compare;
pub mod corners;
pub mod generation;
pub mod inputs;
pub mod limits;
mod measurements;
mod modalities;
mod outputs;
pub mod plain;
mod reference;
mod style;
mod tolerances;
#[cfg(test)]
mod toy;

use std::{borrow::Cow, collections::BTreeSet, path::Path};

use portwright_core::{
    Backend, Digest, Evidence, Finding, Limit, Signature, Stage, Verdict,
    job::{Execution, JobOutcome, JobReport},
    verdict::{BackendVerdict, InputSetEvidence, JUDGE_VERSION},
};

pub use compare::{Agreement, compare};
pub use inputs::{InputError, InputSet};
pub use measurements::Expected;
pub use modalities::Declared;
pub use outputs::{FOLDER as OUTPUTS_FOLDER, Output, OutputError, Outputs};
pub use reference::{FloatingOutput, Moves, Ran, Reference};
pub use tolerances::{Tolerance, Tolerances};

/// One attempt to be judged. The job has ended and its files are at rest.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub backend: Backend,
    /// Where the backend must have executed.
    pub expected: Expected,
    pub tolerances: &'a Tolerances,
    pub reference: &'a Reference,
    /// How the job that executed the artefact ended.
    pub report: &'a JobReport,
    /// The job's work folder.
    pub work: &'a Path,
    pub artefact: &'a Digest,
    pub artefact_bytes: u64,
    pub plan: &'a Digest,
    /// Whether axes stayed free in the artefact.
    pub dynamic: bool,
    /// Whether there is an artefact, which may take fewer sizes than the module that it was made of.
    pub artefact_has_sizes: bool,
    /// What the making of the artefact leaves open.
    pub made: &'a [Limit],
}

/// Judges one attempt.
pub fn judge(case: &Case<'_>) -> BackendVerdict {
    let (verdict, evidence, finding) =
        match ended(case).and_then(|execution| weigh(case, &execution)) {
            Ok(evidence) => (Verdict::Pass, Some(evidence), None),
            Err(finding) => {
                let verdict = Verdict::of_outcome(&case.report.outcome).unwrap_or(Verdict::Fail);
                (verdict, None, Some(*finding))
            }
        };
    BackendVerdict {
        backend: case.backend,
        verdict,
        evidence,
        finding,
    }
}

/// The job's answer, if it gave one that can be read.
fn ended(case: &Case<'_>) -> Result<Execution, Box<Finding>> {
    let outcome = &case.report.outcome;
    if let JobOutcome::Done { result } = outcome {
        return serde_json::from_value(result.clone()).map_err(|error| {
            finding(
                case,
                Stage::Execute,
                "the answer is malformed",
                format!("the job's answer is no execution: {error}"),
                "a backend must answer with what it measured: check its worker",
            )
        });
    }
    let stage = match outcome {
        JobOutcome::Failed { error } if error.doing == "load" => Stage::Load,
        _ => Stage::Execute,
    };
    match Finding::of_outcome(stage, Some(case.backend), outcome) {
        Some(finding) => Err(Box::new(finding)),
        None => Err(finding(
            case,
            stage,
            "the job did not answer",
            "the job ended without an answer".to_owned(),
            "read the job's log",
        )),
    }
}

fn weigh(case: &Case<'_>, execution: &Execution) -> Result<Evidence, Box<Finding>> {
    let placement = measurements::placement(case.backend, case.expected, execution)?;
    let figures = measurements::figures(case.backend, execution, case.report)?;
    let versions = measurements::versions(case.backend, execution)?;
    let mut limits = [&case.reference.limits, case.made].concat();
    let reference = answered(case, execution, &mut limits)?;
    let sets = &reference.sets;
    let candidate = Outputs::open(case.work, sets)
        .map_err(|error| compare::unreadable(case.backend, &error))?;
    let agreement = compare(case.backend, case.tolerances, &reference, &candidate)?;
    limits.extend(agreement.limits);
    limits.extend(limits::of_sizes(sets, case.dynamic));
    limits.extend(limits::of_sessions(case.backend));
    limits.sort();
    limits.dedup();
    Ok(Evidence {
        judge_version: JUDGE_VERSION,
        device: execution.device.clone(),
        versions,
        placement,
        outputs: agreement.outputs,
        input_sets: sets.iter().map(set_evidence).collect(),
        sensitivity: agreement.sensitivity,
        load_seconds: figures.load_seconds,
        latency_p50_seconds: figures.latency_p50_seconds,
        latency_p95_seconds: figures.latency_p95_seconds,
        peak_resident_bytes: case.report.peak_resident_bytes,
        memory_slope_bytes: figures.memory_slope_bytes,
        artefact: case.artefact.clone(),
        artefact_bytes: case.artefact_bytes,
        plan: case.plan.clone(),
        isolation: case.report.isolation.clone(),
        // Where no axis has another size, none was seen to be free.
        dynamic: case.dynamic && sets.iter().any(|set| set.name == inputs::OTHER),
        limits,
    })
}

/// The reference without the sets that the artefact refused. An artefact may refuse sizes that are none of its example's: a
/// person is told so by its error, and by the limit. Refused values are wrong values, and a backend that runs the module itself
/// takes what the module takes.
fn answered<'a>(
    case: &Case<'a>,
    execution: &Execution,
    limits: &mut Vec<Limit>,
) -> Result<Cow<'a, Reference>, Box<Finding>> {
    let sets = &case.reference.sets;
    let example = sets.first().map(|set| &set.sizes);
    let mut refused = BTreeSet::new();
    for (index, set) in sets.iter().enumerate() {
        let Some(error) = execution.refused.get(&set.name) else {
            continue;
        };
        if !set.corner || example == Some(&set.sizes) || !case.artefact_has_sizes {
            return Err(finding(
                case,
                Stage::Execute,
                &format!("refuses a set: {}", set.name),
                format!("the backend refuses set `{}`: {error}", set.name),
                "PyTorch takes these inputs: try another exporter",
            ));
        }
        limits.push(limits::of_refusal(set, error));
        refused.insert(index);
    }
    Ok(if refused.is_empty() {
        Cow::Borrowed(case.reference)
    } else {
        Cow::Owned(case.reference.without(&refused))
    })
}

fn set_evidence(set: &InputSet) -> InputSetEvidence {
    InputSetEvidence {
        name: set.name.clone(),
        sizes: set.sizes.clone(),
        seed: set.seed,
    }
}

fn finding(
    case: &Case<'_>,
    stage: Stage,
    phrase: &str,
    message: String,
    hint: &str,
) -> Box<Finding> {
    Box::new(Finding {
        stage,
        backend: Some(case.backend),
        signature: Signature::phrase(phrase),
        message,
        error: None,
        hint: Some(hint.to_owned()),
    })
}

#[cfg(test)]
mod tests;
