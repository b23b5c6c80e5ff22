//! Walking a syntax tree.

use tree_sitter::Node;

/// The node and everything below it in document order, without comments and annotations: those are never evaluated,
/// for the rendered file defers them.
pub(super) fn all(node: Node<'_>) -> Vec<Node<'_>> {
    let mut found = Vec::new();
    let mut waiting = vec![node];
    while let Some(node) = waiting.pop() {
        if matches!(node.kind(), "comment" | "type") {
            continue;
        }
        found.push(node);
        let mut below = children(node);
        below.reverse();
        waiting.extend(below);
    }
    found
}

/// The named children of a node.
pub(super) fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).collect()
}

pub(super) fn text<'t>(node: Node<'_>, source: &'t str) -> &'t str {
    source.get(node.byte_range()).unwrap_or_default()
}

/// Counted from 1.
pub(super) fn line(node: Node<'_>) -> u32 {
    u32::try_from(node.start_position().row).unwrap_or(u32::MAX - 1) + 1
}

/// The name at the bottom of `a.b[c].d`; `None` where something else stands there.
pub(super) fn root<'t>(mut node: Node<'_>, source: &'t str) -> Option<&'t str> {
    loop {
        node = match node.kind() {
            "identifier" => return Some(text(node, source)),
            "attribute" => node.child_by_field_name("object")?,
            "subscript" => node.child_by_field_name("value")?,
            "call" => node.child_by_field_name("function")?,
            "parenthesized_expression" => node.named_child(0)?,
            _ => return None,
        };
    }
}

/// The text of a string literal without interpolation; `None` for anything else.
pub(super) fn literal<'t>(node: Node<'_>, source: &'t str) -> Option<&'t str> {
    if node.kind() != "string" {
        return None;
    }
    let parts = children(node);
    match parts.as_slice() {
        [start, content, end]
            if start.kind() == "string_start"
                && content.kind() == "string_content"
                && content.named_child_count() == 0
                && end.kind() == "string_end" =>
        {
            Some(text(*content, source))
        }
        _ => None,
    }
}
