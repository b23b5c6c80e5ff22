//! The recipe of cached generation, from the card and the plan that was found sound: what was repaired there stays
//! repaired here.

use std::collections::BTreeMap;

use portwright_core::{
    card::{InterfaceCard, ModelClass},
    plan::{Axis, Dim, Feed, GenerationPlan, InputSpec, PlanError, PortPlan, Values},
};
use serde_json::Value;
use thiserror::Error;

use super::{inputs, tokens, tree};

/// Tasks in the order in which their class shows most of a type's generation: a whole model before its decoder alone.
const TASKS: [&str; 4] = [
    "seq2seq-lm",
    "speech-seq2seq",
    "image-text-to-text",
    "causal-lm",
];

/// The names under which the library's own generation carries a state from one step to the next.
const CACHES: [&str; 5] = [
    "past_key_values",
    "cache_params",
    "state",
    "mems",
    "past_buckets_states",
];

/// The tokens that are decoded one by one. The second shows that the cache which a decode step returns is right too.
const DECODES: u64 = 2;

/// The fewest tokens: the prefill then has several, of which all but the last can be drawn anew.
const FEWEST: u64 = 6;

/// Why a type that generates has no recipe.
#[derive(Debug, Error)]
pub enum GenerationError {
    #[error("`{class}` takes no token ids of the shape batch by tokens")]
    NoTokens { class: String },
    #[error("the plan has no input for `{input}`, which `{class}` requires")]
    NoInput { class: String, input: String },
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl GenerationError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            GenerationError::NoTokens { .. } => {
                "give the plan an input of token ids whose second axis is a named size"
            }
            GenerationError::NoInput { .. } => "give the plan this input",
            GenerationError::Plan(error) => error.hint(),
        }
    }
}

/// The recipe of a type's generation; `None` for a type without a class that generates.
pub fn generation(
    card: &InterfaceCard,
    plan: &PortPlan,
) -> Result<Option<GenerationPlan>, GenerationError> {
    let Some(class) = class(card, plan) else {
        return Ok(None);
    };
    let mut plan = of_class(card, class, plan)?;
    let axis = token_axis(class, &plan)?;
    widen(&mut plan.dims, &axis);
    let mut feeds = BTreeMap::new();
    for spec in &mut plan.inputs {
        let feed = feed(spec, &axis);
        // Padding among the tokens would move positions in some models and not in others.
        if matches!(feed, Feed::SoFar { .. }) {
            spec.values = Values::Constant { value: 1.0 };
        }
        feeds.insert(spec.name.clone(), feed);
    }
    plan.validate()?;
    Ok(Some(GenerationPlan {
        plan,
        axis,
        decodes: DECODES,
        feeds,
    }))
}

/// The plan's own class where it generates, or the one that shows most.
fn class<'a>(card: &'a InterfaceCard, plan: &PortPlan) -> Option<&'a ModelClass> {
    let encoder = is_encoder(card, plan);
    let generating = || {
        card.classes
            .iter()
            .filter(|class| class.generates && keeps_cache(class))
            .filter(|class| !(encoder && class.task == "causal-lm"))
    };
    generating()
        .find(|class| class.name == plan.class)
        .or_else(|| {
            TASKS
                .iter()
                .find_map(|task| generating().find(|class| class.task == *task))
        })
        .or_else(|| generating().next())
}

/// Whether `forward` can be given a cache or returns one, as its source declares. Where it does neither, the library
/// generates with that class by all tokens anew in every step, or by a way that is no `forward` of tokens at all, such as
/// that of labels per frame.
fn keeps_cache(class: &ModelClass) -> bool {
    if class.lacks_forward() {
        return false;
    }
    let takes = class.inputs.iter().any(|input| is_cache(&input.name));
    // A class whose output is not declared may return anything.
    takes || class.outputs.is_empty() || class.outputs.iter().any(|output| is_cache(output))
}

fn is_cache(name: &str) -> bool {
    CACHES.contains(&name)
}

/// The class that generates without any cache, of a type that has no class which generates with one.
pub fn cacheless(card: &InterfaceCard) -> Option<&str> {
    let mut generating = card.classes.iter().filter(|class| class.generates);
    let first = generating.clone().next()?;
    generating
        .all(|class| !keeps_cache(class))
        .then_some(first.name.as_str())
}

/// Whether the configuration that was found makes an encoder of what could also be a decoder: it attends to later
/// tokens, so that no cache of earlier ones can give what it computes.
fn is_encoder(card: &InterfaceCard, plan: &PortPlan) -> bool {
    let default = card
        .config_fields
        .iter()
        .find(|field| field.name == "is_decoder")
        .map(|field| &field.default);
    plan.config.get("is_decoder").or(default) == Some(&Value::Bool(false))
}

/// The plan for the generative class, run without a cache.
fn of_class(
    card: &InterfaceCard,
    class: &ModelClass,
    plan: &PortPlan,
) -> Result<PortPlan, GenerationError> {
    let mut plan = plan.clone();
    let takes = |name: &str| class.inputs.iter().any(|input| input.name == name);
    let has_field = |name: &str| card.config_fields.iter().any(|field| field.name == name);
    if plan.class != class.name {
        plan.class = class.name.clone();
        plan.module = class.module.clone();
        plan.task = class.task.clone();
        plan.inputs.retain(|input| takes(&input.name));
        plan.call.retain(|name, _| takes(name));
        complete(card, class, &mut plan)?;
    }
    if takes("use_cache") {
        plan.call.insert("use_cache".into(), Value::Bool(false));
    } else if has_field("use_cache") {
        plan.config.insert("use_cache".into(), Value::Bool(false));
    }
    Ok(plan)
}

/// Adds the inputs that the class wants and that the class of the plan did not.
fn complete(
    card: &InterfaceCard,
    class: &ModelClass,
    plan: &mut PortPlan,
) -> Result<(), GenerationError> {
    let nodes = tree::nodes(card);
    let tokens = tokens::TokenMap::new(&nodes);
    let small = inputs::Small {
        nodes: &nodes,
        config: &plan.config,
        tokens: &tokens,
    };
    let proposed = inputs::inputs(card, class, &small);
    for spec in proposed.specs {
        if plan.input(&spec.name).is_some() || !wanted(class, &spec) {
            continue;
        }
        for (name, _) in spec.shape.iter().filter_map(Axis::named) {
            if let Some(dim) = proposed.dims.get(name) {
                plan.dims
                    .entry(name.to_owned())
                    .or_insert_with(|| dim.clone());
            }
        }
        plan.inputs.push(spec);
    }
    match class
        .inputs
        .iter()
        .find(|input| input.required && plan.input(&input.name).is_none())
    {
        Some(missing) => Err(GenerationError::NoInput {
            class: class.name.clone(),
            input: missing.name.clone(),
        }),
        None => Ok(()),
    }
}

/// Masks and the like were left out of the plan for a reason; tokens and what is required were not.
fn wanted(class: &ModelClass, spec: &InputSpec) -> bool {
    spec.modality == "text"
        || class
            .inputs
            .iter()
            .any(|input| input.required && input.name == spec.name)
}

/// The named size of the tokens that are generated.
fn token_axis(class: &ModelClass, plan: &PortPlan) -> Result<String, GenerationError> {
    ["decoder_input_ids", "input_ids"]
        .iter()
        .find_map(|name| plan.input(name))
        .and_then(|ids| {
            let (name, factor) = ids.shape.get(1)?.named()?;
            (factor == 1).then(|| name.to_owned())
        })
        .ok_or_else(|| GenerationError::NoTokens {
            class: class.name.clone(),
        })
}

fn widen(dims: &mut BTreeMap<String, Dim>, axis: &str) {
    if let Some(dim) = dims.get_mut(axis)
        && dim.example < FEWEST
    {
        dim.example = FEWEST;
        dim.other = dim.other.map(|other| other.max(FEWEST + 3));
    }
}

fn feed(spec: &InputSpec, axis: &str) -> Feed {
    let place = spec
        .shape
        .iter()
        .position(|of| of.named() == Some((axis, 1)));
    let mask = spec.values == Values::Mask;
    match place {
        Some(place) if mask => Feed::SoFar { place },
        Some(place) => Feed::Own { place },
        None if mask => Feed::Always,
        None => Feed::Once,
    }
}

#[cfg(test)]
#[path = "generation_tests.rs"]
mod tests;
