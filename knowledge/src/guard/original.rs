//! The function that a patch replaces, as the source of its module shows it.

use std::collections::BTreeSet;

use portwright_core::plan::PatchTarget;
use tree_sitter::{Node, Parser, Tree};

use super::{
    constant::{Level, returns},
    tree::{all, children, text},
};

/// What the guards ask of the original.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Original {
    pub name: String,
    /// Name and default of each parameter in order, e.g. `("mask", Some("None"))`; stars are part of the name.
    pub parameters: Vec<(String, Option<String>)>,
    /// Whether it returns a value; a function that does not works on its parameters in place.
    pub gives: bool,
    /// How what it returns depends on its parameters, where it depends least.
    pub level: Level,
    /// Functions and classes that its module defines.
    pub definitions: BTreeSet<String>,
    /// Attributes that its module uses, and methods that it defines.
    pub attributes: BTreeSet<String>,
}

impl Original {
    /// Finds the target in its module's source; `None` where the source does not parse or defines no such function.
    pub fn find(module: &str, target: &PatchTarget<'_>) -> Option<Self> {
        let tree = parse(module)?;
        let root = tree.root_node();
        let block = match target.class {
            None => root,
            Some(class) => {
                definition(root, module, "class_definition", class)?.child_by_field_name("body")?
            }
        };
        let function = definition(block, module, "function_definition", target.function)?;
        let parameters = parameters(function, module);
        let names = parameters.iter().map(|(name, _)| name.as_str());
        let level = returns(function, module, names)
            .into_iter()
            .map(|(_, level)| level)
            .min();
        let mut found = Self {
            name: target.function.to_owned(),
            level: level.unwrap_or_default(),
            parameters,
            gives: gives(function),
            ..Self::default()
        };
        for node in definitions(root) {
            if let Some(name) = node.child_by_field_name("name") {
                found.definitions.insert(text(name, module).to_owned());
            }
        }
        for node in all(root) {
            let field = match node.kind() {
                "attribute" => "attribute",
                "function_definition" => "name",
                _ => continue,
            };
            if let Some(name) = node.child_by_field_name(field) {
                found.attributes.insert(text(name, module).to_owned());
            }
        }
        Some(found)
    }
}

pub(super) fn parse(source: &str) -> Option<Tree> {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_python::LANGUAGE.into())
        .ok()?;
    parser.parse(source, None)
}

/// Functions and classes that stand directly in a block, decorated or not.
fn definitions(block: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    children(block)
        .into_iter()
        .filter_map(|node| match node.kind() {
            "decorated_definition" => node.child_by_field_name("definition"),
            _ => Some(node),
        })
        .filter(|node| matches!(node.kind(), "function_definition" | "class_definition"))
}

fn definition<'t>(block: Node<'t>, source: &str, kind: &str, name: &str) -> Option<Node<'t>> {
    definitions(block)
        .filter(|node| node.kind() == kind)
        .find(|node| {
            node.child_by_field_name("name")
                .is_some_and(|found| text(found, source) == name)
        })
}

/// Name and default of each parameter.
pub(super) fn parameters(function: Node<'_>, source: &str) -> Vec<(String, Option<String>)> {
    let Some(list) = function.child_by_field_name("parameters") else {
        return Vec::new();
    };
    let plain = |node: Node<'_>| {
        let words: Vec<_> = text(node, source).split_whitespace().collect();
        words.join(" ")
    };
    children(list)
        .into_iter()
        .filter(|node| node.kind() != "comment")
        .map(|node| match node.kind() {
            "default_parameter" | "typed_default_parameter" => (
                node.child_by_field_name("name")
                    .map(plain)
                    .unwrap_or_default(),
                node.child_by_field_name("value").map(plain),
            ),
            "typed_parameter" => (node.named_child(0).map(plain).unwrap_or_default(), None),
            _ => (plain(node), None),
        })
        .collect()
}

/// Whether any `return` of a function has a value.
pub(super) fn gives(function: Node<'_>) -> bool {
    all(function)
        .into_iter()
        .any(|node| node.kind() == "return_statement" && node.named_child_count() > 0)
}
