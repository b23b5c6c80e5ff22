//! A toy that generates: its logits at a token are a running sum over all tokens so far, so that every later step
//! needs what the cache carries.

use portwright_core::{Backend, Finding, plan::PortPlan};

use super::*;
use crate::{
    judge::compare,
    judge::toy::{self, floats, tolerances},
    tensor::{Data, ElementType, Tensors},
};

const PLAN: &str = r#"
schema = 2
model_type = "toy"
family = "decoder-only"
library_version = "5.20.2"
class = "ToyForCausalLM"
module = "toy"
config_class = "ToyConfig"
task = "causal-lm"
backends = ["torch-cpu"]
weights = { seed = 0, gain = 1.0 }

[dims]
batch = { example = 2, other = 3 }
sequence = { example = 8, other = 11 }

[[inputs]]
name = "input_ids"
dtype = "int64"
shape = ["batch", "sequence"]
modality = "text"
values = { kind = "integer", low = 1, high = 99 }

[[inputs]]
name = "attention_mask"
dtype = "int64"
shape = ["batch", "sequence"]
modality = "control"
values = { kind = "constant", value = 1.0 }

[[inputs]]
name = "pixels"
dtype = "float32"
shape = ["batch", 4]
modality = "image"
values = { kind = "normal", mean = 0.0, std = 30.0 }
"#;

const VOCABULARY: usize = 3;

fn plan() -> GenerationPlan {
    GenerationPlan {
        plan: PortPlan::from_toml(PLAN).unwrap(),
        axis: "sequence".into(),
        decodes: 2,
        feeds: [
            ("input_ids".to_owned(), Feed::Own { place: 1 }),
            ("attention_mask".to_owned(), Feed::SoFar { place: 1 }),
            ("pixels".to_owned(), Feed::Once),
        ]
        .into(),
    }
}

fn ids(set: &InputSet) -> &[i64] {
    match &set.tensors["input_ids"].data {
        Data::Whole(ids) => ids,
        Data::Floating(_) => panic!("the plan says otherwise"),
    }
}

/// `logits[row, token, v] = (v + 1) · sum(ids[row, seen(token)..=token]) + sum(pixels[row])`.
fn logits(set: &InputSet, seen: impl Fn(usize) -> usize) -> Tensors {
    let (rows, length) = (set.sizes["batch"] as usize, set.sizes["sequence"] as usize);
    let Data::Floating(pixels) = &set.tensors["pixels"].data else {
        panic!("the plan says otherwise");
    };
    let mut values = Vec::new();
    for (row, pixels) in ids(set).chunks(length).zip(pixels.chunks(4)) {
        for token in 0..length {
            let sum: i64 = row[seen(token)..=token].iter().sum();
            let image: f64 = pixels.iter().sum();
            values.extend((1..=VOCABULARY).map(|v| v as f64 * sum as f64 + image));
        }
    }
    Tensors::from([(
        LOGITS.to_owned(),
        floats(&[rows, length, VOCABULARY], values),
    )])
}

fn sets() -> Vec<InputSet> {
    draw(&plan(), true, 7).unwrap()
}

/// The right toy's outputs, cut into steps.
fn right(sets: &[InputSet]) -> Outputs {
    cut(&plan(), &whole(sets).into(), sets, 2).unwrap()
}

/// The right toy's logits of all tokens.
fn whole(sets: &[InputSet]) -> Vec<Tensors> {
    sets.iter().map(|set| logits(set, |_| 0)).collect()
}

/// What the judge finds when the right toy's outputs were changed.
fn judged(change: impl Fn(&InputSet, &mut Tensors)) -> Result<(), Box<Finding>> {
    let sets = sets();
    let reference = check(&plan(), right(&sets), None, &sets).unwrap();
    let mut candidate = toy::values(&right(&sets));
    for (set, tensors) in sets.iter().zip(&mut candidate) {
        change(set, tensors);
    }
    compare(
        Backend::ONNXRUNTIME,
        &tolerances(),
        &reference,
        &candidate.into(),
    )
    .map(|_| ())
}

fn signature(change: impl Fn(&InputSet, &mut Tensors)) -> String {
    judged(change).unwrap_err().signature.0
}

#[test]
fn each_step_is_given_its_own_tokens_and_the_mask_of_all_so_far() {
    let sets = sets();
    let steps = steps(&plan(), &sets, 2);
    let shape = |name: &str| steps[0].tensors[name].shape.clone();
    assert_eq!(shape("prefill.input_ids"), [2, 6]);
    assert_eq!(shape("decode.0.input_ids"), [2, 1]);
    assert_eq!(shape("decode.1.attention_mask"), [2, 8]);
    assert_eq!(shape("prefill.pixels"), [2, 4]);
    assert!(!steps[0].tensors.contains_key("decode.0.pixels"));
}

#[test]
fn a_decode_step_is_given_the_token_at_its_place() {
    let sets = sets();
    let steps = steps(&plan(), &sets, 2);
    let expected = [ids(&sets[0])[6], ids(&sets[0])[14]].to_vec();
    assert_eq!(
        steps[0].tensors["decode.0.input_ids"].data,
        Data::Whole(expected)
    );
}

#[test]
fn fixed_axes_leave_one_decode_step() {
    let sets = draw(&plan(), false, 7).unwrap();
    assert_eq!(decodes(&plan(), false), 1);
    let steps = steps(&plan(), &sets, 1);
    assert!(!steps[0].tensors.contains_key("decode.1.input_ids"));
}

#[test]
fn the_probe_moves_earlier_tokens_alone() {
    let sets = sets();
    let probe = sets
        .iter()
        .find(|set| set.probe.as_deref() == Some("input_ids"))
        .unwrap();
    for (row, drawn) in ids(&sets[0]).chunks(8).zip(ids(probe).chunks(8)) {
        assert_eq!(row[5..], drawn[5..]);
    }
    assert_ne!(ids(&sets[0]), ids(probe));
    assert_eq!(probe.tensors["input_ids"].element, ElementType::Int64);
}

#[test]
fn the_reference_is_cut_at_the_tokens_of_each_step() {
    let sets = sets();
    let cut = right(&sets);
    assert_eq!(cut.0[0]["prefill.logits"].shape, [2, 6, 3]);
    assert_eq!(cut.0[0]["decode.1.logits"].shape, [2, 1, 3]);
    assert_eq!(cut.0[1]["prefill.logits"].shape, [3, 9, 3]);
}

#[test]
fn a_reference_in_files_is_cut_where_it_lies() {
    let sets = sets();
    let mut whole = whole(&sets);
    for tensors in &mut whole {
        toy::map(tensors, LOGITS, |value| f64::from(value as f32));
    }
    let folder = tempfile::tempdir().unwrap();
    let stored = toy::opened(folder.path(), &sets, &whole);
    let stored = cut(&plan(), &stored, &sets, 2).unwrap();
    let held = cut(&plan(), &whole.into(), &sets, 2).unwrap();
    assert_eq!(toy::values(&stored), toy::values(&held));
    check(&plan(), stored, None, &sets).unwrap();
}

#[test]
fn a_reference_without_logits_for_each_token_is_refused() {
    let sets = sets();
    let few = Tensors::from([(LOGITS.to_owned(), floats(&[2, 3], vec![0.0; 6]))]);
    let few = vec![few; sets.len()];
    let finding = cut(&plan(), &few.into(), &sets, 2).unwrap_err();
    assert_eq!(finding.signature.0, "reference logits are not per token");
    let none = vec![Tensors::new(); sets.len()];
    let finding = cut(&plan(), &none.into(), &sets, 2).unwrap_err();
    assert_eq!(finding.signature.0, "reference has no logits");
}

#[test]
fn a_reference_that_forgets_earlier_tokens_proves_nothing() {
    let sets = sets();
    let whole: Vec<_> = sets.iter().map(|set| logits(set, |token| token)).collect();
    let cut = cut(&plan(), &whole.into(), &sets, 2).unwrap();
    let finding = check(&plan(), cut, None, &sets).unwrap_err();
    assert_eq!(finding.signature.0, "reference forgets earlier tokens");
}

#[test]
fn the_right_steps_agree() {
    judged(|_, _| ()).unwrap();
}

#[test]
fn a_decode_that_ignores_its_cache_fails() {
    let signature = signature(|set, tensors| {
        let blind = vec![logits(set, |token| token)].into();
        let blind = toy::values(&cut(&plan(), &blind, std::slice::from_ref(set), 2).unwrap());
        for name in ["decode.0.logits", "decode.1.logits"] {
            tensors.insert(name.to_owned(), blind[0][name].clone());
        }
    });
    assert_eq!(signature, "ignores an input: input_ids");
}

#[test]
fn a_cache_that_does_not_grow_fails() {
    // The second step sees the prefill's cache and not what the first step added.
    let signature = signature(|set, tensors| {
        let (batch, length) = (set.sizes["batch"] as usize, set.sizes["sequence"] as usize);
        let lost: Vec<f64> = ids(set)
            .chunks(length)
            .map(|row| row[length - 2] as f64)
            .collect();
        if let Some(Data::Floating(values)) = tensors
            .get_mut("decode.1.logits")
            .map(|tensor| &mut tensor.data)
        {
            for row in 0..batch {
                for v in 0..VOCABULARY {
                    values[row * VOCABULARY + v] -= (v + 1) as f64 * lost[row];
                }
            }
        }
    });
    assert!(signature.starts_with("values differ"), "{signature}");
}

#[test]
fn a_decode_that_returns_the_prefills_logits_fails() {
    let signature = signature(|_, tensors| {
        let prefill = tensors["prefill.logits"].clone();
        let last = prefill.shape[1];
        tensors.insert(
            "decode.0.logits".to_owned(),
            narrow(&prefill, 1, last - 1, last),
        );
    });
    assert!(signature.starts_with("values differ"), "{signature}");
}

#[test]
fn constant_logits_fail() {
    let signature = signature(|_, tensors| {
        if let Some(Data::Floating(values)) = tensors
            .get_mut("decode.0.logits")
            .map(|tensor| &mut tensor.data)
        {
            values.fill(1.5);
        }
    });
    assert!(signature.starts_with("output is constant"), "{signature}");
}

#[test]
fn a_part_and_the_rest_make_the_whole() {
    let whole = floats(&[2, 5, 2], (0..20).map(f64::from).collect());
    let parts = [narrow(&whole, 1, 0, 3), narrow(&whole, 1, 3, 5)];
    assert_eq!(parts[0].shape, [2, 3, 2]);
    assert_eq!(join(&parts, 1), whole);
}

#[test]
fn bounds_beyond_an_axis_are_its_own() {
    let whole = floats(&[3], vec![1.0, 2.0, 3.0]);
    assert_eq!(narrow(&whole, 0, 2, 9).shape, [1]);
    assert_eq!(narrow(&whole, 4, 0, 1), whole);
}
