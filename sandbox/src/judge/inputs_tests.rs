use super::*;

const PLAN: &str = r#"
schema = 2
model_type = "any"
family = "encoder-only"
library_version = "5.20.2"
class = "AnyModel"
module = "any"
config_class = "AnyConfig"
task = "base"
backends = ["torch-cpu"]
weights = { seed = 0, gain = 1.0 }

[dims]
batch = { example = 2, other = 3 }
sequence = { example = 8, other = 12 }

[[inputs]]
name = "input_ids"
dtype = "int64"
shape = ["batch", "sequence"]
modality = "text"
values = { kind = "integer", low = 3, high = 99 }

[[inputs]]
name = "attention_mask"
dtype = "int64"
shape = ["batch", "sequence"]
modality = "control"
values = { kind = "mask" }

[[inputs]]
name = "position_ids"
dtype = "int32"
shape = ["batch", "sequence"]
modality = "control"
values = { kind = "range" }

[[inputs]]
name = "pixel_values"
dtype = "float32"
shape = ["batch", 3, "2*sequence"]
modality = "image"
values = { kind = "normal", mean = 1.0, std = 2.0 }

[[inputs]]
name = "flag"
dtype = "bool"
shape = []
modality = "control"
values = { kind = "constant", value = 1.0 }
"#;

fn plan() -> PortPlan {
    PortPlan::from_toml(PLAN).unwrap()
}

fn set<'a>(sets: &'a [InputSet], name: &str) -> &'a InputSet {
    sets.iter().find(|set| set.name == name).unwrap()
}

fn values(set: &InputSet, input: &str) -> Vec<f64> {
    match &set.tensors[input].data {
        Data::Whole(values) => values.iter().map(|v| *v as f64).collect(),
        Data::Floating(values) => values.clone(),
    }
}

#[test]
fn the_same_seed_draws_the_same_sets() {
    assert_eq!(
        draw(&plan(), true, 7).unwrap(),
        draw(&plan(), true, 7).unwrap()
    );
}

#[test]
fn another_seed_draws_other_values() {
    let (a, b) = (
        draw(&plan(), true, 7).unwrap(),
        draw(&plan(), true, 8).unwrap(),
    );
    assert_ne!(values(&a[0], "input_ids"), values(&b[0], "input_ids"));
}

#[test]
fn the_evidence_does_not_tell_the_hidden_seed() {
    assert!(draw(&plan(), true, 7).unwrap().iter().all(|s| s.seed != 7));
}

#[test]
fn free_axes_are_tried_with_other_sizes() {
    let sets = draw(&plan(), true, 7).unwrap();
    let other = set(&sets, OTHER);
    assert_eq!(other.sizes["sequence"], 12);
    assert_eq!(other.tensors["pixel_values"].shape, [3, 3, 24]);
}

#[test]
fn fixed_axes_keep_the_example_sizes_with_other_values() {
    let sets = draw(&plan(), false, 7).unwrap();
    let (example, other) = (set(&sets, EXAMPLE), set(&sets, REDRAWN));
    assert_eq!(example.sizes, other.sizes);
    assert_ne!(values(example, "input_ids"), values(other, "input_ids"));
}

#[test]
fn sets_of_one_name_are_one_thing() {
    let fixed = draw(&plan(), false, 7).unwrap();
    for free in draw(&plan(), true, 7).unwrap() {
        let same = fixed.iter().find(|set| set.name == free.name);
        assert!(same.is_none_or(|same| *same == free), "{}", free.name);
    }
}

#[test]
fn a_probe_changes_its_input_and_no_other() {
    let sets = draw(&plan(), true, 7).unwrap();
    let example = set(&sets, EXAMPLE);
    for probe in sets.iter().filter(|set| set.probe.is_some()) {
        for (name, tensor) in &probe.tensors {
            let changed = tensor != &example.tensors[name];
            assert_eq!(changed, Some(name) == probe.probe.as_ref(), "{name}");
            // What is the same is held once.
            assert_eq!(changed, !Arc::ptr_eq(tensor, &example.tensors[name]));
        }
    }
}

#[test]
fn an_input_of_one_value_is_not_probed() {
    let sets = draw(&plan(), true, 7).unwrap();
    let probed: Vec<_> = sets.iter().filter_map(|s| s.probe.as_deref()).collect();
    assert_eq!(
        probed,
        [
            "input_ids",
            "attention_mask",
            "position_ids",
            "pixel_values"
        ]
    );
}

#[test]
fn a_small_input_is_probed_whatever_the_seed() {
    let text =
        PLAN.replace("high = 99", "high = 5")
            .replacen("[\"batch\", \"sequence\"]", "[1]", 1);
    let plan = PortPlan::from_toml(&text).unwrap();
    for seed in 0..50 {
        let sets = draw(&plan, true, seed).unwrap();
        assert!(sets.iter().any(|set| set.name == "probe-input_ids"));
    }
}

#[test]
fn a_mask_has_zeros_at_the_end_of_every_row_but_the_first() {
    let sets = draw(&plan(), true, 7).unwrap();
    assert_eq!(
        values(set(&sets, EXAMPLE), "attention_mask"),
        [
            1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 0., 0.
        ]
    );
}

#[test]
fn the_probe_of_a_mask_has_more_zeros_in_every_row() {
    let sets = draw(&plan(), true, 7).unwrap();
    assert_eq!(
        values(set(&sets, "probe-attention_mask"), "attention_mask"),
        [
            1., 1., 1., 1., 1., 1., 0., 0., 1., 1., 1., 1., 0., 0., 0., 0.
        ]
    );
}

#[test]
fn positions_count_up_and_their_probe_counts_down() {
    let sets = draw(&plan(), true, 7).unwrap();
    assert_eq!(
        values(set(&sets, EXAMPLE), "position_ids")[..8],
        [0., 1., 2., 3., 4., 5., 6., 7.]
    );
    assert_eq!(
        values(set(&sets, "probe-position_ids"), "position_ids")[8..],
        [7., 6., 5., 4., 3., 2., 1., 0.]
    );
}

#[test]
fn integers_stay_within_their_bounds() {
    let mut random = Random::new(1, "x");
    let drawn: Vec<i64> = (0..1000).map(|_| random.integer(-1, 2)).collect();
    assert!((-1..2).all(|value| drawn.contains(&value)));
    assert!(drawn.iter().all(|value| (-1..2).contains(value)));
}

#[test]
fn the_widest_bounds_do_not_overflow() {
    let mut random = Random::new(1, "x");
    for _ in 0..100 {
        random.integer(i64::MIN, i64::MAX);
    }
}

#[test]
fn normal_deviates_have_the_mean_and_spread_of_the_plan() {
    let mut random = Random::new(1, "x");
    let drawn: Vec<f64> = (0..10_000).map(|_| random.normal()).collect();
    let mean = drawn.iter().sum::<f64>() / 1e4;
    let variance = drawn.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 1e4;
    assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05);
}

#[test]
fn an_input_too_large_to_draw_is_a_typed_error() {
    let text = PLAN.replace("\"2*sequence\"", "1000000000000");
    let plan = PortPlan::from_toml(&text).unwrap();
    assert!(matches!(
        draw(&plan, true, 7),
        Err(InputError::TooLarge { .. })
    ));
}

#[test]
fn an_axis_without_a_size_is_a_typed_error() {
    let mut plan = plan();
    plan.dims.remove("sequence");
    assert!(matches!(draw(&plan, true, 7), Err(InputError::Axis { .. })));
}

#[test]
fn written_sets_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let sets = draw(&plan(), true, 7).unwrap();
    write(&sets, folder.path()).unwrap();
    for set in &sets {
        let path = folder.path().join(set.file_name());
        let back = tensor::parse(&std::fs::read(&path).unwrap(), &path).unwrap();
        let back = back.into_iter().map(|(name, it)| (name, Arc::new(it)));
        assert_eq!(back.collect::<SharedTensors>(), set.tensors);
    }
}

fn with_values(values: &str) -> PortPlan {
    let drawn = "{ kind = \"integer\", low = 3, high = 99 }";
    PortPlan::from_toml(&PLAN.replace(drawn, values)).unwrap()
}

#[test]
fn placeholders_stand_in_every_row_of_every_set_and_a_probe_moves_the_ordinary_ids_alone() {
    let runs = "runs = [{ id = 1, at = 1, count = 3, marks = \"image\" }]";
    let plan = with_values(&format!(
        "{{ kind = \"tokens\", low = 3, high = 99, {runs} }}"
    ));
    let sets = draw(&plan, true, 7).unwrap();
    for set in &sets {
        let length = set.sizes["sequence"] as usize;
        for row in values(set, "input_ids").chunks(length) {
            assert_eq!(row[1..4], [1.0, 1.0, 1.0]);
            assert_eq!(row.iter().filter(|id| **id == 1.0).count(), 3);
        }
    }
    let probe = values(set(&sets, "probe-input_ids"), "input_ids");
    assert_ne!(probe, values(&sets[0], "input_ids"));
}

#[test]
fn listed_values_are_the_same_for_every_row_and_never_probed() {
    let plan = with_values("{ kind = \"listed\", values = [1, 4, 6, 8] }");
    let sets = draw(&plan, false, 7).unwrap();
    assert_eq!(
        values(&sets[0], "input_ids")[..5],
        [1.0, 4.0, 6.0, 8.0, 1.0]
    );
    assert!(sets.iter().all(|set| set.name != "probe-input_ids"));
}

#[test]
fn ids_of_one_value_beside_placeholders_are_never_probed() {
    let runs = "runs = [{ id = 1, at = 0, count = 2, marks = \"image\" }]";
    let plan = with_values(&format!(
        "{{ kind = \"tokens\", low = 0, high = 1, {runs} }}"
    ));
    let sets = draw(&plan, false, 7).unwrap();
    assert!(sets.iter().all(|set| set.name != "probe-input_ids"));
}

#[test]
fn what_is_written_one_after_the_other_is_what_is_drawn_together() {
    let folder = tempfile::tempdir().unwrap();
    let outlines = draw_into(&plan(), true, 7, folder.path()).unwrap();
    assert_eq!(outlines, super::outlines(&plan(), true, 7).unwrap());
    let sets = draw(&plan(), true, 7).unwrap();
    assert_eq!(outlines.len(), sets.len());
    for (outline, set) in outlines.iter().zip(&sets) {
        assert!(outline.tensors.is_empty());
        assert_eq!(*outline, set.outline());
        let path = folder.path().join(outline.file_name());
        let written = tensor::parse(&std::fs::read(&path).unwrap(), &path).unwrap();
        assert_eq!(written.len(), set.tensors.len());
        for (name, tensor) in &written {
            assert_eq!(**set.tensors.get(name).unwrap(), *tensor);
        }
    }
}
