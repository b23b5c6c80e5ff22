//! Inputs that follow the configuration: when a plan's configuration changes, what was derived from it is derived anew.

use portwright_core::{
    card::{InterfaceCard, ModelClass},
    plan::{InputSpec, PortPlan},
};
use serde_json::{Map, Value};

use super::{
    inputs::{self, Inputs, Small},
    tokens::TokenMap,
    tree::{self, Node},
};

/// The plan with every input that still is what `before` gave it replaced by what the plan's configuration gives now.
/// What the search has changed by itself stays, and what nested configurations had from their parents is said again.
pub fn refit(card: &InterfaceCard, mut plan: PortPlan, before: &Map<String, Value>) -> PortPlan {
    let Some(class) = card.class(&plan.class) else {
        return plan;
    };
    if plan.config == *before {
        return plan;
    }
    let nodes = tree::nodes(card);
    tree::restate(&nodes, &mut plan.config);
    let tokens = TokenMap::new(&nodes);
    let old = Derived::new(card, class, &nodes, before, &tokens);
    let config = plan.config.clone();
    let new = Derived::new(card, class, &nodes, &config, &tokens);
    for input in &mut plan.inputs {
        if old.spec(&input.name).as_ref() == Some(input)
            && let Some(spec) = new.spec(&input.name)
        {
            *input = spec;
        }
    }
    for (name, dim) in &mut plan.dims {
        if old.all.dims.get(name) == Some(dim)
            && let Some(now) = new.all.dims.get(name)
        {
            *dim = now.clone();
        }
    }
    for (name, dim) in &new.all.dims {
        let named = |spec: &InputSpec| {
            spec.shape
                .iter()
                .any(|axis| axis.named().is_some_and(|(own, _)| own == name))
        };
        if plan.inputs.iter().any(named) {
            plan.dims.entry(name.clone()).or_insert_with(|| dim.clone());
        }
    }
    plan
}

/// What one configuration gives the inputs of a class.
struct Derived<'a> {
    card: &'a InterfaceCard,
    class: &'a ModelClass,
    small: Small<'a>,
    all: Inputs,
}

impl<'a> Derived<'a> {
    fn new(
        card: &'a InterfaceCard,
        class: &'a ModelClass,
        nodes: &'a [Node],
        config: &'a Map<String, Value>,
        tokens: &'a TokenMap,
    ) -> Self {
        let small = Small {
            nodes,
            config,
            tokens,
        };
        let all = inputs::inputs(card, class, &small);
        Self {
            card,
            class,
            small,
            all,
        }
    }

    /// The spec of an input, also of one that only the search adds.
    fn spec(&self, name: &str) -> Option<InputSpec> {
        if let Some(spec) = self.all.specs.iter().find(|spec| spec.name == name) {
            return Some(spec.clone());
        }
        let more = inputs::one(self.card, self.class, name, &self.small)?;
        more.specs.into_iter().find(|spec| spec.name == name)
    }
}
