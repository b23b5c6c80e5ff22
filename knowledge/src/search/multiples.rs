//! Sizes that have to be a multiple of a number which the error says, such as the length of a chunk.

use portwright_core::{
    Finding, InterfaceCard, PortPlan,
    plan::{Axis, Dim},
};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    placeholders::WORDS as SENSES,
    stated::{STATED, put_named},
    text,
};
use crate::propose::{Field, Role, get, join, nodes, role, senses::placeholders::count};

/// The words before the number.
const WORDS: [&str; 2] = ["multiple of", "divisible by"];

/// Axes of the size that the error refuses become the next multiple of the number that it says.
pub fn candidates(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let Some((of, is)) = stated(&said) else {
        return Vec::new();
    };
    let mut found: Vec<Candidate> = turned(plan, finding, of, is).into_iter().collect();
    let should = is.next_multiple_of(of);
    let mut next = plan.clone();
    for axis in next.inputs.iter_mut().flat_map(|input| &mut input.shape) {
        if *axis == Axis::Fixed(is) {
            *axis = Axis::Fixed(should);
        }
    }
    for dim in next.dims.values_mut() {
        // The probe of another size would meet the same refusal.
        if dim.example == is || dim.other == Some(is) {
            *dim = Dim {
                example: dim.example.next_multiple_of(of),
                other: None,
            };
        }
    }
    if next != *plan {
        let reason = format!("{is} has to be a multiple of {of}");
        let provenance = searched(STATED, finding, reason);
        found.push(Candidate::setting(next, "inputs.shape", provenance));
    }
    found
}

/// Placeholders that have to be a multiple of the side of a patch, which the error names: the side becomes the largest that
/// divides them, and the image shrinks with it, so that there are as many features as before. More placeholders alone would
/// stand for features that are not there.
pub fn of_patch(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (before, after) = WORDS.iter().find_map(|words| said.split_once(words))?;
    let (before, after) = (before.lines().last()?, after.lines().next()?);
    let named = |name: &str| text::names(after, name);
    let all = nodes(card);
    let number = |path: &str, default: &Value| {
        let set = get(&plan.config, path).unwrap_or(default);
        set.as_u64().filter(|number| *number > 1)
    };
    let (node, path, is) = all.iter().find_map(|node| {
        let patch = |field: &&Field| named(&field.name) && role(&field.common) == Role::Patch;
        let field = node.fields.iter().find(patch)?;
        let path = join(&node.path, &field.name);
        let is = number(&path, &field.default)?;
        Some((node, path, is))
    })?;
    let (sense, _) = SENSES.iter().find(|(sense, _)| before.contains(sense))?;
    let many = count(plan, sense)?;
    let should = (2..is)
        .rev()
        .find(|size| many.is_multiple_of(*size) && is.is_multiple_of(*size))?;
    let mut next = plan.clone();
    put_named(card, &mut next.config, &path, Value::from(should));
    for field in node
        .fields
        .iter()
        .filter(|f| role(&f.common) == Role::Image)
    {
        let path = join(&node.path, &field.name);
        if let Some(side) = number(&path, &field.default).filter(|side| side.is_multiple_of(is)) {
            put_named(
                card,
                &mut next.config,
                &path,
                Value::from(side / is * should),
            );
        }
    }
    let reason = format!("{many} {sense} placeholders have to be a multiple of it");
    let provenance = searched(STATED, finding, reason);
    Some(Candidate::setting(
        next,
        &format!("config.{path}"),
        provenance,
    ))
}

/// What is refused stands fixed beside an axis of any length, such as the bins of a spectrogram beside its frames: only
/// that can be asked to be a multiple, so the two stand the wrong way round.
fn turned(plan: &PortPlan, finding: &Finding, of: u64, is: u64) -> Option<Candidate> {
    let mut next = plan.clone();
    let input = next.inputs.iter_mut().find(|input| {
        matches!(input.shape.as_slice(), [_, Axis::Named(_), Axis::Fixed(size)] if input.dtype.is_float() && *size == is)
    })?;
    input.shape.swap(1, 2);
    let name = input.shape.last().and_then(Axis::named)?.0;
    let dim = next.dims.get_mut(name)?;
    *dim = Dim {
        example: dim.example.next_multiple_of(of),
        other: None,
    };
    let key = format!("inputs.{}.shape", input.name);
    let reason = format!("the axis beside that of {is} can be a multiple of {of}");
    let provenance = searched(STATED, finding, reason);
    Some(Candidate::setting(next, &key, provenance))
}

/// The number of which a size has to be a multiple, and the size that is none.
fn stated(said: &str) -> Option<(u64, u64)> {
    let (before, after) = WORDS.iter().find_map(|words| said.split_once(words))?;
    // What stands in another line is another error, or the same one told again.
    let before = text::numbers(before.lines().last().unwrap_or_default());
    let after = text::numbers(after.lines().next().unwrap_or_default());
    let (of, is) = match (before[..].last(), &after[..]) {
        // The multiple may be written as a product before its value: the last number but one is what it comes to.
        (_, [.., of, is]) => (*of, *is),
        (Some(is), [of]) => (*of, *is),
        _ => return None,
    };
    (of > 1 && is > 0 && !is.is_multiple_of(of)).then_some((of, is))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::fixtures;

    #[test]
    fn a_multiple_is_read_with_the_size_that_is_none() {
        let said = "expects `length` to be a multiple of `n_window * 2` (100), but got 64.\nagain";
        assert_eq!(stated(said), Some((100, 64)));
        assert_eq!(
            stated("length must be divisible by 8, got 20"),
            Some((8, 20))
        );
        assert_eq!(stated("a side of 30 is not divisible by 4"), Some((4, 30)));
        assert_eq!(stated("in_channels must be divisible by groups"), None);
        assert_eq!(stated("a multiple of 4, and 8 is one"), None);
    }

    #[test]
    fn a_patch_of_which_placeholders_are_no_multiple_shrinks_with_its_image() {
        let source = serde_json::json!({"file": "any.py", "line": 1});
        let fields = serde_json::json!([
            {"name": "patch_size", "default": 16, "source": source},
            {"name": "image_size", "default": 224, "source": source},
        ]);
        let card = fixtures::card(serde_json::json!({"config_fields": fields}));
        let plan = fixtures::prompt(
            r#"{ id = 3, at = 1, count = 4, marks = "image" }"#,
            r#"[config]
patch_size = 8
image_size = 64
"#,
        );
        let said = "ValueError: a sample has <image> tokens not divisible by patch_size.";
        let finding = fixtures::finding(portwright_core::Stage::Forward, said);
        let found = of_patch(&card, &plan, &finding).unwrap();
        assert_eq!(found.plan.config["patch_size"], 4);
        assert_eq!(found.plan.config["image_size"], 32);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(said in "\\PC*(multiple of|divisible by)\\PC*") {
            let _ = stated(&said);
        }
    }
}
