//! A tensor of another library's model, laid out anew by sizes of the configuration that do not say what that model makes:
//! its sizes follow from its name alone, so the fields that describe them have to stay what the class declares.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    stated::{STATED, put_named},
    text,
};
use crate::propose::{get, join, nodes};

/// The words of the parts of a configuration by those of the functions that make features of them.
const SENSES: [(&str, &[&str]); 3] = [
    ("image", &["vis", "image"]),
    ("video", &["vis", "video"]),
    ("audio", &["audio"]),
];

/// The plan with the library's own value for each small size of the wanted shape that the tensor at hand contradicts and
/// that the library's own value agrees with.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let wanted = wanted(&said)?;
    let frame = finding.error.as_ref()?.frames.last()?;
    let changes = frame
        .tensors
        .values()
        .find_map(|is| differing(&wanted, is))?;
    let words = SENSES
        .iter()
        .find(|(sense, _)| frame.function.contains(sense))
        .map_or(&[][..], |(_, words)| *words);
    let mut next = plan.clone();
    for (small, own) in changes {
        let mut paths = Vec::new();
        for node in nodes(card) {
            for field in &node.fields {
                let path = join(&node.path, &field.name);
                let set = get(&plan.config, &path).and_then(Value::as_u64);
                if set == Some(small) && field.default.as_u64() == Some(own) {
                    paths.push(path);
                }
            }
        }
        // The text may have the same width; it is not what the function makes features of.
        let meant = |path: &&String| words.iter().any(|word| path.contains(word));
        if paths.iter().any(|path| meant(&path)) {
            paths.retain(|path| meant(&path));
        }
        if paths.is_empty() {
            return None;
        }
        for path in paths {
            put_named(card, &mut next.config, &path, Value::from(own));
        }
    }
    let reason = "the model whose output is laid out anew has the sizes that the library declares";
    (next != *plan).then(|| Candidate::setting(next, "config", searched(STATED, finding, reason)))
}

/// The shape of a tensor's new layout, where it holds another number of values.
fn wanted(said: &str) -> Option<Vec<u64>> {
    let (shape, _) = said.split_once("]' is invalid for input of size")?;
    let (_, shape) = shape.rsplit_once("shape '[")?;
    Some(text::numbers(shape))
}

/// The sizes in which the new layout differs from the tensor whose last axes it takes together; `None` where the two do
/// not begin with the same axis.
fn differing(wanted: &[u64], is: &[u64]) -> Option<Vec<(u64, u64)>> {
    let last = wanted.len().checked_sub(1).filter(|last| *last > 0)?;
    if is.len() < wanted.len() || is.first() != wanted.first() {
        return None;
    }
    let together = is[last..]
        .iter()
        .try_fold(1_u64, |all, size| all.checked_mul(*size))?;
    let own = is[..last].iter().copied().chain([together]);
    let changes: Vec<(u64, u64)> = wanted
        .iter()
        .copied()
        .zip(own)
        .filter(|(wanted, own)| wanted != own)
        .collect();
    (!changes.is_empty()).then_some(changes)
}

#[cfg(test)]
mod tests {
    use portwright_core::{
        Stage,
        job::{Frame, JobError},
    };
    use serde_json::json;

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn sizes_that_no_tensor_has_are_no_layout() {
        assert_eq!(differing(&[2, 3], &[2, u64::MAX, 2]), None);
        assert_eq!(differing(&[2, 3], &[2, 2, 2]), Some(vec![(3, 4)]));
    }

    #[test]
    fn sizes_of_a_model_of_another_library_go_back_to_what_is_declared() {
        let source = json!({"file": "any.py", "line": 1});
        let field =
            |name: &str, default: u64| json!({"name": name, "default": default, "source": source});
        let card = fixtures::card(json!({
            "config_fields": [field("vision_soft_tokens", 256)],
            "sub_configs": {
                "vision_config": {"class": "AnyVisionConfig", "attribute_map": {}, "fields": [field("hidden_size", 2048)]},
                "text_config": {"class": "AnyTextConfig", "attribute_map": {}, "fields": [field("hidden_size", 2048)]},
            },
        }));
        let mut plan = fixtures::features();
        let config = json!({
            "vision_soft_tokens": 4, "vision_config": {"hidden_size": 64}, "text_config": {"hidden_size": 64},
        });
        plan.config = config.as_object().unwrap().clone();
        let said = "shape '[2, 64, 4]' is invalid for input of size 1048576";
        let mut finding = fixtures::finding(Stage::Forward, said);
        finding.error = Some(JobError {
            frames: vec![Frame {
                file: "modeling.py".into(),
                function: "get_image_features".into(),
                tensors: [("last_hidden_state".to_owned(), vec![2, 2048, 16, 16])].into(),
                ..Frame::default()
            }],
            ..JobError::default()
        });
        let found = candidates(&card, &plan, &finding).unwrap();
        assert_eq!(
            Value::Object(found.plan.config),
            json!({"vision_soft_tokens": 256, "vision_config": {"hidden_size": 2048}, "text_config": {"hidden_size": 64}})
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(a in "\\PC*", b in "\\PC*") {
            let _ = wanted(&format!("{a}shape '[{b}]' is invalid for input of size"));
        }

        #[test]
        fn any_shapes_are_compared(a in proptest::collection::vec(0u64..9, 0..5), b in proptest::collection::vec(0u64..9, 0..5)) {
            let _ = differing(&a, &b);
        }
    }
}
