//! The form of a patch: one plain function of bounded size.

use tree_sitter::{Node, Tree};

use super::{
    Checked, Refusal,
    original::parse as parsed,
    tree::{all, children, line, text},
};

/// The longest source of a patch; nearly all functions of modelling code are shorter.
const MOST: usize = 16 * 1024;

/// What no patch holds: each is a second piece of code, or one that runs at another time.
const FOREIGN: [(&str, &str); 8] = [
    ("class_definition", "a class"),
    ("decorated_definition", "a decorator"),
    ("lambda", "a lambda"),
    ("yield", "a generator"),
    ("await", "an await"),
    ("match_statement", "a match"),
    ("exec_statement", "an exec"),
    ("print_statement", "a print"),
];

/// Parses the source of a patch.
pub(super) fn parse(source: &str) -> Checked<Tree> {
    if source.len() > MOST {
        return Err((
            1,
            Refusal::TooLong {
                bytes: source.len(),
                most: MOST,
            },
        ));
    }
    let tree = parsed(source).ok_or((1, Refusal::Syntax))?;
    match all(tree.root_node())
        .into_iter()
        .find(|node| node.is_error() || node.is_missing())
    {
        Some(wrong) => Err((line(wrong), Refusal::Syntax)),
        // An error may hide in what `all` leaves out.
        None if tree.root_node().has_error() => Err((1, Refusal::Syntax)),
        None => Ok(tree),
    }
}

/// The one function of the source, which must have the original's name.
pub(super) fn one_function<'t>(root: Node<'t>, source: &str, expected: &str) -> Checked<Node<'t>> {
    let not_one = |node: Node<'_>, found: String| {
        let expected = expected.to_owned();
        (line(node), Refusal::NotOneFunction { expected, found })
    };
    let statements: Vec<Node<'_>> = children(root)
        .into_iter()
        .filter(|node| node.kind() != "comment")
        .collect();
    let Some(&first) = statements.first() else {
        return Err(not_one(root, "nothing".into()));
    };
    let other = statements
        .iter()
        .find(|node| node.kind() != "function_definition")
        .or(statements.get(1));
    if let Some(&other) = other {
        let found = format!("`{}`", text(other, source).lines().next().unwrap_or(""));
        return Err(not_one(other, found));
    }
    let name = first
        .child_by_field_name("name")
        .map_or("", |name| text(name, source));
    if name != expected {
        return Err(not_one(first, format!("the function `{name}`")));
    }
    if text(first, source).starts_with("async") {
        return Err(not_one(first, "an async function".into()));
    }
    for node in all(first) {
        if node.kind() == "function_definition" && node != first {
            return Err(not_one(node, "an inner function".into()));
        }
        if let Some((_, found)) = FOREIGN.iter().find(|(kind, _)| *kind == node.kind()) {
            return Err(not_one(node, (*found).to_owned()));
        }
    }
    Ok(first)
}
