//! Inputs that an exporter asks for by name, beyond those of the plan.
//!
//! The library's exporter computes some inputs before it traces, such as the positions of a multi-axis rotary embedding:
//! a graph cannot loop over the tokens of an image. An artefact then has an input that the plan must give.

use portwright_core::{
    InterfaceCard, PortPlan,
    plan::{Axis, Dtype, InputSpec, Values},
};

use crate::search::rotary_axes;

/// The name under which every class takes the places of its tokens.
const POSITIONS: &str = "position_ids";
/// Time, height and width: the axes of positions where the configuration does not say how many there are.
const AXES: u64 = 3;

/// Adds what `text` names as wanted; the key of what was added, or of what is there already. `None` where the class
/// takes no input of that name.
pub(super) fn add(card: &InterfaceCard, plan: &mut PortPlan, text: &str) -> Option<String> {
    let key = format!("inputs.{POSITIONS}");
    if !wants(text, POSITIONS) || plan.input(POSITIONS).is_some() {
        return Some(key);
    }
    let class = card.class(&plan.class)?;
    class.inputs.iter().find(|input| input.name == POSITIONS)?;
    let spec = positions(card, plan)?;
    plan.inputs.push(spec);
    Some(key)
}

/// Whether an error says that the input is wanted: in the list of a graph's arguments, or alone.
fn wants(text: &str, name: &str) -> bool {
    // The signature says the same before the message does, without the names.
    let mut lists = text
        .split("arg names [")
        .skip(1)
        .filter_map(|rest| rest.split(']').next());
    lists.any(|list| list.contains(&format!("'{name}'")))
        || text.contains(&format!("wants an input `{name}`"))
}

/// A place on every axis for each token. They are drawn: attention masks by order and not by place, so any place is
/// valid, and only places that differ from axis to axis show that the right axis is used.
fn positions(card: &InterfaceCard, plan: &PortPlan) -> Option<InputSpec> {
    let tokens = plan.input("input_ids")?;
    let last = tokens.shape.last()?.named()?;
    let length = plan.dims.get(last.0)?.example * last.1;
    let axes = rotary_axes(card, plan).unwrap_or(AXES);
    let mut shape = vec![Axis::Fixed(axes)];
    shape.extend(tokens.shape.iter().cloned());
    Some(InputSpec {
        name: POSITIONS.into(),
        dtype: Dtype::Int64,
        shape,
        values: Values::Integer {
            low: 0,
            high: i64::try_from(length).ok()?,
        },
        modality: "control".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_in_the_list_of_an_exporter_is_wanted() {
        let text = "the arg names [_, _] of _, but\nthe arg names ['input_ids', 'position_ids'] of `inputs`, but";
        assert!(wants(text, "position_ids"));
        assert!(!wants(text, "ids"));
        assert!(!wants(
            "but here they are ['input_ids', 'position_ids']",
            "position_ids"
        ));
    }

    #[test]
    fn an_input_of_the_artefact_that_the_plan_lacks_is_wanted() {
        let text = "the artefact wants an input `position_ids` that the plan does not have";
        assert!(wants(text, "position_ids"));
    }
}
