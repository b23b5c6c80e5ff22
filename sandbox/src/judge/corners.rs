//! The corners of what a model takes: sets that a person may well give it, and that neither the example nor the other set
//! holds.
//!
//! A model may refuse a corner, e.g. a length of one or padding on the left: what PyTorch does not compute, no port has to. So
//! the reference is tried on each, and those that it does not answer, or not with finite values, are left out. What a port
//! must do on the rest is the same as on any other set.
//!
//! | set | sizes | values |
//! |---|---|---|
//! | `one-row` | a batch of one | no padding |
//! | `one-row-padded` | a batch of one | padding at the right |
//! | `one-place` | one of everything that is free but the batch | no padding |
//! | `one-row-of-one-place` | one of everything that is free | no padding |
//! | `long` | a batch of four, and four times everything else that is free, or twice, where that would be too much | padding at the left and at the right |
//! | `unpadded`, `left-padded`, `holes`, `one-token` | those of the example | the masks of that name |
//! | `mixed-rows` | a batch of three | another mask in each row |
//! | `whole-range` | those of the example | ids of the whole vocabulary, and the ends of every range |
//! | `many-ids` | those of the long set | ids of the whole vocabulary |
//!
//! An artefact of fixed axes takes the sets of the example's sizes alone.
//!
//! Once the model has been seen to run, further sets can be wished for ([`Further`]): they aim at branches that none of these
//! takes, and reach over the whole vocabulary where the plan knows a part of it.

use std::{collections::BTreeMap, path::Path};

use portwright_core::plan::{Axis, InputSpec, PortPlan, Values};
use serde::Serialize;

use super::{
    branches::{self, Branches, Wish},
    inputs::{self, InputError, InputSet},
    style::Style,
};
use crate::tensor::{self, SharedTensors};

/// The dimension that counts the rows of a batch.
const BATCH: &str = "batch";

/// The rows of the long set: more than any other has.
const MANY_ROWS: u64 = 4;

/// The largest growth of the number of drawn values in the long set.
const MOST_GROWTH: u64 = 8;

/// What the run of a model on the corners leaves to be tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Further {
    /// Sizes and values that would take a branch which no set took.
    wishes: Vec<Wish>,
    /// The sizes of tables that reach beyond the ids of the plan, by the input that looks them up.
    tables: BTreeMap<String, i64>,
}

impl Further {
    /// What is still to be tried of what the job of the reference said.
    pub fn of(
        plan: &PortPlan,
        dynamic: bool,
        branches: &Branches,
        tables: &BTreeMap<String, i64>,
    ) -> Self {
        let mut wishes = branches::wishes(branches, plan);
        if !dynamic {
            wishes.iter_mut().for_each(|wish| wish.sizes.clear());
            wishes.retain(|wish| !wish.ids.is_empty());
        }
        let beyond = |spec: &InputSpec| match spec.values {
            Values::Integer { high, .. } | Values::Tokens { high, .. } => {
                let table = *tables.get(&spec.name)?;
                let beyond = spec.modality == "text" && table > high && table <= LARGEST_TABLE;
                beyond.then(|| (spec.name.clone(), table))
            }
            _ => None,
        };
        Further {
            wishes,
            tables: plan.inputs.iter().filter_map(beyond).collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Further::default()
    }
}

/// The most rows of a table of ids that a job is believed.
const LARGEST_TABLE: i64 = 1 << 31;

/// A corner before anything is drawn for it.
struct Corner {
    name: String,
    sizes: BTreeMap<String, u64>,
    style: Style,
}

/// Draws the corners of a plan into `folder`, one file each, and answers with their outlines.
pub fn draw_into(
    plan: &PortPlan,
    dynamic: bool,
    further: &Further,
    seed: u64,
    folder: &Path,
) -> Result<Vec<InputSet>, InputError> {
    let mut outlines = Vec::new();
    for Corner { name, sizes, style } in corners(plan, dynamic, further)? {
        let set = inputs::draw_set(plan, &name, sizes, seed, &style)?;
        tensor::write(&set.tensors, &folder.join(set.file_name()))?;
        let corner = true;
        outlines.push(InputSet {
            corner,
            ..set.outline()
        });
    }
    Ok(outlines)
}

/// The corners of a plan without their values.
pub fn outlines(
    plan: &PortPlan,
    dynamic: bool,
    further: &Further,
    seed: u64,
) -> Result<Vec<InputSet>, InputError> {
    let corners = corners(plan, dynamic, further)?.into_iter();
    let outline = |Corner { name, sizes, .. }: Corner| InputSet {
        seed: inputs::seed_of(seed, &name),
        name,
        sizes,
        probe: None,
        corner: true,
        tensors: SharedTensors::new(),
    };
    Ok(corners.map(outline).collect())
}

/// The corners that can be drawn: one of more values than an input may have is none.
fn corners(plan: &PortPlan, dynamic: bool, further: &Further) -> Result<Vec<Corner>, InputError> {
    let mut fitting = Vec::new();
    for corner in wanted(plan, dynamic, further) {
        match inputs::check_sizes(plan, &corner.sizes) {
            Ok(()) => fitting.push(corner),
            Err(InputError::TooLarge { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(fitting)
}

fn wanted(plan: &PortPlan, dynamic: bool, further: &Further) -> Vec<Corner> {
    let example = inputs::sizes(plan, false);
    let free = |name: &str| dynamic && plan.dims.get(name).is_some_and(|dim| dim.other.is_some());
    let batch = |rows: u64| {
        let mut sizes = example.clone();
        if free(BATCH) {
            sizes.insert(BATCH.to_owned(), rows);
        }
        sizes
    };
    let scaled = |rows: u64, scale: &dyn Fn(u64) -> u64| {
        let mut sizes = batch(rows);
        for (name, size) in &mut sizes {
            if name != BATCH && free(name) {
                *size = scale(*size);
            }
        }
        sizes
    };
    let mut corners = Vec::new();
    let mut add = |name: &str, sizes, style| {
        let name = name.to_owned();
        corners.push(Corner { name, sizes, style });
    };
    let masked = plan.inputs.iter().any(|spec| spec.values == Values::Mask);
    let rows = example.get(BATCH).copied().unwrap_or(1);
    let one = scaled(rows, &|_| 1);
    if free(BATCH) {
        add("one-row", batch(1), Style::Unpadded);
    }
    if free(BATCH) && masked {
        add("one-row-padded", batch(1), Style::Probe);
    }
    if one != example {
        add("one-place", one, Style::Unpadded);
        if free(BATCH) {
            add("one-row-of-one-place", scaled(1, &|_| 1), Style::Unpadded);
        }
        // The most that is not too much; what has many free axes is no longer than twice, and in no more rows.
        let long = [(MANY_ROWS, 4), (MANY_ROWS, 2), (rows, 2)]
            .map(|(rows, times)| scaled(rows, &|size| size.saturating_mul(times)));
        let fits = |sizes: &&BTreeMap<String, u64>| {
            values(plan, sizes) <= MOST_GROWTH.saturating_mul(values(plan, &example))
        };
        let long = long.iter().find(fits).unwrap_or(&long[2]).clone();
        add("long", long.clone(), Style::Sides);
        if plan.inputs.iter().any(has_ids) {
            let tables = BTreeMap::new();
            add("many-ids", long, Style::WholeRange { tables });
        }
    }
    if masked {
        add("unpadded", example.clone(), Style::Unpadded);
        add("left-padded", example.clone(), Style::Left);
        add("holes", example.clone(), Style::Holes);
        add("one-token", example.clone(), Style::OneToken);
        add("mixed-rows", batch(3), Style::Mixed);
    }
    if plan.inputs.iter().any(has_range) {
        let tables = BTreeMap::new();
        add("whole-range", example.clone(), Style::WholeRange { tables });
    }
    if !further.tables.is_empty() {
        let tables = further.tables.clone();
        add(
            "whole-vocabulary",
            example.clone(),
            Style::WholeRange { tables },
        );
    }
    for (place, wish) in further.wishes.iter().enumerate() {
        let mut sizes = example.clone();
        sizes.extend(wish.sizes.iter().map(|(name, size)| (name.clone(), *size)));
        let values = wish.ids.clone();
        add(&format!("aimed-{place}"), sizes, Style::Aimed { values });
    }
    corners
}

/// Whether an input's values are drawn from a range that has ends.
fn has_range(spec: &InputSpec) -> bool {
    has_ids(spec) || matches!(spec.values, Values::Normal { .. } | Values::Uniform { .. })
}

/// Whether an input's values are ids of a vocabulary.
fn has_ids(spec: &InputSpec) -> bool {
    let drawn = matches!(spec.values, Values::Integer { .. } | Values::Tokens { .. });
    drawn && spec.modality == "text"
}

/// How many values a set of these sizes has.
fn values(plan: &PortPlan, sizes: &BTreeMap<String, u64>) -> u64 {
    let size = |axis: &Axis| match (axis, axis.named()) {
        (Axis::Fixed(size), _) => *size,
        (_, Some((name, factor))) => sizes
            .get(name)
            .map_or(1, |size| size.saturating_mul(factor)),
        (_, None) => 1,
    };
    let input = |spec: &InputSpec| spec.shape.iter().map(size).fold(1, u64::saturating_mul);
    plan.inputs.iter().map(input).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::toy;

    fn names(dynamic: bool) -> Vec<String> {
        let sets = outlines(&toy::plan(), dynamic, &Further::default(), 1).unwrap();
        sets.into_iter().map(|set| set.name).collect()
    }

    #[test]
    fn free_axes_are_taken_to_their_ends_and_every_mask_is_tried() {
        assert_eq!(
            names(true),
            [
                "one-row",
                "one-row-padded",
                "one-place",
                "one-row-of-one-place",
                "long",
                "unpadded",
                "left-padded",
                "holes",
                "one-token",
                "mixed-rows",
                "whole-range"
            ]
        );
        let sets = outlines(&toy::plan(), true, &Further::default(), 1).unwrap();
        let sizes = |name: &str| {
            let set = sets.iter().find(|set| set.name == name).unwrap();
            (set.sizes["batch"], set.sizes["sequence"])
        };
        assert_eq!(sizes("one-row"), (1, 8));
        assert_eq!(sizes("one-place"), (2, 1));
        assert_eq!(sizes("one-row-of-one-place"), (1, 1));
        assert_eq!(sizes("long"), (4, 32));
        assert_eq!(sizes("mixed-rows"), (3, 8));
        assert!(sets.iter().all(|set| set.corner && set.probe.is_none()));
    }

    #[test]
    fn an_artefact_of_fixed_axes_has_corners_of_values_alone() {
        assert_eq!(
            names(false),
            [
                "unpadded",
                "left-padded",
                "holes",
                "one-token",
                "mixed-rows",
                "whole-range"
            ]
        );
        for set in outlines(&toy::plan(), false, &Further::default(), 1).unwrap() {
            assert_eq!((set.sizes["batch"], set.sizes["sequence"]), (2, 8));
        }
    }

    #[test]
    fn a_size_that_no_input_can_have_is_no_corner() {
        let mut plan = toy::plan();
        if let Some(dim) = plan.dims.get_mut("sequence") {
            dim.example = 1 << 20;
        }
        let sets = outlines(&plan, true, &Further::default(), 1).unwrap();
        assert!(sets.iter().all(|set| set.name != "long"));
        assert!(sets.iter().any(|set| set.name == "one-place"));
    }

    /// A wish as the job of the reference has it.
    fn wished(sizes: serde_json::Value, ids: serde_json::Value) -> Branches {
        let wish = serde_json::json!({"sizes": sizes, "ids": ids});
        let side = serde_json::json!({"file": "m.py", "line": 1, "column": 0, "function": "f", "condition": "c",
            "side": true, "wish": wish});
        let answer = serde_json::json!({"checked": true, "why": "", "untaken": [side], "more": 0, "settled": [],
            "unfollowed": []});
        branches::read(&answer).unwrap()
    }

    #[test]
    fn a_branch_that_no_set_took_is_aimed_at() {
        let branches = wished(
            serde_json::json!({"sequence": 25}),
            serde_json::json!({"mask": [7, 9]}),
        );
        let further = Further::of(&toy::plan(), true, &branches, &BTreeMap::new());
        let sets = outlines(&toy::plan(), true, &further, 1).unwrap();
        let aimed = sets.last().unwrap();
        assert_eq!(aimed.name, "aimed-0");
        assert_eq!((aimed.sizes["batch"], aimed.sizes["sequence"]), (2, 25));
        // An artefact of fixed axes takes no other sizes.
        let further = Further::of(&toy::plan(), false, &branches, &BTreeMap::new());
        let sets = outlines(&toy::plan(), false, &further, 1).unwrap();
        assert_eq!(sets.last().unwrap().sizes["sequence"], 8);
    }

    #[test]
    fn ids_that_are_aimed_at_stand_beside_each_other_somewhere() {
        let mut plan = toy::plan();
        plan.inputs[1].values = Values::Integer { low: 0, high: 50 };
        plan.inputs[1].modality = "text".into();
        let branches = wished(serde_json::json!({}), serde_json::json!({"mask": [46, 9]}));
        let further = Further::of(&plan, true, &branches, &BTreeMap::new());
        let folder = tempfile::tempdir().unwrap();
        let sets = draw_into(&plan, true, &further, 1, folder.path()).unwrap();
        let file = folder.path().join(sets.last().unwrap().file_name());
        let drawn = tensor::parse(&std::fs::read(file).unwrap(), Path::new("aimed")).unwrap();
        let tensor::Data::Whole(ids) = &drawn["mask"].data else {
            panic!("ids are whole");
        };
        assert!(ids.windows(2).any(|pair| pair == [46, 9]), "{ids:?}");
    }

    #[test]
    fn every_part_of_a_vocabulary_has_an_id_in_the_long_set() {
        let mut plan = toy::plan();
        plan.inputs[1].values = Values::Integer {
            low: 0,
            high: 1_000,
        };
        plan.inputs[1].modality = "text".into();
        let folder = tempfile::tempdir().unwrap();
        draw_into(&plan, true, &Further::default(), 1, folder.path()).unwrap();
        let text = std::fs::read(folder.path().join("many-ids.safetensors")).unwrap();
        let drawn = tensor::parse(&text, Path::new("many-ids")).unwrap();
        let tensor::Data::Whole(ids) = &drawn["mask"].data else {
            panic!("ids are whole");
        };
        assert!(ids.iter().all(|id| (0..1_000).contains(id)));
        for part in 0..40 {
            let (from, to) = (part * 25, part * 25 + 25);
            assert!(
                ids.iter().any(|id| (from..to).contains(id)),
                "{from} to {to}: {ids:?}"
            );
        }
    }

    #[test]
    fn ids_reach_over_the_whole_table_of_the_configuration_that_is_judged() {
        let mut plan = toy::plan();
        plan.inputs[1].values = Values::Integer { low: 3, high: 50 };
        plan.inputs[1].modality = "text".into();
        let tables = BTreeMap::from([("mask".to_owned(), 46_600)]);
        let nothing = wished(serde_json::json!({}), serde_json::json!({}));
        let further = Further::of(&plan, true, &nothing, &tables);
        let folder = tempfile::tempdir().unwrap();
        let sets = draw_into(&plan, true, &further, 1, folder.path()).unwrap();
        let highest = |name: &str| {
            let set = sets.iter().find(|set| set.name == name).unwrap();
            let text = std::fs::read(folder.path().join(set.file_name())).unwrap();
            match &tensor::parse(&text, Path::new(name)).unwrap()["mask"].data {
                tensor::Data::Whole(ids) => *ids.iter().max().unwrap(),
                tensor::Data::Floating(_) => panic!("ids are whole"),
            }
        };
        // The last id stands there for certain.
        assert_eq!(highest("whole-range"), 49);
        assert!(highest("whole-vocabulary") > 10_000);
        // A table that the plan reaches over already asks for nothing more.
        let known = BTreeMap::from([("mask".to_owned(), 50)]);
        assert!(Further::of(&plan, true, &nothing, &known).is_empty());
    }
}
