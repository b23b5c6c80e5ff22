//! Cases out of a sweep's ledger.

use std::collections::BTreeMap;

use portwright_core::{Backend, Digest, Signature, Stage, SweepId};
use portwright_ledger::Ledger;

use crate::driver::{self, DriverError, Met};

use super::case::{Case, Split};

/// What a limit of the machine ended says little of the model type, and differs from one machine to the next.
const LIMITS: [&str; 2] = ["timed out", "out of memory"];

/// The failures that the rows of a sweep met before anything was repaired, whether they were repaired later or not: at
/// most `per_cause` of each root cause, and at most `most` in all, the most frequent causes first.
///
/// Which types stand for a cause, and in which half of the suite it is, is decided by digests: arbitrary, but the same
/// every time, and by nobody who has seen what the ladder makes of them.
pub fn collect(
    ledger: &Ledger,
    sweep: &SweepId,
    per_cause: usize,
    most: usize,
) -> Result<Vec<Case>, DriverError> {
    let mut causes: BTreeMap<(Stage, Signature), Vec<Case>> = BTreeMap::new();
    for row in ledger.rows(sweep)? {
        if row.through.is_some() {
            continue;
        }
        let Some(outcome) = driver::outcome(ledger, &row.run)? else {
            continue;
        };
        for met in outcome.met.iter().filter(|met| is_for_repair(met)) {
            let cause = (met.finding.stage, met.finding.signature.clone());
            let split = split(&cause)?;
            // A reference is eager PyTorch's: what kept it from being sound is repaired once that backend passes.
            let backend = met.finding.backend.unwrap_or(Backend::TORCH_CPU);
            let cases = causes.entry(cause).or_default();
            // A file that could not be made fails every backend that reads it, which is one failure.
            if cases
                .iter()
                .any(|case| case.plan.model_type == met.plan.model_type)
            {
                continue;
            }
            let (plan, finding) = (met.plan.clone(), &met.finding);
            cases.push(Case::new(split, &row.name, backend, plan, finding, sweep));
        }
    }
    let mut causes: Vec<Vec<Case>> = causes.into_values().collect();
    // The sort is stable: of two causes alike in number the order of stages and signatures stays.
    causes.sort_by_key(|cases| std::cmp::Reverse(cases.len()));
    let mut chosen = Vec::new();
    for mut cases in causes {
        cases.sort_by_cached_key(|case| Digest::of(&case.name));
        cases.truncate(per_cause.min(most - chosen.len()));
        chosen.append(&mut cases);
    }
    Ok(chosen)
}

/// Whether a failure is one that a change of the plan could repair.
fn is_for_repair(met: &Met) -> bool {
    let signature = &met.finding.signature.0;
    !LIMITS.iter().any(|limit| signature.starts_with(limit))
}

fn split(cause: &(Stage, Signature)) -> Result<Split, DriverError> {
    let digest = Digest::of_json(cause)?;
    let even = digest
        .as_str()
        .bytes()
        .last()
        .is_some_and(|last| last % 2 == 0);
    Ok(if even {
        Split::Development
    } else {
        Split::HeldOut
    })
}
