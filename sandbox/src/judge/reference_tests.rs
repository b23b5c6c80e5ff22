use super::{super::toy, *};

fn check(outputs: Outputs) -> Result<Reference, Box<Finding>> {
    Reference::check(outputs, None, toy::sets(true), &[])
}

fn refused(change: impl Fn(&InputSet, &mut crate::tensor::Tensors)) -> Finding {
    *check(toy::changed(&toy::sets(true), change)).unwrap_err()
}

#[test]
fn a_model_that_answers_to_its_inputs_is_a_sound_reference() {
    let reference = check(toy::outputs(&toy::sets(true), toy::run)).unwrap();
    assert_eq!(
        reference.floating.keys().collect::<Vec<_>>(),
        ["state", "total"]
    );
    assert_eq!(
        reference.moves.iter().map(|m| &m.input).collect::<Vec<_>>(),
        ["x", "mask"]
    );
}

#[test]
fn an_output_that_hardly_varies_is_hollow() {
    let finding = refused(|_, tensors| toy::map(tensors, "total", |value| value * 1e-7));
    assert_eq!(finding.signature.0, "hollow reference: output total");
    assert_eq!(finding.stage, Stage::Reference);
    assert!(finding.hint.is_some());
}

#[test]
fn an_output_that_grows_beyond_measure_is_refused() {
    let finding = refused(|_, tensors| toy::map(tensors, "total", |value| value * 1e9));
    assert_eq!(finding.signature.0, "exploding reference: output total");
    assert!(finding.hint.is_some_and(|hint| hint.contains("gain")));
}

#[test]
fn zero_does_not_equal_zero() {
    let finding = refused(|_, tensors| {
        toy::map(tensors, "total", |_| 0.0);
        toy::map(tensors, "state", |_| 0.0);
    });
    assert_eq!(finding.signature.0, "hollow reference: every output");
}

#[test]
fn a_reference_that_is_not_finite_is_refused() {
    for value in [f64::NAN, f64::INFINITY] {
        let finding = refused(|_, tensors| toy::map(tensors, "state", |_| value));
        assert_eq!(finding.signature.0, "reference not finite: output state");
    }
}

#[test]
fn an_input_that_moves_nothing_is_named() {
    let sets = toy::sets(true);
    let deaf = toy::outputs(&sets, |set| {
        let mut set = set.clone();
        if set.probe.as_deref() == Some("mask") {
            set.tensors = sets[0].tensors.clone();
        }
        toy::run(&set)
    });
    let finding = check(deaf).unwrap_err();
    assert_eq!(finding.signature.0, "reference ignores input mask");
}

#[test]
fn an_output_that_no_input_moves_is_named() {
    let finding = refused(|set, tensors| {
        let values = (0..set.sizes["batch"]).map(|row| row as f64).collect();
        let total = toy::floats(&[set.sizes["batch"] as usize], values);
        tensors.insert("total".to_owned(), total);
    });
    assert_eq!(
        finding.signature.0,
        "reference moves with no input: output total"
    );
}

/// The right toy with a table of places beside its outputs, which `scale` may move with a probe.
fn with_places(scale: impl Fn(&InputSet) -> f64) -> Outputs {
    toy::changed(&toy::sets(true), |set, tensors| {
        let values = (0..set.sizes["batch"]).map(|row| row as f64 * scale(set));
        let places = toy::floats(&[set.sizes["batch"] as usize], values.collect());
        tensors.insert("places".to_owned(), places);
    })
}

fn check_untouched(outputs: Outputs, untouched: &[&str]) -> Result<Reference, Box<Finding>> {
    let untouched: Vec<String> = untouched.iter().map(|name| (*name).to_owned()).collect();
    Reference::check(outputs, None, toy::sets(true), &untouched)
}

#[test]
fn an_output_that_no_value_reaches_need_not_move() {
    let reference = check_untouched(with_places(|_| 1.0), &["places"]).unwrap();
    assert!(reference.untouched.contains("places"));
    let finding = check_untouched(with_places(|_| 1.0), &[]).unwrap_err();
    assert_eq!(
        finding.signature.0,
        "reference moves with no input: output places"
    );
}

#[test]
fn an_output_that_moves_at_all_is_not_believed_to_be_out_of_reach() {
    let hardly = |set: &InputSet| if set.probe.is_some() { 1.0 + 1e-6 } else { 1.0 };
    let finding = check_untouched(with_places(hardly), &["places"]).unwrap_err();
    assert_eq!(
        finding.signature.0,
        "reference moves with no input: output places"
    );
}

#[test]
fn an_input_must_move_something_whatever_is_out_of_reach() {
    let sets = toy::sets(true);
    let deaf = toy::outputs(&sets, |set| {
        let mut set = set.clone();
        if set.probe.is_some() {
            set.tensors = sets[0].tensors.clone();
        }
        toy::run(&set)
    });
    let finding = check_untouched(deaf, &["state", "total"]).unwrap_err();
    assert_eq!(finding.signature.0, "reference ignores input x");
}

#[test]
fn a_model_without_floating_outputs_proves_nothing() {
    let finding = refused(|_, tensors| tensors.retain(|name, _| name == "above"));
    assert_eq!(finding.signature.0, "reference has no floating output");
}

#[test]
fn a_model_without_outputs_proves_nothing() {
    let finding = refused(|_, tensors| tensors.clear());
    assert_eq!(finding.signature.0, "reference has no output");
}

#[test]
fn outputs_that_come_and_go_are_refused() {
    let finding = refused(|set, tensors| {
        if set.name == "other" {
            tensors.remove("total");
        }
    });
    assert_eq!(
        finding.signature.0,
        "reference outputs vary with the inputs"
    );
}

#[test]
fn a_plan_of_constants_cannot_be_judged() {
    let sets: Vec<InputSet> = toy::sets(true)
        .into_iter()
        .filter(|set| set.probe.is_none())
        .collect();
    let outputs = toy::outputs(&sets, toy::run);
    let finding = Reference::check(outputs, None, sets, &[]).unwrap_err();
    assert_eq!(finding.signature.0, "reference has no input to probe");
}

#[test]
fn a_missing_reference_file_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let finding = Reference::read(folder.path(), toy::sets(true), &Ran::default()).unwrap_err();
    assert_eq!(finding.signature.0, "reference outputs: file missing");
}

#[test]
fn a_reference_that_is_cut_short_after_it_was_opened_is_a_finding() {
    let sets = toy::sets(true);
    let right: Vec<_> = sets.iter().map(toy::run).collect();
    for set in &sets {
        let folder = tempfile::tempdir().unwrap();
        let outputs = toy::opened(folder.path(), &sets, &right);
        toy::cut_short(folder.path(), set);
        let finding = check(outputs).unwrap_err();
        assert_eq!(finding.signature.0, "reference outputs: file unreadable");
        assert!(finding.hint.is_some());
    }
}

/// The toy's sets with its corners behind them.
fn with_corners() -> Vec<InputSet> {
    let folder = tempfile::tempdir().unwrap();
    let corners = crate::judge::corners::draw_into(
        &toy::plan(),
        true,
        &crate::judge::corners::Further::default(),
        11,
        folder.path(),
    )
    .unwrap();
    let drawn = corners.into_iter().map(|set| {
        let text = std::fs::read(folder.path().join(set.file_name())).unwrap();
        let tensors = crate::tensor::parse(&text, Path::new("corner")).unwrap();
        let shared = tensors.into_iter().map(|(name, it)| (name, it.into()));
        InputSet {
            tensors: shared.collect(),
            ..set
        }
    });
    toy::sets(true).into_iter().chain(drawn).collect()
}

#[test]
fn a_corner_that_the_model_does_not_answer_soundly_is_left_out() {
    let sets = with_corners();
    let outputs = toy::changed(&sets, |set, tensors| match set.name.as_str() {
        "one-row" => toy::map(tensors, "state", |_| f64::NAN),
        "long" => {
            tensors.remove("total");
        }
        _ => {}
    });
    let reference = Reference::check(outputs, None, sets.clone(), &[]).unwrap();
    let left: Vec<&str> = reference.sets.iter().map(|set| set.name.as_str()).collect();
    assert!(!left.contains(&"one-row") && !left.contains(&"long"));
    assert_eq!(left.len(), sets.len() - 2);
    assert_eq!(reference.outputs.0.len(), left.len());
    let told: Vec<LimitKind> = reference.limits.iter().map(|limit| limit.kind).collect();
    assert_eq!(told, [LimitKind::NotChecked; 2]);
}

#[test]
fn a_whole_output_that_nothing_moves_is_a_limit() {
    let sets = toy::sets(true);
    let fixed = toy::changed(&sets, |_, tensors| {
        if let Some(above) = tensors.get_mut("above") {
            above.data = crate::tensor::Data::Whole(vec![1; above.data.count()]);
        }
    });
    let reference = Reference::check(fixed, None, sets.clone(), &[]).unwrap();
    assert_eq!(reference.limits[0].kind, LimitKind::ConstantOutput);
    assert!(reference.limits[0].sentence.contains("`above`"));
    assert_eq!(toy::reference(&sets).limits, []);
}

#[test]
fn what_is_no_tensor_is_a_limit() {
    let sets = toy::sets(true);
    let folder = tempfile::tempdir().unwrap();
    let right: Vec<_> = sets.iter().map(toy::run).collect();
    toy::opened(folder.path(), &sets, &right);
    let ran = Ran {
        not_tensors: vec!["label".into()],
        ..Ran::default()
    };
    let reference = Reference::read(folder.path(), sets, &ran).unwrap();
    let kinds: Vec<LimitKind> = reference.limits.iter().map(|limit| limit.kind).collect();
    assert_eq!(kinds, [LimitKind::NotChecked, LimitKind::NotPortedOutput]);
}

#[test]
fn a_reference_without_some_of_its_sets_is_still_one() {
    let sets = toy::sets(true);
    let whole = toy::reference(&sets);
    let part = whole.without(&[1].into());
    assert_eq!(part.sets.len(), sets.len() - 1);
    assert_eq!(part.moves[0].set, whole.moves[0].set - 1);
    let outputs = toy::outputs(&part.sets, toy::run);
    crate::judge::compare(
        portwright_core::Backend::OPENVINO,
        &toy::tolerances(),
        &part,
        &outputs,
    )
    .unwrap();
}
