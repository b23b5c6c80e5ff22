//! Placeholder tokens: the runs of special ids in the text that stand for the features of other inputs.

use portwright_core::{
    InterfaceCard,
    card::ModelClass,
    plan::{Axis, Dim, Dtype, InputSpec, PortPlan, Run, Values},
};
use serde_json::{Map, Value};

use super::super::{
    inputs::{Inputs, Small, named, signed},
    tokens::TokenMap,
    tree::{Node, get, join, nodes, put},
};

/// The senses whose features have placeholders, each with the number that marks it among kinds of tokens.
const SENSES: [(&str, i64); 3] = [("image", 1), ("video", 2), ("audio", 3)];

/// Inputs that tell the kind of each token.
const KINDS: [&str; 3] = ["mm_token_type_ids", "moe_mm_token_type_ids", PLACES];

/// An input that tells the places of an image's features, which then need no id of their own.
const PLACES: &str = "image_embeds_position_mask";

fn id_fields(sense: &str) -> Vec<String> {
    ["token_id", "token_index", "patch_id", "pad_token_id"]
        .iter()
        .map(|end| format!("{sense}_{end}"))
        .collect()
}

/// The id of a sense's placeholders: that of a field, or the one that a table of names was given.
pub fn id(sense: &str, small: &Small) -> Option<u64> {
    let fields = id_fields(sense);
    let set = fields.iter().find_map(|name| small.number(&[name]));
    set.or_else(|| small.tokens.named(sense))
}

/// Gives an id to every placeholder whose field has none: a class cannot find features without it.
pub fn name_ids(nodes: &[Node], tokens: &mut TokenMap, config: &mut Map<String, Value>) {
    for node in nodes {
        for field in node.fields.iter().filter(|field| field.default.is_null()) {
            let known = SENSES
                .iter()
                .any(|(sense, _)| id_fields(sense).contains(&field.name));
            if known {
                let id = tokens.reserve();
                put(config, &join(&node.path, &field.name), Value::from(id));
            }
        }
    }
}

/// Turns the drawn ids of the text into ordinary ids with a run of placeholders for every sense that has features.
pub fn place(class: &ModelClass, small: &Small, inputs: &mut Inputs) {
    let takes = |name: &str| class.inputs.iter().any(|input| input.name == name);
    let mut runs = Vec::new();
    // The first token is an ordinary one, as every text begins with.
    let mut at = 1;
    for (sense, _) in SENSES {
        let by_place = sense == "image" && takes(PLACES);
        let id = id(sense, small).or(by_place.then_some(0));
        let (Some(id), Some(mut count)) = (id, inputs.features(sense)) else {
            continue;
        };
        if by_place {
            count = small.number(&["latent_query_num"]).unwrap_or(count);
        }
        let words: &[&str] = match sense {
            "image" | "video" => &[sense, "vision"],
            _ => &[sense],
        };
        let mark = |ends: &[&str]| {
            words
                .iter()
                .flat_map(|word| ends.iter().map(move |end| format!("{word}_{end}")))
                .find_map(|name| small.number(&[name.as_str()]))
        };
        let opening = mark(&["start_token_id", "bos_token_id"]);
        let closing = mark(&["end_token_id", "eos_token_id"]);
        for (id, count, marks) in [
            (opening, 1, "mark"),
            (Some(id), count, sense),
            (closing, 1, "mark"),
        ] {
            if let Some(id) = id {
                runs.push(Run {
                    id: signed(id),
                    at,
                    count,
                    marks: marks.into(),
                });
                at += count;
            }
        }
        at += 1;
    }
    if runs.is_empty() {
        return;
    }
    let Some(text) = inputs
        .specs
        .iter_mut()
        .find(|spec| spec.name == "input_ids")
    else {
        return;
    };
    let Values::Integer { low, high } = text.values else {
        return;
    };
    text.values = Values::Tokens {
        low,
        high,
        runs: runs.clone(),
    };
    if let Some(Axis::Named(name)) = text.shape.last() {
        let dim = length(&runs);
        inputs.dims.insert(name.clone(), dim);
    }
    for name in KINDS {
        if takes(name) {
            inputs.specs.retain(|spec| spec.name != name);
            inputs.specs.push(kinds(name, &runs));
        }
    }
}

/// The kind of every token: 0 for text, and the number of the sense for its placeholders.
fn kinds(name: &str, runs: &[Run]) -> InputSpec {
    let runs = runs
        .iter()
        .filter_map(|run| {
            let (_, kind) = SENSES.iter().find(|(sense, _)| *sense == run.marks)?;
            Some(Run {
                id: *kind,
                ..run.clone()
            })
        })
        .collect();
    InputSpec {
        name: name.into(),
        dtype: Dtype::Int64,
        shape: vec![named("batch"), named("sequence")],
        values: Values::Tokens {
            low: 0,
            high: 1,
            runs,
        },
        modality: "control".into(),
    }
}

/// A length of which the placeholders fill less than half: masks cut off up to half of a row at its end.
fn length(runs: &[Run]) -> Dim {
    let filled = runs.iter().map(|run| run.at + run.count).max().unwrap_or(0);
    let example = (2 * filled + 2).max(8);
    Dim {
        example,
        other: Some(example + 3),
    }
}

/// The plan with another number of placeholders for a sense; `None` where it has none of that sense.
pub fn resize(plan: &PortPlan, sense: &str, count: u64) -> Option<PortPlan> {
    let mut next = plan.clone();
    let mut longest = None;
    for spec in &mut next.inputs {
        let Values::Tokens { runs, .. } = &mut spec.values else {
            continue;
        };
        let Some(index) = runs.iter().position(|run| run.marks == sense) else {
            continue;
        };
        let before = runs[index].count;
        runs[index].count = count;
        for run in &mut runs[index + 1..] {
            run.at = (run.at + count).saturating_sub(before);
        }
        if spec.name == "input_ids" {
            longest = Some((spec.shape.last().cloned(), length(runs)));
        }
    }
    if let (Some(Axis::Named(name)), dim) = longest? {
        next.dims.insert(name, dim);
    }
    Some(next)
}

/// The plan with placeholders for a sense that had none, behind all others; `None` where no id marks them.
pub fn insert(card: &InterfaceCard, plan: &PortPlan, sense: &str, count: u64) -> Option<PortPlan> {
    let names = id_fields(sense);
    let id = nodes(card).iter().find_map(|node| {
        let field = node.fields.iter().find(|f| names.contains(&f.name))?;
        let set = get(&plan.config, &join(&node.path, &field.name));
        set.unwrap_or(&field.default).as_i64()
    })?;
    let mut next = plan.clone();
    let text = next
        .inputs
        .iter_mut()
        .find(|spec| spec.name == "input_ids")?;
    let (low, high, mut runs) = match &text.values {
        Values::Integer { low, high } => (*low, *high, Vec::new()),
        Values::Tokens { low, high, runs } => (*low, *high, runs.clone()),
        _ => return None,
    };
    let run = Run {
        id,
        at: runs
            .iter()
            .map(|run| run.at + run.count + 1)
            .max()
            .unwrap_or(1),
        count,
        marks: sense.to_owned(),
    };
    runs.push(run);
    text.values = Values::Tokens {
        low,
        high,
        runs: runs.clone(),
    };
    if let Some(Axis::Named(name)) = text.shape.last().cloned() {
        next.dims.insert(name, length(&runs));
    }
    for spec in next.inputs.iter_mut() {
        if KINDS.contains(&spec.name.as_str()) {
            *spec = kinds(&spec.name, &runs);
        }
    }
    Some(next)
}

/// The plan without a sense: neither its inputs nor its placeholders; `None` where it has none.
pub fn without(plan: &PortPlan, sense: &str) -> Option<PortPlan> {
    let mut next = plan.clone();
    next.inputs.retain(|spec| !spec.name.contains(sense));
    for spec in &mut next.inputs {
        if let Values::Tokens { runs, .. } = &mut spec.values {
            runs.retain(|run| run.marks != sense);
        }
    }
    (next.inputs.len() < plan.inputs.len()).then_some(next)
}

/// The number of placeholders that a row of the plan holds for a sense.
pub fn count(plan: &PortPlan, sense: &str) -> Option<u64> {
    match &plan.input("input_ids")?.values {
        Values::Tokens { runs, .. } => runs
            .iter()
            .find(|run| run.marks == sense)
            .map(|run| run.count),
        _ => None,
    }
}
