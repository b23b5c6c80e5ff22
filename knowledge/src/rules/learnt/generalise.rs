//! From a repair of one type to changes that hold for any.

use portwright_core::{
    Finding, Format, PortPlan,
    plan::{AdaptationKind, Source, Strategy},
};
use serde_json::Value;

use super::{Change, Repair, hiding::hides_a_branch, is_learnt};
use crate::difference::{Difference, between};

/// What cured `finding`, in terms that hold for any model, and who found it; `None` where the repair is one of the seed
/// rules, or is about this type alone: its sizes, its inputs, its class, its code; or where it hides a branch.
pub fn generalise(
    finding: &Finding,
    before: &PortPlan,
    after: &PortPlan,
) -> Option<(Repair, Source, String)> {
    let new = |kind: &AdaptationKind| !before.adaptations.iter().any(|known| known.kind == *kind);
    // A setting that was changed once more has its record at the end of the list.
    let found = after
        .adaptations
        .iter()
        .rev()
        .filter(|adaptation| new(&adaptation.kind) || !before.adaptations.contains(adaptation))
        .map(|adaptation| &adaptation.provenance)
        .find(|from| from.source != Source::Rule || is_learnt(&from.name))?;
    let changes: Vec<Change> = between(before, after)
        .iter()
        .filter(|difference| !follows(difference, after))
        .map(|difference| change(difference, finding, before, after))
        .collect::<Option<_>>()?;
    let repair = Repair {
        stage: finding.stage,
        backend: finding.backend,
        signature: finding.signature.clone(),
        changes,
    };
    (!repair.changes.is_empty() && !hides_a_branch(&repair))
        .then(|| (repair, found.source, found.reason.clone()))
}

/// Whether a change follows from what an artefact is made from: applied anew, it comes by itself.
fn follows(difference: &Difference, after: &PortPlan) -> bool {
    let Difference::Value { path, .. } = difference else {
        return false;
    };
    let [table, format, field] = path.as_slice() else {
        return false;
    };
    let reads = after.export.iter().any(|(entry, export)| {
        entry.as_str() == format.as_str() && export.strategy.reads() != Format::Module
    });
    table == "export" && field == "dynamic" && reads
}

fn change(
    difference: &Difference,
    finding: &Finding,
    before: &PortPlan,
    after: &PortPlan,
) -> Option<Change> {
    match difference {
        Difference::Act(AdaptationKind::ExpertsImplementation { name }) => Some(Change::Experts {
            implementation: name.clone(),
        }),
        Difference::Act(AdaptationKind::AntialiasAsProduct) => Some(Change::AntialiasAsProduct),
        // A patch names the code of one type.
        Difference::Act(_) => None,
        Difference::Value { path, to } => {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let value = to.as_ref()?;
            match path.as_slice() {
                ["export", format, field] if finding.backend?.reads().as_str() == *format => {
                    export(field, value)
                }
                ["weights", "gain"] => Some(Change::Gain {
                    factor: after.weights.gain / before.weights.gain,
                }),
                ["call", name] => Some(Change::Call {
                    name: (*name).to_owned(),
                    value: value.clone(),
                }),
                // A number of a configuration is a size of this type; a word or a switch may be any type's.
                ["config", name] if value.is_boolean() || value.is_string() => {
                    Some(Change::Field {
                        name: (*name).to_owned(),
                        value: value.clone(),
                    })
                }
                _ => None,
            }
        }
    }
}

fn export(field: &str, value: &Value) -> Option<Change> {
    match field {
        "attention" => Some(Change::Attention {
            implementation: value.as_str()?.to_owned(),
        }),
        "strategy" => {
            let strategy: Strategy = serde_json::from_value(value.clone()).ok()?;
            Some(Change::Strategy { strategy })
        }
        "dynamic" if *value == Value::Bool(false) => Some(Change::Static),
        "optimize" if *value == Value::Bool(false) => Some(Change::PlainGraph),
        "runtime_optimization" => Some(Change::RuntimeOptimization {
            level: value.as_str()?.to_owned(),
        }),
        _ => None,
    }
}
