use super::{super::toy, output::STRETCH, *};
use crate::tensor::{ElementType, Tensor};

fn floats(values: &[f64]) -> Tensor {
    toy::floats(&[values.len()], values.to_vec())
}

fn named(values: &[f64]) -> Tensors {
    Tensors::from([("x".to_owned(), floats(values))])
}

fn outputs(sets: &[&[f64]]) -> Outputs {
    let sets: Vec<Tensors> = sets.iter().map(|values| named(values)).collect();
    sets.into()
}

#[test]
fn the_spread_is_taken_over_all_sets() {
    let spread = |sets: &[&[f64]]| outputs(sets).spread("x", |_| true).unwrap();
    assert_eq!(spread(&[&[1.0, 2.0], &[-3.0]]), 5.0);
    assert_eq!(spread(&[&[]]), 0.0);
}

fn moved(from: &[f64], to: &[f64]) -> f64 {
    outputs(&[from, to]).moved("x", 0, 1, 9.0).unwrap()
}

#[test]
fn an_output_that_changes_its_shape_has_moved() {
    assert_eq!(moved(&[1.0], &[1.0, 1.0]), 9.0);
    assert_eq!(moved(&[1.0], &[3.0]), 2.0);
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    difference(&floats(a).into(), &floats(b).into()).unwrap()
}

#[test]
fn a_filler_widens_no_spread_and_must_be_met() {
    let least = f64::from(f32::MIN);
    assert_eq!(
        outputs(&[&[1.0, least, 2.0]])
            .spread("x", |_| true)
            .unwrap(),
        1.0
    );
    let apart = |a: f64, b: f64| apart(&[1.0, a], &[1.5, b]);
    assert_eq!(apart(least, least), 0.5);
    assert_eq!(apart(least, 2.0), f64::INFINITY);
    assert_eq!(apart(least, -least), f64::INFINITY);
    assert_eq!(apart(least, -1e38), f64::INFINITY);
    assert_eq!(apart(least, least * (1.0 - 1e-7)), 0.5);
    assert_eq!(moved(&[1.0], &[least]), 9.0);
}

#[test]
fn what_is_no_number_differs_from_everything() {
    assert_eq!(apart(&[f64::NAN, 1.0], &[f64::NAN, 1.0]), f64::INFINITY);
}

#[test]
fn two_outputs_of_one_name_are_refused() {
    let outputs = ["output.logits", "logits"].map(|name| (name.to_owned(), floats(&[1.0]).into()));
    assert!(matches!(
        renamed(outputs, "example"),
        Err(OutputError::Twice { .. })
    ));
}

#[test]
fn an_output_whose_name_is_none_is_refused() {
    let sets = &toy::sets(true)[..1];
    let folder = tempfile::tempdir().unwrap();
    let named = |name: &str| {
        let work = folder.path().join(FOLDER);
        std::fs::create_dir_all(&work).unwrap();
        let tensors = Tensors::from([(name.to_owned(), floats(&[1.0]))]);
        tensor::write(&tensors, &work.join(sets[0].file_name())).unwrap();
        Outputs::open(folder.path(), sets)
    };
    assert!(named("past_key_values.layers.0.keys").is_ok());
    let long = "x".repeat(100_000);
    for name in ["x\u{1b}[31m\n| pass |\u{202e}", "a b", "`", "", &long] {
        let error = named(name).unwrap_err();
        assert_eq!(error.phrase(), "output without a plain name");
        let message = error.to_string();
        assert!(
            message.len() < 300 && !message.contains(text::is_hidden),
            "{message}"
        );
    }
}

/// Outputs of two sets of more than two stretches, which differ in their last value alone.
fn long() -> [Vec<f64>; 2] {
    let from = vec![1.0; 2 * STRETCH + 3];
    let mut to = from.clone();
    to[2 * STRETCH + 2] = 5.0;
    [from, to]
}

#[test]
fn the_last_value_of_a_long_output_is_looked_at() {
    let [from, to] = long();
    let sets = &toy::sets(true)[..2];
    let folder = tempfile::tempdir().unwrap();
    let stored = toy::opened(folder.path(), sets, &[named(&from), named(&to)]);
    for outputs in [outputs(&[&from, &to]), stored] {
        assert_eq!(outputs.0[0]["x"].stretches().count(), 3);
        assert_eq!(outputs.spread("x", |_| true).unwrap(), 4.0);
        assert_eq!(outputs.largest("x").unwrap(), 5.0);
        assert_eq!(outputs.moved("x", 0, 1, 9.0).unwrap(), 4.0);
        assert!(outputs.is_finite(1, "x").unwrap());
    }
    let whole = |values: &[f64]| Tensor {
        element: ElementType::Bool,
        shape: vec![values.len()],
        data: Data::Whole(values.iter().map(|v| i64::from(*v > 2.0)).collect()),
    };
    let unequal = unequal(&whole(&from).into(), &whole(&to).into(), None).unwrap();
    assert_eq!((unequal.apart, unequal.settled_apart), (1, 1));
    let last = f64::NAN;
    let odd = [&to[..2 * STRETCH + 2], &[last][..]].concat();
    assert!(!outputs(&[&odd]).is_finite(0, "x").unwrap());
}

#[test]
fn a_part_of_an_output_is_what_a_part_of_its_tensor_is() {
    let rows = STRETCH / 4;
    let count = rows * 3 * 5;
    let whole = toy::floats(&[rows, 3, 5], (0..count).map(|v| v as f64).collect());
    let sets = &toy::sets(true)[..1];
    let folder = tempfile::tempdir().unwrap();
    let stored = toy::opened(
        folder.path(),
        sets,
        &[Tensors::from([("x".to_owned(), whole.clone())])],
    );
    for (axis, start, end) in [
        (0, 1, 9),
        (1, 1, 3),
        (1, 0, 9),
        (1, 2, 2),
        (2, 4, 5),
        (3, 0, 1),
    ] {
        let part = tensor::axis::narrow(&whole, axis, start, end);
        for output in [&stored.0[0]["x"], &Output::from(whole.clone())] {
            let narrowed = output.narrow(axis, start, end);
            assert_eq!(narrowed.count(), part.data.count());
            let narrowed = Outputs(vec![BTreeMap::from([("x".to_owned(), narrowed)])]);
            assert_eq!(toy::values(&narrowed)[0]["x"], part);
        }
    }
    // A part of a part, whose pieces end within those of the other.
    let twice = |output: &Output| output.narrow(1, 1, 3).narrow(2, 1, 4);
    let part = tensor::axis::narrow(&tensor::axis::narrow(&whole, 1, 1, 3), 2, 1, 4);
    assert_eq!(
        difference(&twice(&stored.0[0]["x"]), &part.into()).unwrap(),
        0.0
    );
}
