//! Rules: what cured an error before, in any model that meets it. The seed rules are data; verified repairs join
//! them later.

use std::sync::LazyLock;

use portwright_core::{
    Backend, Finding, InterfaceCard, PortPlan, Stage,
    plan::{AdaptationKind, Export, Provenance, Source, Strategy},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    propose::more_input,
    search::{Candidate, said},
};

/// Gains beyond this, either way, mean that the configuration is at fault and not the weights.
const LARGEST_GAIN: f64 = 4.0;

/// The embedded rules. A test keeps them readable, so an error here is a defect and leaves the ladder to the search.
static RULES: LazyLock<Vec<Rule>> =
    LazyLock::new(|| read(include_str!("rules.toml")).unwrap_or_default());

/// One rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    stages: Vec<Stage>,
    #[serde(default)]
    backend: Option<Backend>,
    any: Vec<String>,
    change: Change,
    reason: String,
}

/// What a rule changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
enum Change {
    Experts {
        implementation: String,
    },
    Gain {
        factor: f64,
    },
    DropIgnoredControl,
    /// An argument of `forward` that is no tensor, where the class takes one of this name.
    Call {
        name: String,
        value: Value,
    },
    /// One more input, where the class takes one of this name.
    Input {
        name: String,
    },
    /// A field of the type's own configuration, where it has one of this name.
    Field {
        name: String,
        value: Value,
    },
    Attention {
        implementation: String,
    },
    Static,
    /// The tracer, with every size fixed.
    StaticTracer,
    /// Batches of one size only.
    FixedBatch,
    RuntimeOptimization {
        level: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rule: Vec<Rule>,
}

fn read(text: &str) -> Result<Vec<Rule>, toml::de::Error> {
    Ok(toml::from_str::<File>(text)?.rule)
}

/// Plans by the rules that answer a finding, in the order of the rules.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let text = format!("{}\n{}", finding.signature, said(finding));
    RULES
        .iter()
        .filter(|rule| answers(rule, finding, &text))
        .filter_map(|rule| apply(rule, card, plan, finding, &text))
        .filter(|candidate| candidate.plan.validate().is_ok())
        .collect()
}

fn answers(rule: &Rule, finding: &Finding, text: &str) -> bool {
    rule.stages.contains(&finding.stage)
        && (rule.backend.is_none() || rule.backend == finding.backend)
        && (rule.any.is_empty() || rule.any.iter().any(|piece| text.contains(piece.as_str())))
}

/// The plan with the rule's change; `None` where it would change nothing.
fn apply(
    rule: &Rule,
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    text: &str,
) -> Option<Candidate> {
    let mut next = plan.clone();
    let kind = match &rule.change {
        Change::Experts { implementation } => {
            let kind = AdaptationKind::ExpertsImplementation {
                name: implementation.clone(),
            };
            if plan.adaptations.iter().any(|known| known.kind == kind) {
                return None;
            }
            kind
        }
        Change::Gain { factor } => {
            next.weights.gain *= factor;
            let gain = next.weights.gain;
            if !(1.0 / LARGEST_GAIN..=LARGEST_GAIN).contains(&gain) {
                return None;
            }
            setting("weights.gain".into())
        }
        Change::DropIgnoredControl => {
            let name = plan
                .inputs
                .iter()
                .filter(|input| input.modality == "control" && plan.inputs.len() > 1)
                .map(|input| input.name.clone())
                .find(|name| {
                    text.lines()
                        .any(|line| line.ends_with(&format!("input {name}")))
                })?;
            next.inputs.retain(|input| input.name != name);
            setting(format!("inputs.{name}"))
        }
        Change::Call { name, value } => {
            let class = card.class(&plan.class)?;
            class.inputs.iter().find(|input| input.name == *name)?;
            next.call.insert(name.clone(), value.clone());
            setting(format!("call.{name}"))
        }
        Change::Input { name } => {
            let class = card.class(&plan.class)?;
            class.inputs.iter().find(|input| input.name == *name)?;
            if plan.input(name).is_some() {
                return None;
            }
            next = more_input(card, plan, name)?;
            setting(format!("inputs.{name}"))
        }
        Change::Field { name, value } => {
            card.config_fields
                .iter()
                .find(|field| field.name == *name)?;
            next.config.insert(name.clone(), value.clone());
            setting(format!("config.{name}"))
        }
        Change::Attention { implementation } => {
            export(&mut next, finding, "attention", |export| {
                export.attention.clone_from(implementation);
            })?
        }
        Change::Static => export(&mut next, finding, "dynamic", |export| {
            export.dynamic = false
        })?,
        Change::StaticTracer => export(&mut next, finding, "strategy", |export| {
            export.strategy = Strategy::TorchScript;
            export.dynamic = false;
        })?,
        Change::FixedBatch => {
            next.dims.get_mut("batch")?.other.take()?;
            setting("dims.batch.other".to_owned())
        }
        Change::RuntimeOptimization { level } => {
            export(&mut next, finding, "runtime_optimization", |export| {
                export.runtime_optimization = Some(level.clone());
            })?
        }
    };
    let provenance = Provenance {
        source: Source::Rule,
        name: rule.name.clone(),
        answers: finding.signature.0.clone(),
        reason: rule.reason.clone(),
    };
    (next != *plan || !matches!(kind, AdaptationKind::Setting { .. }))
        .then(|| Candidate::new(next, kind, provenance))
}

fn setting(key: String) -> AdaptationKind {
    AdaptationKind::Setting { key }
}

/// Changes the export entry of the finding's backend.
fn export(
    plan: &mut PortPlan,
    finding: &Finding,
    key: &str,
    change: impl FnOnce(&mut Export),
) -> Option<AdaptationKind> {
    let backend = finding.backend?;
    change(plan.export.get_mut(&backend)?);
    plan.follow_onnx();
    Some(setting(format!("export.{backend}.{key}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_rules_are_readable_and_say_why() {
        let rules = read(include_str!("rules.toml")).unwrap();
        assert!(!rules.is_empty());
        for rule in rules {
            assert!(
                !rule.reason.is_empty() && !rule.stages.is_empty(),
                "{}",
                rule.name
            );
        }
    }
}
