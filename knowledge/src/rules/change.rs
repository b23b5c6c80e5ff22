//! What a rule changes, and how a plan is changed by it.

use portwright_core::{
    Finding, InterfaceCard, PortPlan,
    plan::{AdaptationKind, Export, Strategy, Values},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wanted;
use crate::{propose::more_input, search::asked_for};

/// Gains beyond this, either way, mean that the configuration is at fault and not the weights.
const LARGEST_GAIN: f64 = 4.0;

/// One change, in terms that hold for any model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    Experts {
        implementation: String,
    },
    /// Antialiased resizes as products of matrices, where the model is given images or the frames of a video: only those,
    /// and positions that are laid over them, are resized.
    AntialiasAsProduct,
    Gain {
        factor: f64,
    },
    DropIgnoredControl,
    /// What a decoder of its own would read goes, where the finding says that the forward ignores it: the configured
    /// language model is a decoder by itself.
    DropIgnoredDecoder,
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
    /// Fixed axes for a plan that has tables of sizes, which the artefact then holds as constants.
    HoldTables,
    /// The inputs that the error names as wanted, where the class takes them and the plan lacks them.
    WantedInputs,
    /// Batches of one size only.
    FixedBatch,
    /// Who makes the artefact.
    Strategy {
        strategy: Strategy,
    },
    /// The exporter's own graph optimiser does not run.
    PlainGraph,
    RuntimeOptimization {
        level: String,
    },
}

impl Change {
    /// Changes `plan` and says what was changed; `None` where the change does not apply to it. `text` is what the
    /// finding says.
    pub(super) fn apply(
        &self,
        card: &InterfaceCard,
        plan: &mut PortPlan,
        finding: &Finding,
        text: &str,
    ) -> Option<AdaptationKind> {
        match self {
            Change::Experts { implementation } => {
                let kind = AdaptationKind::ExpertsImplementation {
                    name: implementation.clone(),
                };
                let known = plan.adaptations.iter().any(|known| known.kind == kind);
                (!known).then_some(kind)
            }
            Change::AntialiasAsProduct => {
                let images = plan
                    .inputs
                    .iter()
                    .any(|input| matches!(input.modality.as_str(), "image" | "video"));
                let kind = AdaptationKind::AntialiasAsProduct;
                let known = plan.adaptations.iter().any(|known| known.kind == kind);
                (images && !known).then_some(kind)
            }
            Change::Gain { factor } => {
                plan.weights.gain *= factor;
                let gain = plan.weights.gain;
                (1.0 / LARGEST_GAIN..=LARGEST_GAIN)
                    .contains(&gain)
                    .then(|| setting("weights.gain".into()))
            }
            Change::DropIgnoredControl => drop_ignored_control(card, plan, text),
            Change::DropIgnoredDecoder => drop_ignored_decoder(plan, text),
            Change::Call { name, value } => {
                let class = card.class(&plan.class)?;
                class.inputs.iter().find(|input| input.name == *name)?;
                plan.call.insert(name.clone(), value.clone());
                Some(setting(format!("call.{name}")))
            }
            Change::Input { name } => {
                let class = card.class(&plan.class)?;
                class.inputs.iter().find(|input| input.name == *name)?;
                if plan.input(name).is_some() {
                    return None;
                }
                *plan = more_input(card, plan, name)?;
                Some(setting(format!("inputs.{name}")))
            }
            Change::Field { name, value } => {
                card.config_fields
                    .iter()
                    .find(|field| field.name == *name)?;
                plan.config.insert(name.clone(), value.clone());
                Some(setting(format!("config.{name}")))
            }
            Change::Attention { implementation } => export(plan, finding, "attention", |export| {
                export.attention.clone_from(implementation);
            }),
            Change::HoldTables => {
                plan.tables().next()?;
                export(plan, finding, "dynamic", |export| export.dynamic = false)
            }
            Change::WantedInputs => wanted::add(card, plan, text).map(setting),
            Change::Static => export(plan, finding, "dynamic", |export| export.dynamic = false),
            Change::FixedBatch => {
                plan.dims.get_mut("batch")?.other.take()?;
                Some(setting("dims.batch.other".to_owned()))
            }
            Change::Strategy { strategy } => export(plan, finding, "strategy", |export| {
                export.strategy = *strategy;
            }),
            Change::PlainGraph => export(plan, finding, "optimize", |export| {
                export.optimize = false;
            }),
            Change::RuntimeOptimization { level } => {
                export(plan, finding, "runtime_optimization", |export| {
                    export.runtime_optimization = Some(level.clone());
                })
            }
        }
    }
}

fn drop_ignored_control(
    card: &InterfaceCard,
    plan: &mut PortPlan,
    text: &str,
) -> Option<AdaptationKind> {
    // A forward that ignores what it cannot be called without still has to be given it.
    let required = |name: &str| {
        let class = card.class(&plan.class);
        class.is_some_and(|class| class.inputs.iter().any(|i| i.required && i.name == name))
    };
    // Nor can a mask be left out that an error has asked for: the same error would ask for it again.
    let demanded = |name: &str| {
        let mask = plan.input(name).is_some_and(|i| i.values == Values::Mask);
        mask && asked_for(plan, name)
    };
    let name = plan
        .inputs
        .iter()
        .filter(|input| input.modality == "control" && plan.inputs.len() > 1)
        .map(|input| input.name.clone())
        .find(|name| {
            text.lines()
                .any(|line| line.ends_with(&format!("input {name}")))
        })
        .filter(|name| !required(name) && !demanded(name))?;
    plan.inputs.retain(|input| input.name != name);
    Some(setting(format!("inputs.{name}")))
}

fn drop_ignored_decoder(plan: &mut PortPlan, text: &str) -> Option<AdaptationKind> {
    const IDS: &str = "decoder_input_ids";
    let ignored = text
        .lines()
        .any(|line| line.ends_with(&format!("input {IDS}")));
    if !ignored || plan.input("input_ids").is_none() {
        return None;
    }
    plan.inputs
        .retain(|input| !input.name.starts_with("decoder_"));
    Some(setting(format!("inputs.{IDS}")))
}

fn setting(key: String) -> AdaptationKind {
    AdaptationKind::Setting { key }
}

/// Changes how the artefact of the finding's backend is made.
fn export(
    plan: &mut PortPlan,
    finding: &Finding,
    key: &str,
    change: impl FnOnce(&mut Export),
) -> Option<AdaptationKind> {
    let format = finding.backend?.reads();
    change(plan.export.get_mut(&format)?);
    plan.follow_sources();
    Some(setting(format!("export.{format}.{key}")))
}
