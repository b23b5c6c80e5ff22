//! Every function, method and class of a file with the lines that it stands on.

use tree_sitter::Node;

use super::{
    TraceError,
    parse::{end_line, field_text, line, source, tree},
};

/// A function, method or class. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The name inside the file, e.g. `Model.forward`.
    pub name: String,
    /// The first line, that of the first decorator where there is one.
    pub line: u32,
    /// The last line of a function, and of a class the last one before its first method.
    pub head_end_line: u32,
    pub end_line: u32,
    /// Decorators as written, without the `@`.
    pub decorators: Vec<String>,
    pub is_class: bool,
}

/// The symbols of a file in the order of their lines; `file` is only used to name it in an error.
pub fn symbols(file: &str, text: &str) -> Result<Vec<Symbol>, TraceError> {
    let tree = tree(file, text)?;
    let mut found = Vec::new();
    walk(tree.root_node(), "", text, &mut found);
    Ok(found)
}

/// Definitions in a block and in the conditions inside it. Functions inside functions belong to the outer one.
fn walk(block: Node, prefix: &str, text: &str, found: &mut Vec<Symbol>) {
    let mut cursor = block.walk();
    for node in block.named_children(&mut cursor) {
        match node.kind() {
            "class_definition" | "function_definition" => define(node, node, prefix, text, found),
            "decorated_definition" => {
                if let Some(inner) = node.child_by_field_name("definition") {
                    define(node, inner, prefix, text, found);
                }
            }
            "if_statement" | "try_statement" | "else_clause" | "elif_clause" | "except_clause"
            | "finally_clause" | "with_statement" | "block" => walk(node, prefix, text, found),
            _ => {}
        }
    }
}

/// `whole` is the definition with its decorators.
fn define(whole: Node, definition: Node, prefix: &str, text: &str, found: &mut Vec<Symbol>) {
    let name = field_text(definition, "name", text).unwrap_or_default();
    let name = format!("{prefix}{name}");
    let mut cursor = whole.walk();
    let decorators = whole
        .named_children(&mut cursor)
        .filter(|child| child.kind() == "decorator")
        .map(|decorator| source(decorator, text).trim_start_matches('@').to_owned())
        .collect();
    let mut symbol = Symbol {
        name: name.clone(),
        line: line(whole),
        head_end_line: end_line(whole),
        end_line: end_line(whole),
        decorators,
        is_class: definition.kind() == "class_definition",
    };
    let body = definition.child_by_field_name("body");
    if definition.kind() == "class_definition"
        && let Some(body) = body
    {
        let mut cursor = body.walk();
        let first_method = body.named_children(&mut cursor).find(|statement| {
            let definition = match statement.kind() {
                "decorated_definition" => statement.child_by_field_name("definition"),
                _ => Some(*statement),
            };
            definition.is_some_and(|node| node.kind() == "function_definition")
        });
        if let Some(method) = first_method {
            symbol.head_end_line = line(method).saturating_sub(1).max(symbol.line);
        }
        found.push(symbol);
        walk(body, &format!("{name}."), text, found);
    } else {
        found.push(symbol);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_inside_conditions_and_classes_are_found() {
        let text = "if have():\n    class A:\n        x = 1\n\n        def f(self):\n            def inner():\n                pass\n\n        class B:\n            y = 2\n\n@wraps(f)\ndef g():\n    pass\n";
        let found = symbols("a.py", text).unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|s| (s.name.as_str(), s.line, s.head_end_line, s.end_line))
            .collect();
        assert_eq!(
            seen,
            [
                ("A", 2, 4, 10),
                ("A.f", 5, 7, 7),
                ("A.B", 9, 10, 10),
                ("g", 12, 14, 14)
            ]
        );
        assert_eq!(found[3].decorators, ["wraps(f)"]);
    }

    #[test]
    fn a_file_that_is_no_python_is_named() {
        assert!(
            symbols("broken.py", "def (")
                .unwrap_err()
                .to_string()
                .starts_with("broken.py:1")
        );
    }
}
