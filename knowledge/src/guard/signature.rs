//! The parameters of a patch are those of the original: names, order, stars and defaults.

use tree_sitter::Node;

use super::{
    Checked, Refusal,
    original::{Original, parameters},
    tree::line,
};

pub(super) fn check(function: Node<'_>, source: &str, original: &Original) -> Checked<()> {
    let found = parameters(function, source);
    if found == original.parameters {
        return Ok(());
    }
    Err((
        line(function),
        Refusal::OtherParameters {
            expected: shown(&original.parameters),
            found: shown(&found),
        },
    ))
}

fn shown(parameters: &[(String, Option<String>)]) -> String {
    let each: Vec<String> = parameters
        .iter()
        .map(|(name, default)| match default {
            Some(default) => format!("{name}={default}"),
            None => name.clone(),
        })
        .collect();
    each.join(", ")
}
