//! Inputs that follow the configuration: when a plan's configuration changes, what was derived from it is derived anew.

use portwright_core::{
    card::{InterfaceCard, ModelClass},
    plan::{Axis, InputSpec, PortPlan},
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
        let (Some(was), Some(spec)) = (old.spec(&input.name), new.spec(&input.name)) else {
            continue;
        };
        if was == *input {
            *input = spec;
        } else if let Some(shape) = with_more_axes(&input.shape, &was.shape, &spec.shape) {
            input.shape = shape;
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

/// The inputs of a configuration that was made anew, with the axes that the search has found each of the plan's inputs to
/// have beside those that its configuration gives it: how many axes the code unpacks is no question of their sizes.
pub(super) fn keep_axes(
    card: &InterfaceCard,
    class: &ModelClass,
    tokens: &TokenMap,
    plan: &PortPlan,
    made: &mut [InputSpec],
) {
    let nodes = tree::nodes(card);
    let old = Derived::new(card, class, &nodes, &plan.config, tokens);
    for spec in made {
        let shape = plan.input(&spec.name).and_then(|input| {
            let was = old.spec(&spec.name)?;
            with_more_axes(&input.shape, &was.shape, &spec.shape)
        });
        if let Some(shape) = shape {
            spec.shape = shape;
        }
    }
}

/// The axes of `new` with those between them that `shape` has beside the axes of `was`; `None` where it has no others, or
/// lacks one of them.
fn with_more_axes(shape: &[Axis], was: &[Axis], new: &[Axis]) -> Option<Vec<Axis>> {
    let more = shape
        .len()
        .checked_sub(was.len())
        .filter(|more| *more > 0)?;
    let lead = shape.iter().zip(was).take_while(|(a, b)| a == b).count();
    let rest = shape.get(lead + more..)?;
    if was.len() != new.len() || rest != &was[lead..] {
        return None;
    }
    let mut axes = new[..lead].to_vec();
    axes.extend_from_slice(&shape[lead..lead + more]);
    axes.extend_from_slice(&new[lead..]);
    Some(axes)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(sizes: &[u64]) -> Vec<Axis> {
        sizes.iter().copied().map(Axis::Fixed).collect()
    }

    #[test]
    fn an_axis_that_was_found_stays_when_the_sizes_change() {
        let follow = |shape: &[u64], was: &[u64], new: &[u64]| {
            with_more_axes(&axes(shape), &axes(was), &axes(new))
        };
        let kept = follow(&[2, 1, 3, 64, 64], &[2, 3, 64, 64], &[2, 3, 32, 32]);
        assert_eq!(kept, Some(axes(&[2, 1, 3, 32, 32])));
        let other = follow(&[2, 16, 192], &[2, 3, 64, 64], &[2, 3, 32, 32]);
        assert_eq!(other, None);
        let resized = follow(&[2, 1, 3, 16, 16], &[2, 3, 64, 64], &[2, 3, 32, 32]);
        assert_eq!(resized, None);
    }
}
