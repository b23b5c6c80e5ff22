use proptest::prelude::*;

use super::{super::toy, *};
use crate::tensor::{Data, ElementType, Tensor, Tensors};

fn judged(
    dynamic: bool,
    change: impl Fn(&InputSet, &mut Tensors),
) -> Result<Agreement, Box<Finding>> {
    let sets = toy::sets(dynamic);
    compare(
        Backend::ONNXRUNTIME,
        &toy::tolerances(),
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
    let agreement = judged(true, |_, t| toy::map(t, "state", |v| v + 1e-6)).unwrap();
    let state = agreement
        .outputs
        .iter()
        .find(|o| o.name == "state")
        .unwrap();
    assert!(state.difference > 9e-7 && state.difference < state.allowed);
    assert!(state.allowed < 2e-4, "{}", state.allowed);
    assert!(state.max_relative > 0.0 && state.reference_spread > 0.0);
}

#[test]
fn wrong_values_fail_with_figures() {
    let finding = fails(|_, t| toy::map(t, "state", |v| v * 1.1));
    assert_eq!(finding.signature.0, "values differ: output state");
    assert!(finding.message.contains("allowed"), "{}", finding.message);
    assert_eq!(finding.backend, Some(Backend::ONNXRUNTIME));
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
        Backend::OPENVINO,
        &toy::tolerances(),
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
        Backend::TORCH_CPU,
        &toy::tolerances(),
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

#[test]
fn outputs_that_are_cut_short_while_they_are_judged_fail() {
    let sets = toy::sets(true);
    let right: Vec<Tensors> = sets.iter().map(toy::run).collect();
    // Once the reference's, which was sound when it was checked, and once the candidate's.
    for cut in 0..2 {
        for set in &sets {
            let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let [reference, candidate] =
                [0, 1].map(|of| toy::opened(folders[of].path(), &sets, &right));
            let reference = Reference::check(reference, None, sets.clone(), &[]).unwrap();
            toy::cut_short(folders[cut].path(), set);
            let finding = compare(
                Backend::ONNXRUNTIME,
                &toy::tolerances(),
                &reference,
                &candidate,
            )
            .unwrap_err();
            assert_eq!(finding.signature.0, "outputs: file unreadable");
            assert!(finding.message.contains(&set.name), "{}", finding.message);
        }
    }
}

/// A toy's outputs as a file keeps them.
fn rounded(tensors: &mut Tensors) {
    for name in ["state", "total"] {
        toy::map(tensors, name, |value| f64::from(value as f32));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn where_the_values_lie_changes_no_judgement(
        dynamic in any::<bool>(),
        set in 0usize..4,
        floating in prop::sample::select(vec!["state", "total", "none"]),
        factor in prop::sample::select(vec![0.0, 0.5, 0.9999, 1.0, 1.0001, 1e31, f64::NAN]),
        flip in any::<bool>(),
        shape in any::<bool>(),
    ) {
        let sets = toy::sets(dynamic);
        let set = sets.get(set).map(|set| set.name.as_str());
        let outputs = |changed: bool| -> Vec<Tensors> {
            let run = |of: &InputSet| {
                let mut tensors = toy::run(of);
                if changed && set == Some(of.name.as_str()) {
                    toy::map(&mut tensors, floating, |value| value * factor);
                    if let (true, Some(Data::Whole(values))) =
                        (flip, tensors.get_mut("above").map(|t| &mut t.data))
                    {
                        values[1] ^= 1;
                    }
                    if let (true, Some(total)) = (shape, tensors.get_mut("total")) {
                        total.shape.push(1);
                    }
                }
                rounded(&mut tensors);
                tensors
            };
            sets.iter().map(run).collect()
        };
        let judged = |reference, candidate| {
            let reference = Reference::check(reference, None, sets.clone(), &[])?;
            compare(Backend::ONNXRUNTIME, &toy::tolerances(), &reference, &candidate)
        };
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        // The changed one is once the candidate and once the reference.
        for changed in [false, true] {
            let (reference, candidate) = (outputs(changed), outputs(!changed));
            let stored = judged(
                toy::opened(folders[0].path(), &sets, &reference),
                toy::opened(folders[1].path(), &sets, &candidate),
            );
            prop_assert_eq!(stored, judged(reference.into(), candidate.into()));
        }
    }
}

/// A reference of one output with two channels, of which the second is a thousand times the first.
fn two_channels() -> (Vec<InputSet>, Vec<Tensors>) {
    let sets = toy::sets(true);
    let run = |set: &InputSet| {
        let state = &toy::run(set)["state"];
        let Data::Floating(values) = &state.data else {
            panic!("the toy says otherwise");
        };
        let both = values.iter().flat_map(|value| [*value, 1000.0 * value]);
        let shape = [state.shape.as_slice(), &[2]].concat();
        Tensors::from([("both".to_owned(), toy::floats(&shape, both.collect()))])
    };
    let outputs = sets.iter().map(run).collect();
    (sets, outputs)
}

/// What the judge finds when values of the two channels were changed, by their place in the set's output.
fn judged_channels(change: impl Fn(usize, f64) -> f64) -> Result<Agreement, Box<Finding>> {
    let (sets, right) = two_channels();
    let mut found = right.clone();
    for tensors in &mut found {
        if let Some(Data::Floating(values)) = tensors.get_mut("both").map(|it| &mut it.data) {
            for (place, value) in values.iter_mut().enumerate() {
                *value = change(place, *value);
            }
        }
    }
    let reference = Reference::check(right.into(), None, sets, &[]).unwrap();
    compare(
        Backend::ONNXRUNTIME,
        &toy::tolerances(),
        &reference,
        &found.into(),
    )
}

#[test]
fn a_small_channel_is_not_paid_for_by_a_large_one() {
    judged_channels(|_, value| value).unwrap();
    // A fifth of its spread, and far less than a thousandth of the spread of the whole.
    let finding = judged_channels(|place, value| match place % 2 {
        0 => 1.2 * value,
        _ => value,
    })
    .unwrap_err();
    assert_eq!(finding.signature.0, "values differ: output both");
    assert!(
        finding.message.contains(", 0] for set"),
        "{}",
        finding.message
    );
}

#[test]
fn a_channel_that_was_lost_is_found_beside_a_large_one() {
    let finding = judged_channels(|place, value| if place % 2 == 0 { 0.0 } else { value });
    assert!(finding.is_err());
}

#[test]
fn a_filler_is_the_same_filler_in_the_same_places() {
    let least = f64::from(f32::MIN);
    let with = |filler: f64| {
        toy::changed(&toy::sets(true), |_, tensors| {
            if let Some(Data::Floating(values)) = tensors.get_mut("state").map(|it| &mut it.data) {
                values[3] = filler;
            }
        })
    };
    let reference = Reference::check(with(least), None, toy::sets(true), &[]).unwrap();
    let judged = |filler| {
        compare(
            Backend::ONNXRUNTIME,
            &toy::tolerances(),
            &reference,
            &with(filler),
        )
    };
    judged(least).unwrap();
    for other in [-1e38, -least, least / 2.0, 0.0] {
        let finding = judged(other).unwrap_err();
        assert_eq!(
            finding.signature.0, "values differ: output state",
            "{other}"
        );
    }
}

/// The right toy's outputs with every floating value moved by about `noise` of itself.
fn rounded_by(sets: &[InputSet], noise: f64) -> Outputs {
    let mut sign = 1.0;
    let mut moved = toy::values(&toy::outputs(sets, toy::run));
    for tensors in &mut moved {
        for name in ["state", "total"] {
            if let Some(Data::Floating(values)) = tensors.get_mut(name).map(|it| &mut it.data) {
                for value in values {
                    sign = -sign;
                    *value += sign * noise;
                }
            }
        }
    }
    moved.into()
}

#[test]
fn a_model_is_held_to_a_multiple_of_its_own_rounding() {
    let sets = toy::sets(true);
    let judged = |own: f64, port: f64| {
        let reference = toy::outputs(&sets, toy::run);
        let precise = rounded_by(&sets, own);
        let reference = Reference::check(reference, Some(precise), sets.clone(), &[]).unwrap();
        compare(
            Backend::ONNXRUNTIME,
            &toy::tolerances(),
            &reference,
            &rounded_by(&sets, port),
        )
    };
    // What is allowed grows with the rounding of the model, and stays a small multiple of it.
    assert!(judged(1e-7, 3e-3).is_err());
    assert!(judged(1e-3, 3e-3).is_ok());
    assert!(judged(1e-3, 5e-2).is_err());
    // However ill-conditioned the model, there is a bound, and the pass says that it was reached.
    let limits = judged(1.0, 1e-2).unwrap().limits;
    assert!(limits.iter().any(|it| it.kind == LimitKind::IllConditioned));
    assert!(judged(1.0, 1.0).is_err());
}

#[test]
fn a_decision_that_hangs_on_rounding_in_pytorch_itself_is_no_difference_but_a_limit() {
    let sets = toy::sets(true);
    let flipped = |at: usize| {
        toy::changed(&sets, |set, tensors| {
            if let (true, Some(Data::Whole(values))) = (
                set.name == "example",
                tensors.get_mut("above").map(|it| &mut it.data),
            ) {
                values[at] ^= 1;
            }
        })
    };
    let reference = Reference::check(
        toy::outputs(&sets, toy::run),
        Some(flipped(1)),
        sets.clone(),
        &[],
    )
    .unwrap();
    let judged = |at| {
        compare(
            Backend::ONNXRUNTIME,
            &toy::tolerances(),
            &reference,
            &flipped(at),
        )
    };
    let limits = judged(1).unwrap().limits;
    assert_eq!(limits[0].kind, LimitKind::IllConditioned);
    assert_eq!(
        judged(2).unwrap_err().signature.0,
        "whole values differ: output above"
    );
}

#[test]
fn the_same_values_in_another_type_are_a_limit_that_names_both() {
    let agreement = judged(true, |_, tensors| {
        if let Some(above) = tensors.get_mut("above") {
            above.element = ElementType::Int32;
        }
    });
    let limits = agreement.unwrap().limits;
    assert!(limits.iter().all(|it| it.kind == LimitKind::OtherType));
    let limit = &limits[0];
    assert!(
        limit.sentence.contains("`above` is int32"),
        "{}",
        limit.sentence
    );
}
