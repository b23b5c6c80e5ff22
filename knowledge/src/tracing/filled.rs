//! Fields without a declared default that a class fills with a constant, e.g. `if self.sizes is None: self.sizes = [1, 2]`.
//!
//! Such a value depends on no other field: it is a default like any declared one, written elsewhere because a list cannot
//! stand in a signature.

use std::collections::BTreeMap;

use tree_sitter::Node;

use super::parse::source;

/// The constants that one method gives to attributes that are `None`, as source text by the attribute's name.
pub fn collect(method: Node, text: &str, found: &mut BTreeMap<String, String>) {
    if let Some(body) = method.child_by_field_name("body") {
        walk(body, text, "", found);
    }
}

/// Walks all statements; `condition` is that of the innermost `if` around them.
fn walk(block: Node, text: &str, condition: &str, found: &mut BTreeMap<String, String>) {
    let mut cursor = block.walk();
    for node in block.named_children(&mut cursor) {
        match node.kind() {
            "if_statement" => {
                let asked = node.child_by_field_name("condition");
                let asked = asked.map(|asked| source(asked, text)).unwrap_or_default();
                if let Some(then) = node.child_by_field_name("consequence") {
                    walk(then, text, &asked, found);
                }
            }
            "expression_statement" => {
                let constant = node
                    .named_child(0)
                    .filter(|inner| inner.kind() == "assignment")
                    .and_then(|assignment| constant(assignment, text, condition));
                found.extend(constant);
            }
            _ => {}
        }
    }
}

/// `self.name = constant` where `self.name` is known to be `None`.
fn constant(assignment: Node, text: &str, condition: &str) -> Option<(String, String)> {
    let left = source(assignment.child_by_field_name("left")?, text);
    let name = left.strip_prefix("self.").filter(|name| is_name(name))?;
    let right = assignment.child_by_field_name("right")?;
    let value = match right.kind() {
        // `self.name if self.name is not None else constant`, and the other way round.
        "conditional_expression" => {
            let part = |place: u32| right.named_child(place);
            let (then, asked, other) = (part(0)?, part(1)?, part(2)?);
            let asked = source(asked, text);
            if asked == format!("{left} is None") && source(other, text) == left {
                then
            } else if asked == format!("{left} is not None") && source(then, text) == left {
                other
            } else {
                return None;
            }
        }
        "boolean_operator" => {
            let (first, second) = (right.named_child(0)?, right.named_child(1)?);
            (source(first, text) == left && is_or(right, text)).then_some(second)?
        }
        _ if condition == format!("{left} is None") => right,
        _ => return None,
    };
    is_constant(value).then(|| (name.to_owned(), source(value, text)))
}

fn is_or(node: Node, text: &str) -> bool {
    node.child_by_field_name("operator")
        .is_some_and(|operator| source(operator, text) == "or")
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Numbers, words and switches, and lists of them. An empty list says nothing.
fn is_constant(node: Node) -> bool {
    match node.kind() {
        "integer" | "float" | "true" | "false" | "string" => true,
        "unary_operator" => node
            .child_by_field_name("argument")
            .is_some_and(is_constant),
        "list" | "tuple" => {
            let mut cursor = node.walk();
            node.named_child_count() > 0 && node.named_children(&mut cursor).all(is_constant)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn filled(body: &str) -> Vec<(String, String)> {
        let text = format!("class A:\n    def __post_init__(self):\n{body}");
        let facts = parse("a.py", &text).unwrap();
        facts.classes[0].filled.clone().into_iter().collect()
    }

    #[test]
    fn every_way_of_writing_a_late_default_is_read() {
        let found = filled(
            "        self.a = [8, [4, 2]] if self.a is None else self.a\n        self.b = self.b if self.b is not None else (1, 2)\n        if self.c is None:\n            self.c = -1\n        self.d = self.d or \"x\"\n",
        );
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            found,
            [
                pair("a", "[8, [4, 2]]"),
                pair("b", "(1, 2)"),
                pair("c", "-1"),
                pair("d", "\"x\"")
            ]
        );
    }

    #[test]
    fn what_is_computed_or_set_in_any_case_is_no_default() {
        let found = filled(
            "        if self.a is None:\n            self.a = self.width * 4\n        self.b = 4\n        if self.c is None and self.fast:\n            self.c = 1\n        self.d = list(self.d) if self.d is not None else None\n        self.e = []  if self.e is None else self.e\n",
        );
        assert!(found.is_empty(), "{found:?}");
    }
}
