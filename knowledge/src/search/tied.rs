//! Two inputs over one stretch of time, in different units: samples, which an encoder's strides shorten, and frames. What
//! the forward puts side by side is as long as the other where the strides' product ties the two lengths.

use portwright_core::{Finding, InterfaceCard, PortPlan, plan::Axis};

use super::{
    candidate::{Candidate, searched},
    layered::size,
    stated::STATED,
    text,
};
use crate::propose::{get, join, nodes};

/// Plans in which the longer input is as many times as long as the shorter one as a list of the configuration
/// multiplies to, where the lengths that came of the two do not match and the list explains one of them.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let Some((_, sizes)) = said.split_once("Sizes of tensors must match except in dimension")
    else {
        return Vec::new();
    };
    let [_, first, second, ..] = text::numbers(sizes)[..] else {
        return Vec::new();
    };
    let time: Vec<(usize, usize, &str)> = plan
        .inputs
        .iter()
        .enumerate()
        .filter(|(_, input)| input.dtype.is_float())
        .flat_map(|(place, input)| {
            let axes = input.shape.iter().enumerate().skip(1);
            axes.filter_map(move |(at, axis)| Some((place, at, axis.named()?.0)))
        })
        .collect();
    let mut found = Vec::new();
    for (short, long) in [(first, second), (second, first)] {
        let whole = time
            .iter()
            .find(|(place, at, _)| size(plan, &plan.inputs[*place].shape[*at]) == Some(short));
        let Some((own, _, frames)) = whole else {
            continue;
        };
        for (place, at, _) in time.iter().filter(|(place, ..)| place != own) {
            let Some(length) = size(plan, &plan.inputs[*place].shape[*at]) else {
                continue;
            };
            let times = products(card, plan).into_iter();
            let times = times.filter(|times| (length / times).abs_diff(long) <= 1);
            for times in times.take(2) {
                let mut next = plan.clone();
                // What hides parts of an input has its length.
                let old = plan.inputs[*place].shape[*at].clone();
                let axes = next.inputs.iter_mut().flat_map(|input| &mut input.shape);
                for axis in axes.filter(|axis| **axis == old) {
                    *axis = Axis::Named(format!("{times}*{frames}"));
                }
                next.forget_unused_dims();
                let name = &plan.inputs[*place].name;
                let reason =
                    format!("`{name}` is shortened {times} times, to as many as `{frames}`");
                let key = format!("inputs.{name}.shape");
                let provenance = searched(STATED, finding, reason);
                found.push(Candidate::setting(next, &key, provenance));
            }
        }
    }
    found
}

/// What the lists of whole numbers in the configuration multiply to, each once.
fn products(card: &InterfaceCard, plan: &PortPlan) -> Vec<u64> {
    let mut found: Vec<u64> = Vec::new();
    for node in nodes(card) {
        for field in &node.fields {
            let path = join(&node.path, &field.name);
            let value = get(&plan.config, &path).unwrap_or(&field.default);
            let product = value.as_array().and_then(|list| {
                list.iter()
                    .try_fold(1u64, |all, factor| all.checked_mul(factor.as_u64()?))
            });
            found.extend(product.filter(|times| *times > 1 && !found.contains(times)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use portwright_core::Stage;

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn samples_are_as_many_as_the_strides_make_frames_of() {
        let card = fixtures::card(serde_json::json!({
            "config_fields": [
                {"name": "levels", "default": [4, 4, 4]},
                {"name": "ratios", "default": [4, 8, 10]}
            ]
        }));
        let plan = fixtures::plan(
            r#"
[dims]
batch = { example = 2, other = 3 }
frames = { example = 64, other = 96 }
samples = { example = 4000, other = 5000 }

[[inputs]]
name = "wave"
dtype = "float32"
shape = ["batch", 1, "samples"]
modality = "audio"
values = { kind = "normal", mean = 0.0, std = 1.0 }

[[inputs]]
name = "bins"
dtype = "float32"
shape = ["batch", "frames", 160]
modality = "audio"
values = { kind = "normal", mean = 0.0, std = 1.0 }
"#,
        );
        let finding = fixtures::finding(
            Stage::Forward,
            "Sizes of tensors must match except in dimension 1. Expected size 64 but got size 12 for tensor number 1 in the list.",
        );
        let found = candidates(&card, &plan, &finding);
        let wave = found[0].plan.input("wave").unwrap();
        assert_eq!(wave.shape[2], Axis::Named("320*frames".into()));
        assert!(!found[0].plan.dims.contains_key("samples"));
        assert_eq!(found.len(), 1);
    }
}
