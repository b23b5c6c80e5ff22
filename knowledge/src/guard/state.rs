//! A patch changes nothing but its own variables and the tensors it was given: no globals, no attributes, no weights, no
//! default that lives on from call to call.

use tree_sitter::Node;

use super::{
    Checked, Refusal,
    tree::{all, children, line, root, text},
};

/// Methods that change the collection they are called on.
const CHANGES: [&str; 11] = [
    "append",
    "clear",
    "extend",
    "insert",
    "pop",
    "popitem",
    "remove",
    "reverse",
    "setdefault",
    "sort",
    "update",
];

pub(super) fn check(function: Node<'_>, source: &str) -> Checked<()> {
    let refused = |node: Node<'_>| {
        let first = text(node, source).lines().next().unwrap_or_default();
        let what = first.trim().to_owned();
        Err((line(node), Refusal::State { what }))
    };
    for node in all(function) {
        match node.kind() {
            "global_statement" | "nonlocal_statement" => return refused(node),
            "default_parameter" | "typed_default_parameter" => {
                let value = node.child_by_field_name("value");
                if value.is_some_and(lives_on) {
                    return refused(node);
                }
            }
            "assignment" | "augmented_assignment" => {
                for place in node
                    .child_by_field_name("left")
                    .into_iter()
                    .flat_map(places)
                {
                    if is_foreign(place, source) {
                        return refused(node);
                    }
                }
            }
            "for_statement" | "for_in_clause" => {
                for place in node
                    .child_by_field_name("left")
                    .into_iter()
                    .flat_map(places)
                {
                    if place.kind() != "identifier" {
                        return refused(node);
                    }
                }
            }
            "as_pattern" => {
                let target = node.child_by_field_name("alias");
                let targets = target.into_iter().flat_map(children).flat_map(places);
                if targets
                    .into_iter()
                    .any(|place| place.kind() != "identifier")
                {
                    return refused(node);
                }
            }
            "delete_statement" => {
                let places = children(node).into_iter().flat_map(places);
                if places.into_iter().any(|place| place.kind() != "identifier") {
                    return refused(node);
                }
            }
            "call" if changes_self(node, source) => return refused(node),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a default is an object that every call shares and may change.
fn lives_on(value: Node<'_>) -> bool {
    let kinds = [
        "list",
        "dictionary",
        "set",
        "call",
        "list_comprehension",
        "dictionary_comprehension",
        "set_comprehension",
        "generator_expression",
    ];
    all(value).iter().any(|node| kinds.contains(&node.kind()))
}

/// The single places of an assignment's left side.
fn places(node: Node<'_>) -> Vec<Node<'_>> {
    match node.kind() {
        "pattern_list"
        | "tuple_pattern"
        | "list_pattern"
        | "list_splat_pattern"
        | "expression_list"
        | "tuple"
        | "list"
        | "parenthesized_expression" => children(node).into_iter().flat_map(places).collect(),
        _ => vec![node],
    }
}

/// An attribute of anything, or an element of what belongs to the module.
fn is_foreign(place: Node<'_>, source: &str) -> bool {
    match place.kind() {
        "identifier" => false,
        "subscript" => {
            let inner = place.child_by_field_name("value");
            // `x.shape[0] = …` and `self.weight[0] = …` reach into an object; `x[0] = …` writes into a tensor.
            root(place, source).is_none_or(|name| name == "self" || name == "cls")
                || inner.is_none_or(|inner| !matches!(inner.kind(), "identifier" | "subscript"))
        }
        _ => true,
    }
}

/// A method that changes what it is called on, called on something of the module: `self.weight.zero_()`.
fn changes_self(call: Node<'_>, source: &str) -> bool {
    let Some(method) = call
        .child_by_field_name("function")
        .filter(|function| function.kind() == "attribute")
    else {
        return false;
    };
    let name = method
        .child_by_field_name("attribute")
        .map_or("", |name| text(name, source));
    let owner = method.child_by_field_name("object");
    let of_self = owner.is_some_and(|owner| {
        let computed = all(owner).iter().any(|node| node.kind() == "call");
        !computed && matches!(root(owner, source), Some("self" | "cls"))
    });
    of_self && (CHANGES.contains(&name) || name.ends_with('_'))
}
