//! A first small valid configuration and its inputs, from a card alone.
//!
//! Every number of the configuration gets a role from the words of its name ([`roles`]), every role a small size
//! such that the couplings between roles hold ([`sizes`]), and every parameter of `forward` that matters a spec
//! ([`inputs`]). What that gets wrong, the search repairs from the finding.

mod class;
mod demands;
mod documented;
mod doubled;
mod foreign;
mod generation;
mod grouped;
pub(crate) mod inputs;
mod layers;
mod lists;
mod margins;
mod mixed;
mod offsets;
mod plain;
mod refit;
mod regenerate;
mod roles;
pub(crate) mod senses;
mod sensors;
mod sessions;
mod sizes;
mod stacked;
pub(crate) mod tokens;
pub(crate) mod tree;
mod vocabularies;

use std::collections::BTreeMap;

use portwright_core::{
    Backend, Format, ModelType,
    card::InterfaceCard,
    plan::{Export, PlanError, PortPlan, SCHEMA, Strategy, Weights},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

pub use class::components;
pub(crate) use foreign::SMALL as FOREIGN_SMALL;
pub use generation::{GenerationError, cacheless, generation};
pub(crate) use lists::{is_channels, is_depths};
pub use refit::refit;
pub use regenerate::{OtherRecipe, generation_instead};
pub(crate) use roles::{Role, role};
pub(crate) use sizes::{HEAD_SIZE, OTHER_WIDTH, VOCABULARY, WIDTH, portions};
pub(crate) use tokens::RESERVED;
pub(crate) use tree::{Field, Node, get, join, nodes, put, take};

/// What a person or the catalogue asks of a proposal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ProposeOptions {
    /// The task of the class, e.g. `masked-lm`.
    pub task: Option<String>,
    /// The class by name; stronger than the task.
    pub class: Option<String>,
    /// Overrides that make a variant of the type, laid over the proposal's own.
    pub variant: Map<String, Value>,
}

/// Why no plan could be proposed.
#[derive(Debug, Error)]
pub enum ProposeError {
    #[error("no class `{name}`; the classes are {known}")]
    NoClass { name: String, known: String },
    #[error("no class serves the task `{task}`; the tasks are {known}")]
    NoTask { task: String, known: String },
    #[error("`{class}` takes no input that can be drawn")]
    NoInput { class: String },
    #[error(
        "`{class}` has no `forward`: it is put together from {components}, which run by themselves"
    )]
    NoForward {
        class: String,
        first: ModelType,
        components: String,
    },
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// The signature of a finding on a class that is put together from others, and of which nothing can be called itself.
pub const NO_FORWARD: &str = "the class has no forward";

impl ProposeError {
    /// The cause in words that are the same wherever it occurs.
    pub fn phrase(&self) -> &'static str {
        match self {
            ProposeError::NoForward { .. } => NO_FORWARD,
            _ => "no plan can be proposed",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        let hint = match self {
            ProposeError::NoForward { first, .. } => {
                return format!(
                    "run each of them, e.g. `portwright run {first}`, or sweep them beside it"
                );
            }
            ProposeError::NoClass { .. } => "give `--class` one of the names above",
            ProposeError::NoTask { .. } => "give `--task` one of the tasks above, or leave it out",
            ProposeError::NoInput { .. } => {
                "choose another class with `--class`, or write the plan's inputs by hand"
            }
            ProposeError::Plan(error) => error.hint(),
        };
        hint.to_owned()
    }
}

/// Proposes a plan.
pub fn propose(card: &InterfaceCard, options: &ProposeOptions) -> Result<PortPlan, ProposeError> {
    let class = class::choose(card, options)?;
    let nodes = tree::nodes(card);
    let mut tokens = tokens::TokenMap::new(&nodes);
    let mut config = sizes::solve(&nodes, &tokens);
    demands::meet(&nodes, &card.demands, &mut config);
    foreign::shrink(&nodes, &mut config);
    offsets::shift(&nodes, &mut config);
    senses::tune(&nodes, &mut config);
    senses::placeholders::name_ids(&nodes, &mut tokens, &mut config);
    vocabularies::fill(&card.vocabularies, &nodes, &mut tokens, &mut config);
    if card.whole.is_some() {
        name_part(card, &nodes, &mut config);
    }
    overlay(&mut config, &options.variant);

    let takes_cache = class.inputs.iter().any(|input| input.name == "use_cache");
    let mut call = Map::new();
    if takes_cache {
        call.insert("use_cache".into(), Value::Bool(false));
    } else if nodes[0].field("use_cache").is_some() {
        config.insert("use_cache".into(), Value::Bool(false));
    }
    let small = inputs::Small {
        nodes: &nodes,
        config: &config,
        tokens: &tokens,
    };
    let inputs = inputs::inputs(card, class, &small);
    if inputs.specs.is_empty() {
        let components = class::composed(card, class);
        let class = class.name.clone();
        return Err(match components.first() {
            Some(first) => ProposeError::NoForward {
                class,
                first: first.clone(),
                components: joined(&components),
            },
            None => ProposeError::NoInput { class },
        });
    }
    let exports = exports();
    let mut plan = PortPlan {
        schema: SCHEMA,
        model_type: card.model_type.clone(),
        family: card.family,
        library_version: card.library_version.clone(),
        class: class.name.clone(),
        module: class.module.clone(),
        config_class: card.config_class.name.clone(),
        config_module: class::foreign_config(card, class),
        task: class.task.clone(),
        backends: Backend::all()
            .filter(|it| it.runs_module() || exports.contains_key(&it.reads()))
            .collect(),
        methods: class.methods.clone(),
        session: class.session.clone(),
        call,
        weights: Weights { seed: 0, gain: 1.0 },
        config,
        dims: inputs.dims,
        inputs: inputs.specs,
        mixes_rows: false,
        export: exports,
        adaptations: Vec::new(),
    };
    plan.forget_unused_dims();
    plan.validate()?;
    Ok(plan)
}

/// The library's own exporter with free axes, traced under the attention that the reference uses.
fn exports() -> BTreeMap<Format, Export> {
    let export = |strategy| Export {
        strategy,
        dynamic: true,
        opset: None,
        optimize: true,
        attention: "eager".into(),
        runtime_optimization: None,
        rewrites: Vec::new(),
    };
    BTreeMap::from([
        (Format::Onnx, export(Strategy::Transformers)),
        (Format::OpenvinoIr, export(Strategy::FromOnnx)),
    ])
}

fn joined(types: &[ModelType]) -> String {
    let names: Vec<String> = types.iter().map(|it| format!("`{it}`")).collect();
    names.join(", ")
}

/// Has the whole make the part that the port is about, also where it makes none by default.
fn name_part(card: &InterfaceCard, nodes: &[Node], config: &mut Map<String, Value>) {
    let part = card.model_type.as_str();
    let is_part = |node: &&Node| !node.path.is_empty() && node.model_type.as_deref() == Some(part);
    for node in nodes.iter().filter(is_part) {
        put(config, &join(&node.path, "model_type"), Value::from(part));
    }
}

/// Lays one table over another, table by table.
fn overlay(config: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (name, value) in over {
        match (config.get_mut(name), value) {
            (Some(Value::Object(inner)), Value::Object(over)) => overlay(inner, over),
            _ => {
                config.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Fields without a value whose role says which value a small model gives them, by their dotted paths.
pub(crate) fn empty_fields(card: &InterfaceCard) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for node in tree::nodes(card) {
        for field in node.fields.iter().filter(|field| field.default.is_null()) {
            if let Some(size) = sizes::usual(&node, &field.common) {
                found.push((tree::join(&node.path, &field.name), Value::from(size)));
            }
        }
    }
    found
}

/// The value that a field of this name has in a small model, whichever configuration it belongs to.
pub(crate) fn usual(card: &InterfaceCard, name: &str) -> Option<Value> {
    let nodes = tree::nodes(card);
    Some(Value::from(sizes::usual(nodes.first()?, name)?))
}

/// Plans of the same class with plainer configurations, whose inputs are made anew for their sizes.
pub(crate) fn plainer(card: &InterfaceCard, plan: &PortPlan) -> Vec<(&'static str, PortPlan)> {
    let Some(class) = card.class(&plan.class) else {
        return Vec::new();
    };
    let nodes = tree::nodes(card);
    let mut tokens = tokens::TokenMap::new(&nodes);
    let mut names = Map::new();
    vocabularies::fill(&card.vocabularies, &nodes, &mut tokens, &mut names);
    let ways = [
        (
            "all sizes divided by one factor, which keeps what holds between them",
            plain::scaled(&nodes, &tokens),
        ),
        (
            "the library's own sizes, which suit each other, with few layers",
            plain::lean(&nodes, &tokens),
        ),
    ];
    ways.into_iter()
        .filter_map(|(why, config)| {
            let mut config = config?;
            overlay(&mut config, &names);
            demands::meet(&nodes, &card.demands, &mut config);
            senses::layers(&nodes, &mut config);
            if let Some(cache) = plan.config.get("use_cache") {
                config.insert("use_cache".into(), cache.clone());
            }
            let small = inputs::Small {
                nodes: &nodes,
                config: &config,
                tokens: &tokens,
            };
            let mut made = inputs::inputs(card, class, &small);
            refit::keep_axes(card, class, &tokens, plan, &mut made.specs);
            let mut next = plan.clone();
            next.inputs = made.specs;
            next.dims = made.dims;
            next.config = config;
            next.forget_unused_dims();
            Some((why, next))
        })
        .collect()
}

/// The plan with one more input, which its class takes; `None` where it takes none of that name.
pub(crate) fn more_input(card: &InterfaceCard, plan: &PortPlan, name: &str) -> Option<PortPlan> {
    let class = card.class(&plan.class)?;
    let nodes = tree::nodes(card);
    let tokens = tokens::TokenMap::new(&nodes);
    let small = inputs::Small {
        nodes: &nodes,
        config: &plan.config,
        tokens: &tokens,
    };
    let more = inputs::one(card, class, name, &small)?;
    let mut next = plan.clone();
    for axis in more.specs.iter().flat_map(|spec| &spec.shape) {
        let size = axis
            .named()
            .and_then(|(name, _)| Some((name, more.dims.get(name)?)));
        if let Some((name, size)) = size {
            next.dims
                .entry(name.to_owned())
                .or_insert_with(|| size.clone());
        }
    }
    next.inputs.extend(more.specs);
    Some(next)
}
