//! What differs between two plans, change by change: which of them a repair needs, and what can be learnt from it.

use portwright_core::{PortPlan, plan::AdaptationKind};
use serde_json::{Map, Value};

/// One change between two plans.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// A value of the plan's own tables; `None` where the later plan has none.
    Value {
        path: Vec<String>,
        to: Option<Value>,
    },
    /// An adaptation that acts by itself and that the earlier plan does not have.
    Act(AdaptationKind),
}

impl Difference {
    /// The change in a few words, e.g. `export.onnx.dynamic`.
    pub fn shown(&self) -> String {
        match self {
            Difference::Value { path, .. } => path.join("."),
            Difference::Act(AdaptationKind::TorchPatch(patch)) => {
                format!("the patch of {}", patch.target)
            }
            Difference::Act(AdaptationKind::ExpertsImplementation { name }) => {
                format!("experts implementation {name}")
            }
            Difference::Act(AdaptationKind::AntialiasAsProduct) => {
                "antialiased resizes as products".to_owned()
            }
            Difference::Act(AdaptationKind::Setting { key }) => key.clone(),
        }
    }
}

/// The changes that lead from one plan to another, in the order of the plan's tables.
pub fn between(before: &PortPlan, after: &PortPlan) -> Vec<Difference> {
    let mut found = Vec::new();
    if let (Some(before), Some(after)) = (tables(before), tables(after)) {
        compare(&before, &after, &mut Vec::new(), &mut found);
    }
    let acts = after.adaptations.iter().filter(|adaptation| {
        let records = matches!(adaptation.kind, AdaptationKind::Setting { .. });
        !records && !has(before, &adaptation.kind)
    });
    found.extend(acts.map(|adaptation| Difference::Act(adaptation.kind.clone())));
    found
}

/// The later plan with one of its changes taken back; `None` where no valid plan remains.
pub fn without(before: &PortPlan, after: &PortPlan, change: &Difference) -> Option<PortPlan> {
    let mut plan = after.clone();
    match change {
        Difference::Act(kind) => plan.adaptations.retain(|known| known.kind != *kind),
        Difference::Value { path, .. } => {
            let old = path
                .iter()
                .try_fold(&Value::Object(tables(before)?), |value, key| value.get(key))
                .cloned();
            let mut values = serde_json::to_value(&plan).ok()?;
            set(&mut values, path, old)?;
            plan = serde_json::from_value(values).ok()?;
            let key = path.join(".");
            plan.adaptations.retain(|known| {
                known.kind != AdaptationKind::Setting { key: key.clone() }
                    || has(before, &known.kind)
            });
        }
    }
    plan.validate().ok()?;
    Some(plan)
}

fn has(plan: &PortPlan, kind: &AdaptationKind) -> bool {
    plan.adaptations.iter().any(|known| known.kind == *kind)
}

/// The plan's values without its adaptations.
fn tables(plan: &PortPlan) -> Option<Map<String, Value>> {
    let mut plan = plan.clone();
    plan.adaptations.clear();
    match serde_json::to_value(&plan).ok()? {
        Value::Object(mut map) => {
            // An empty table is left out of a plan; its first value is a change by itself all the same.
            for table in ["call", "config"] {
                map.entry(table)
                    .or_insert_with(|| Value::Object(Map::new()));
            }
            Some(map)
        }
        _ => None,
    }
}

fn compare(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    path: &mut Vec<String>,
    found: &mut Vec<Difference>,
) {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    for key in after.keys().chain(gone) {
        path.push(key.clone());
        match (before.get(key), after.get(key)) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => compare(old, new, path, found),
            (old, new) if old != new => found.push(Difference::Value {
                path: path.clone(),
                to: new.cloned(),
            }),
            _ => {}
        }
        path.pop();
    }
}

/// Puts a value in its place, or removes what is there.
fn set(values: &mut Value, path: &[String], to: Option<Value>) -> Option<()> {
    let (last, way) = path.split_last()?;
    let place = way
        .iter()
        .try_fold(values, |value, key| value.get_mut(key))?
        .as_object_mut()?;
    match to {
        Some(value) => {
            place.insert(last.clone(), value);
        }
        None => {
            place.shift_remove(last);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use portwright_core::{
        Format,
        plan::{Adaptation, Provenance, Source, Strategy},
    };

    use super::*;

    fn plan() -> PortPlan {
        PortPlan::from_toml(include_str!("../../tools/tests/plans/bert.toml")).unwrap()
    }

    fn adaptation(kind: AdaptationKind) -> Adaptation {
        Adaptation {
            kind,
            provenance: Provenance {
                source: Source::Search,
                name: "x".into(),
                answers: "y".into(),
                reason: "z".into(),
            },
        }
    }

    fn changed() -> PortPlan {
        let mut plan = plan();
        let export = plan.export.get_mut(&Format::Onnx).unwrap();
        export.optimize = false;
        export.strategy = Strategy::TorchScript;
        plan.config.insert("is_decoder".into(), true.into());
        let key = "export.onnx.optimize".into();
        plan.adaptations = vec![
            adaptation(AdaptationKind::Setting { key }),
            adaptation(AdaptationKind::ExpertsImplementation { name: "e".into() }),
        ];
        plan
    }

    #[test]
    fn every_change_is_found_and_named() {
        let shown: Vec<String> = between(&plan(), &changed())
            .iter()
            .map(Difference::shown)
            .collect();
        assert_eq!(
            shown,
            [
                "config.is_decoder",
                "export.onnx.strategy",
                "export.onnx.optimize",
                "experts implementation e"
            ]
        );
        assert!(between(&changed(), &changed()).is_empty());
    }

    #[test]
    fn a_change_is_taken_back_with_its_record_and_the_others_stay() {
        let (before, after) = (plan(), changed());
        for change in between(&before, &after) {
            let less = without(&before, &after, &change).unwrap();
            let left = between(&before, &less);
            assert_eq!(left.len(), 3, "{}", change.shown());
            assert!(!left.contains(&change));
        }
        let optimize = &between(&before, &after)[2];
        let less = without(&before, &after, optimize).unwrap();
        assert_eq!(less.adaptations.len(), 1);
    }

    #[test]
    fn a_change_whose_loss_leaves_a_contradiction_is_not_taken_back() {
        let mut before = plan();
        before.export.remove(&Format::Onnx);
        before.export.remove(&Format::OpenvinoIr);
        let after = plan();
        let onnx = between(&before, &after)
            .into_iter()
            .find(|change| change.shown() == "export.onnx")
            .unwrap();
        // OpenVINO reads the ONNX file.
        assert_eq!(without(&before, &after, &onnx), None);
    }
}
