use super::{super::toy, *};
use crate::tensor::{ElementType, Tensors};

fn judged(
    dynamic: bool,
    change: impl Fn(&InputSet, &mut Tensors),
) -> Result<Agreement, Box<Finding>> {
    let sets = toy::sets(dynamic);
    compare(
        Backend::Onnxruntime,
        &toy::tolerances(),
        &sets,
        &toy::reference(&sets),
        &toy::changed(&sets, change),
    )
}

fn fails(change: impl Fn(&InputSet, &mut Tensors)) -> Finding {
    *judged(true, change).unwrap_err()
}

#[test]
fn a_candidate_that_computes_the_same_agrees() {
    let agreement = judged(true, |_, _| {}).unwrap();
    assert_eq!(agreement.outputs.len(), 3);
    assert!(agreement.outputs.iter().all(|o| o.max_absolute == 0.0));
    let moved = &agreement.sensitivity[0];
    assert_eq!(moved.input, "x");
    assert!(moved.candidate_moved > 0.0);
}

#[test]
fn rounding_within_the_tolerance_agrees_and_is_reported() {
    let agreement = judged(true, |_, t| toy::map(t, "state", |v| v + 1e-5)).unwrap();
    let state = agreement
        .outputs
        .iter()
        .find(|o| o.name == "state")
        .unwrap();
    assert!(state.max_absolute > 9e-6 && state.max_absolute < state.allowed);
    assert!(state.max_relative > 0.0 && state.reference_spread > 0.0);
}

#[test]
fn wrong_values_fail_with_figures() {
    let finding = fails(|_, t| toy::map(t, "state", |v| v * 1.1));
    assert_eq!(finding.signature.0, "values differ: output state");
    assert!(finding.message.contains("allowed"), "{}", finding.message);
    assert_eq!(finding.backend, Some(Backend::Onnxruntime));
}

#[test]
fn one_wrong_value_in_one_set_fails() {
    let finding = fails(|set, tensors| {
        if let (true, Some(Data::Floating(values))) = (
            set.name == "other",
            tensors.get_mut("state").map(|t| &mut t.data),
        ) {
            values[0] += 0.1;
        }
    });
    assert_eq!(finding.signature.0, "values differ: output state");
    assert!(finding.message.contains("`other`"), "{}", finding.message);
}

#[test]
fn the_worst_of_several_wrong_outputs_is_named() {
    let finding = fails(|_, t| {
        toy::map(t, "state", |v| v * 1.1);
        toy::map(t, "total", |v| v * 2.0);
    });
    assert_eq!(finding.signature.0, "values differ: output total");
}

#[test]
fn a_constant_output_is_called_constant() {
    let finding = fails(|_, t| toy::map(t, "total", |_| 1.5));
    assert_eq!(finding.signature.0, "output is constant: total");
}

#[test]
fn an_output_of_zeros_is_called_so() {
    let finding = fails(|_, t| toy::map(t, "total", |_| 0.0));
    assert_eq!(finding.signature.0, "output is zero everywhere: total");
}

#[test]
fn a_candidate_that_ignores_an_input_is_found_out() {
    let sets = toy::sets(true);
    let deaf = toy::outputs(&sets, |set| {
        let mut set = set.clone();
        if set.probe.as_deref() == Some("mask") {
            set.tensors = sets[0].tensors.clone();
        }
        toy::run(&set)
    });
    let finding = compare(
        Backend::Openvino,
        &toy::tolerances(),
        &sets,
        &toy::reference(&sets),
        &deaf,
    )
    .unwrap_err();
    assert_eq!(finding.signature.0, "ignores an input: mask");
}

#[test]
fn a_missing_output_fails() {
    let finding = fails(|_, t| {
        t.remove("total");
    });
    assert_eq!(finding.signature.0, "output missing: total");
}

#[test]
fn an_invented_output_fails() {
    let finding = fails(|_, t| {
        t.insert("more".into(), toy::floats(&[1], vec![1.0]));
    });
    assert_eq!(finding.signature.0, "output that the model does not have");
}

#[test]
fn a_missing_input_set_fails() {
    let sets = toy::sets(true);
    let mut outputs = toy::outputs(&sets, toy::run);
    outputs.0.pop();
    let finding = compare(
        Backend::TorchCpu,
        &toy::tolerances(),
        &sets,
        &toy::reference(&sets),
        &outputs,
    )
    .unwrap_err();
    assert_eq!(finding.signature.0, "input sets missing");
}

#[test]
fn an_artefact_that_returns_the_traced_shape_fails_on_other_sizes() {
    let finding = fails(|set, tensors| {
        if set.name == "other" {
            tensors.insert("state".into(), toy::floats(&[2, 8], vec![0.5; 16]));
        }
    });
    assert_eq!(finding.signature.0, "shape differs on other sizes");
    assert!(finding.message.contains("traced"), "{}", finding.message);
}

#[test]
fn a_wrong_shape_on_the_example_fails() {
    let finding = fails(|_, tensors| {
        if let Some(state) = tensors.get_mut("state") {
            state.shape.push(1);
        }
    });
    assert_eq!(finding.signature.0, "shape differs");
}

#[test]
fn values_that_are_not_finite_fail() {
    let finding = fails(|_, t| toy::map(t, "state", |_| f64::NAN));
    assert_eq!(finding.signature.0, "not finite: output state");
}

#[test]
fn one_wrong_decision_fails() {
    let finding = fails(|_, tensors| {
        if let Some(Data::Whole(values)) = tensors.get_mut("above").map(|t| &mut t.data) {
            values[0] ^= 1;
        }
    });
    assert_eq!(finding.signature.0, "whole values differ: output above");
}

#[test]
fn a_floating_output_that_became_whole_fails() {
    let finding = fails(|set, tensors| {
        let count = set.sizes["batch"] as usize;
        tensors.insert(
            "total".into(),
            Tensor {
                element: ElementType::Int64,
                shape: vec![count],
                data: Data::Whole(vec![1; count]),
            },
        );
    });
    assert_eq!(finding.signature.0, "type differs: output total");
}

#[test]
fn an_artefact_of_fixed_sizes_is_judged_on_other_values() {
    judged(false, |_, _| {}).unwrap();
    let finding = judged(false, |set, tensors| {
        if set.name == "redrawn" {
            toy::map(tensors, "state", |v| v * 1.5);
        }
    })
    .unwrap_err();
    assert_eq!(finding.signature.0, "values differ: output state");
}
