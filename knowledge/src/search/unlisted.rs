//! What a forward is called with beyond what its signature says outright: a tensor that it hands on to its layers
//! unseen, and a number that says which step of several the call is.

use portwright_core::{Finding, InterfaceCard, PortPlan, job::Frame};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    inputs::is_tensor,
    stated::STATED,
    text,
};
use crate::propose::more_input;

/// Where the library's modelling code is.
const MODELS: &str = "/models/";
/// Names of what flows through a model from layer to layer, which no caller gives.
const FLOWING: [&str; 5] = ["hidden_states", "residual", "x", "input", "inputs_embeds"];

/// The plan with a tensor that the signature does not list: `forward` passes whatever else it is called with on to its
/// layers, one of which was given nothing. The outermost line that hands exactly one name to a module says its name.
pub fn tensor(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    if !text::said(finding).contains("not NoneType") {
        return None;
    }
    let class = card.class(&plan.class)?;
    let frames = finding.error.as_ref()?.frames.iter();
    let name = frames
        .filter(|frame| frame.file.contains(MODELS))
        .find_map(|frame: &Frame| alone(&frame.code))?;
    let listed = class.inputs.iter().any(|input| input.name == name);
    if listed || FLOWING.contains(&name) || plan.input(name).is_some() {
        return None;
    }
    let next = more_input(card, plan, name)?;
    let reason = format!("a layer is given no `{name}`, which `forward` may hand on to it");
    let key = format!("inputs.{name}");
    Some(Candidate::setting(
        next,
        &key,
        searched(STATED, finding, reason),
    ))
}

/// The plan with one for a number that the call leaves out and the code calculates with.
pub fn number(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let calculates = said.contains("unsupported operand type(s)")
        && said.contains("'NoneType'")
        && said.contains("'int'");
    if !calculates {
        return None;
    }
    let line = text::code(finding);
    let line = line.lines().next()?;
    let class = card.class(&plan.class)?;
    let left_out = class.inputs.iter().find(|input| {
        let annotation = input.annotation.as_deref().unwrap_or_default();
        !input.required
            && !annotation.contains("Tensor")
            && is_tensor(&input.name)
            && text::names(line, &input.name)
            && plan.input(&input.name).is_none()
            && !plan.call.contains_key(&input.name)
    })?;
    let mut next = plan.clone();
    next.call.insert(left_out.name.clone(), Value::from(1));
    let reason = format!("the code calculates with `{}`", left_out.name);
    let key = format!("call.{}", left_out.name);
    Some(Candidate::setting(
        next,
        &key,
        searched(STATED, finding, reason),
    ))
}

/// The only argument of a call of a module's own part: `name` in `y * self.part.inner(name)`.
fn alone(code: &str) -> Option<&str> {
    let (_, call) = code.split_once("self.")?;
    let (_, arguments) = call.split_once('(')?;
    let name = arguments.split(')').next()?;
    let plain = |c: char| c.is_alphanumeric() || c == '_';
    (arguments.len() > name.len() && !name.is_empty() && name.chars().all(plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use portwright_core::{Stage, job::JobError};

    use super::*;
    use crate::search::fixtures;

    fn finding(message: &str, lines: &[&str]) -> Finding {
        let frames = lines.iter().map(|code| Frame {
            file: "transformers/models/any/modeling_any.py".into(),
            line: 1,
            function: "forward".into(),
            code: (*code).into(),
            ..Frame::default()
        });
        Finding {
            error: Some(JobError {
                message: message.into(),
                frames: frames.collect(),
                ..JobError::default()
            }),
            ..fixtures::finding(Stage::Forward, message)
        }
    }

    fn card() -> InterfaceCard {
        let source = serde_json::json!({"file": "any.py", "line": 1});
        let input =
            |name: &str| serde_json::json!({"name": name, "required": false, "source": source});
        fixtures::card(serde_json::json!({"classes": [{
            "name": "AnyModel", "module": "any", "task": "base", "source": source, "main_input": "features",
            "inputs": [input("features"), input("step")],
        }]}))
    }

    #[test]
    fn a_tensor_that_a_layer_misses_is_given_though_forward_does_not_list_it() {
        let said = "linear(): argument 'input' (position 1) must be Tensor, not NoneType";
        let lines = [
            "states = layer(",
            "states = states * (1 + self.norm(time))",
            "y = self.linear(hidden_states)",
        ];
        let plan = fixtures::features();
        let found = tensor(&card(), &plan, &finding(said, &lines)).unwrap();
        assert!(found.plan.input("time").is_some());
        assert!(tensor(&card(), &found.plan, &finding(said, &lines)).is_none());
        assert!(tensor(&card(), &plan, &finding(said, &lines[2..])).is_none());
    }

    #[test]
    fn a_number_that_the_code_calculates_with_is_one() {
        let said = "unsupported operand type(s) for -: 'NoneType' and 'int'";
        let lines = ["embeds = self.tables[step - 1](ids)"];
        let plan = fixtures::features();
        let found = number(&card(), &plan, &finding(said, &lines)).unwrap().plan;
        assert_eq!(found.call["step"], Value::from(1));
        assert!(number(&card(), &found, &finding(said, &lines)).is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_code_is_read(code in "\\PC*self.\\PC*\\(\\PC*") {
            let _ = alone(&code);
        }
    }
}
