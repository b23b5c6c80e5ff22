//! Names: a patch uses its own variables, plain builtins, operations of torch, and what its target's module defines.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::{
    Admitted, Checked, Refusal,
    allowed::{BUILTINS, LIBRARIES},
    original::Original,
    tree::{children, line, text},
};

/// Imports that change nothing, for the names are there already.
const IMPORTS: [&str; 5] = [
    "import math",
    "import torch",
    "import torch.nn.functional as F",
    "from torch import nn",
    "from torch.nn import functional as F",
];

pub(super) fn check(function: Node<'_>, source: &str, original: &Original) -> Checked<Admitted> {
    let mut admitted = Admitted {
        libraries: BTreeSet::new(),
        helpers: BTreeSet::new(),
    };
    let mut bound = BTreeSet::new();
    let mut used: Vec<(&str, u32)> = Vec::new();
    let mut waiting = vec![(function, false)];
    while let Some((node, binds)) = waiting.pop() {
        let field = |name: &str| node.child_by_field_name(name);
        match node.kind() {
            "comment" => continue,
            "type" => {
                annotated(node, source, &mut admitted);
                continue;
            }
            "import_statement" | "import_from_statement" | "future_import_statement" => {
                import(node, source)?;
                continue;
            }
            "identifier" if binds => {
                let name = text(node, source);
                let reserved = LIBRARIES.iter().any(|(known, _)| *known == name)
                    || BUILTINS.contains(&name)
                    || original.definitions.contains(name);
                if reserved {
                    let name = name.to_owned();
                    return Err((line(node), Refusal::Name { name }));
                }
                bound.insert(name);
                continue;
            }
            "identifier" => {
                used.push((text(node, source), line(node)));
                continue;
            }
            _ => {}
        }
        for child in children(node) {
            let is = |name: &str| field(name) == Some(child);
            let binds = match node.kind() {
                // Its own name is no variable, and neither are the names of attributes and of arguments.
                "function_definition" if is("name") => continue,
                "attribute" if is("attribute") => continue,
                "keyword_argument" | "default_parameter" | "typed_default_parameter"
                    if is("name") =>
                {
                    if node.kind() == "keyword_argument" {
                        continue;
                    }
                    true
                }
                "parameters" | "typed_parameter" => true,
                "assignment" | "for_statement" | "for_in_clause" => is("left"),
                "named_expression" => is("name"),
                "as_pattern" => is("alias"),
                "pattern_list"
                | "tuple_pattern"
                | "list_pattern"
                | "list_splat_pattern"
                | "dictionary_splat_pattern"
                | "as_pattern_target" => binds,
                _ => false,
            };
            waiting.push((child, binds));
        }
    }
    for (name, line) in used {
        if bound.contains(name) || BUILTINS.contains(&name) {
            continue;
        }
        if LIBRARIES.iter().any(|(known, _)| *known == name) {
            admitted.libraries.insert(name.to_owned());
        } else if original.definitions.contains(name) {
            admitted.helpers.insert(name.to_owned());
        } else {
            let name = name.to_owned();
            return Err((line, Refusal::Name { name }));
        }
    }
    Ok(admitted)
}

/// Libraries that an annotation names. It is never evaluated, so it may name anything; a reader finds these imported.
fn annotated(node: Node<'_>, source: &str, admitted: &mut Admitted) {
    if node.kind() == "identifier" {
        let name = text(node, source);
        if LIBRARIES.iter().any(|(known, _)| *known == name) {
            admitted.libraries.insert(name.to_owned());
        }
    }
    for child in children(node) {
        annotated(child, source, admitted);
    }
}

fn import(node: Node<'_>, source: &str) -> Checked<()> {
    let words: Vec<&str> = text(node, source).split_whitespace().collect();
    let import = words.join(" ");
    if IMPORTS.contains(&import.as_str()) {
        return Ok(());
    }
    Err((line(node), Refusal::Import { import }))
}
