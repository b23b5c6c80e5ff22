//! Equalities that a class checks and raises without, read from the conditions of its methods.

use std::collections::BTreeMap;

use tree_sitter::Node;

use super::{Demand, parse::source};

/// The demands of one method.
pub fn collect(method: Node, text: &str, found: &mut Vec<Demand>) {
    let Some(body) = method.child_by_field_name("body") else {
        return;
    };
    let mut names = BTreeMap::new();
    walk(body, text, &mut names, found);
}

/// Walks statements in their order. Below a condition nothing is demanded of every instance, unless the condition only
/// asks whether there is something to check.
fn walk(block: Node, text: &str, names: &mut BTreeMap<String, String>, found: &mut Vec<Demand>) {
    let mut cursor = block.walk();
    for statement in block.named_children(&mut cursor) {
        match statement.kind() {
            "expression_statement" => alias(statement, text, names),
            "if_statement" => {
                let parts = (
                    statement.child_by_field_name("condition"),
                    statement.child_by_field_name("consequence"),
                );
                let (Some(condition), Some(then)) = parts else {
                    continue;
                };
                if raises(then) {
                    found.extend(demand(condition, text, names));
                } else if source(condition, text).ends_with("is not None") {
                    walk(then, text, names, found);
                }
            }
            _ => {}
        }
    }
}

/// `local = self.a.b`: what the local name stands for.
fn alias(statement: Node, text: &str, names: &mut BTreeMap<String, String>) {
    let Some(assignment) = statement
        .named_child(0)
        .filter(|n| n.kind() == "assignment")
    else {
        return;
    };
    let side = |name: &str| assignment.child_by_field_name(name);
    if let (Some(left), Some(right)) = (side("left"), side("right"))
        && left.kind() == "identifier"
        && let Some(path) = path(right, text, names)
    {
        names.insert(source(left, text), path);
    }
}

fn raises(block: Node) -> bool {
    let mut cursor = block.walk();
    block
        .named_children(&mut cursor)
        .any(|statement| statement.kind() == "raise_statement")
}

fn demand(condition: Node, text: &str, names: &BTreeMap<String, String>) -> Option<Demand> {
    if condition.kind() != "comparison_operator" || condition.named_child_count() != 2 {
        return None;
    }
    let (left, right) = (condition.named_child(0)?, condition.named_child(1)?);
    let between = text.get(left.end_byte()..right.start_byte())?.trim();
    if !matches!(between, "!=" | "is not") {
        return None;
    }
    let path_of_left = path(left, text, names)?;
    let equals = match right.kind() {
        "integer" | "float" | "true" | "false" | "string" => source(right, text),
        _ => format!("self.{}", path(right, text, names)?),
    };
    Some(Demand {
        path: path_of_left,
        equals,
    })
}

/// The path below the instance that an expression of names and dots leads to.
fn path(node: Node, text: &str, names: &BTreeMap<String, String>) -> Option<String> {
    let text = source(node, text);
    if !text
        .chars()
        .all(|c| c.is_alphanumeric() || c == '_' || c == '.')
    {
        return None;
    }
    let (head, rest) = text.split_once('.').unwrap_or((&text, ""));
    let parts: Vec<&str> = match head {
        "self" => vec![rest],
        _ => vec![names.get(head)?, rest],
    };
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn demands(body: &str) -> Vec<(String, String)> {
        let text = format!("class A:\n    def check(self):\n{body}");
        let facts = parse("a.py", &text).unwrap();
        let demands = &facts.classes[0].demands;
        demands
            .iter()
            .map(|d| (d.path.clone(), d.equals.clone()))
            .collect()
    }

    #[test]
    fn an_inequality_that_raises_is_a_demand() {
        let found = demands(
            "        inner = self.text_config\n        if inner is not None:\n            if inner.width != 0:\n                raise ValueError()\n            if inner.shared != inner.depth:\n                raise ValueError()\n",
        );
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            found,
            [
                pair("text_config.width", "0"),
                pair("text_config.shared", "self.text_config.depth")
            ]
        );
    }

    #[test]
    fn what_is_checked_in_some_cases_only_is_none() {
        let found = demands(
            "        if self.fast:\n            if self.width != 4:\n                raise ValueError()\n        if self.width > 4:\n            raise ValueError()\n",
        );
        assert!(found.is_empty());
    }
}
