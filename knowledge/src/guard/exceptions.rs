//! No exception is handled: one that is swallowed would turn a failure into an answer.

use tree_sitter::Node;

use super::{
    Checked, Refusal,
    tree::{all, line},
};

pub(super) fn check(function: Node<'_>) -> Checked<()> {
    match all(function)
        .into_iter()
        .find(|node| node.kind() == "try_statement")
    {
        Some(node) => Err((line(node), Refusal::HandlesExceptions)),
        None => Ok(()),
    }
}
