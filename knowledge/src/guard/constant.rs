//! What a patch returns depends on its parameters: a constant in the place of a computed output is refused.
//!
//! A value *moves* when a parameter's value flows into it. Sizes, types and devices do not count, and neither does a
//! tensor that is made from them alone. The flow is followed through assignments, writes into tensors, branches and loops;
//! where branches disagree, what does not move in one of them does not move afterwards. It cannot see every disguise of a
//! constant; whether the numbers are right is the judge's to say.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::{
    Checked, Refusal,
    original::{Original, gives},
    tree::{children, line, root, text},
};

/// Attributes and methods that describe a tensor without its values.
const DESCRIBES: [&str; 14] = [
    "device",
    "dim",
    "dtype",
    "element_size",
    "is_contiguous",
    "is_cuda",
    "itemsize",
    "layout",
    "names",
    "ndim",
    "nelement",
    "numel",
    "shape",
    "size",
];

/// Operations whose result is made from sizes alone, or is the same for all values.
const CREATES: [&str; 26] = [
    "empty",
    "empty_like",
    "eye",
    "finfo",
    "full",
    "full_like",
    "iinfo",
    "new_empty",
    "new_full",
    "new_ones",
    "new_tensor",
    "new_zeros",
    "normal",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "scalar_tensor",
    "stride",
    "tensor",
    "zeros",
    "zeros_like",
];

/// Builtins of which the same is true.
const DESCRIBE_CALLS: [&str; 3] = ["hasattr", "isinstance", "len"];

pub(super) fn check(function: Node<'_>, source: &str, original: &Original) -> Checked<()> {
    let refused = |node: Node<'_>, what: &str| {
        let what = what.to_owned();
        Err((line(node), Refusal::Constant { what }))
    };
    if !gives(function) {
        if original.gives {
            return refused(function, "it returns nothing");
        }
        return Ok(());
    }
    let mut names: BTreeSet<&str> = original
        .parameters
        .iter()
        .map(|(name, _)| name.trim_start_matches('*'))
        .filter(|name| !["", "/", "self", "cls"].contains(name))
        .collect();
    if names.is_empty() {
        // A method without other parameters computes from what its module holds.
        names.insert("self");
    }
    let Some(body) = function.child_by_field_name("body") else {
        return Ok(());
    };
    let mut flow = Flow {
        source,
        moving: names.iter().map(|name| (*name).to_owned()).collect(),
        fixed: None,
    };
    flow.block(body);
    match flow.fixed {
        Some(node) => refused(node, "it returns what is the same for all values"),
        None => Ok(()),
    }
}

/// The variables that move, at one place of the function.
#[derive(Clone)]
struct Flow<'t> {
    source: &'t str,
    moving: BTreeSet<String>,
    /// The first return of something that does not move.
    fixed: Option<Node<'t>>,
}

impl<'t> Flow<'t> {
    /// Follows the statements of a block; answers whether the end of it can be reached.
    fn block(&mut self, block: Node<'t>) -> bool {
        children(block).into_iter().all(|node| self.statement(node))
    }

    fn statement(&mut self, node: Node<'t>) -> bool {
        match node.kind() {
            "return_statement" => {
                if !self.returns(node.named_child(0)) && self.fixed.is_none() {
                    self.fixed = Some(node);
                }
                false
            }
            "raise_statement" | "break_statement" | "continue_statement" => {
                node.kind() != "raise_statement"
            }
            "expression_statement" => {
                for inner in children(node) {
                    self.expression(inner);
                }
                true
            }
            "if_statement" => self.branches(node),
            "for_statement" => {
                let moves = self.field(node, "right");
                // Twice: what the first turn moved may move more in the second.
                for _ in 0..2 {
                    if let Some(left) = node.child_by_field_name("left") {
                        self.assign(left, None, moves);
                    }
                    self.body(node);
                }
                true
            }
            "while_statement" => {
                self.body(node);
                self.body(node);
                true
            }
            "with_statement" => match node.child_by_field_name("body") {
                Some(body) => self.block(body),
                None => true,
            },
            _ => true,
        }
    }

    fn body(&mut self, node: Node<'t>) {
        if let Some(body) = node.child_by_field_name("body") {
            self.block(body);
        }
    }

    /// Follows each branch from the same beginning; afterwards moves what moves at the end of all that go on.
    fn branches(&mut self, node: Node<'t>) -> bool {
        let begin = self.moving.clone();
        let mut ends: Vec<BTreeSet<String>> = Vec::new();
        let mut has_else = false;
        let consequence = node.child_by_field_name("consequence");
        let others = children(node).into_iter().filter_map(|child| {
            let name = match child.kind() {
                "elif_clause" => "consequence",
                "else_clause" => "body",
                _ => return None,
            };
            Some((
                child.kind() == "else_clause",
                child.child_by_field_name(name)?,
            ))
        });
        let all: Vec<(bool, Node<'t>)> = consequence
            .map(|block| (false, block))
            .into_iter()
            .chain(others)
            .collect();
        for (is_else, block) in all {
            has_else |= is_else;
            self.moving = begin.clone();
            if self.block(block) {
                ends.push(std::mem::take(&mut self.moving));
            }
        }
        if !has_else {
            ends.push(begin);
        }
        let Some(first) = ends.pop() else {
            return false;
        };
        self.moving = ends.iter().fold(first, |moving, end| {
            moving.intersection(end).cloned().collect()
        });
        true
    }

    /// An expression that stands as a statement: an assignment, or a call that writes into what it is called on.
    fn expression(&mut self, node: Node<'t>) {
        match node.kind() {
            "assignment" => {
                self.assigned(node);
            }
            "augmented_assignment" => {
                let moves = self.field(node, "right");
                if let Some(name) = node
                    .child_by_field_name("left")
                    .and_then(|left| root(left, self.source))
                    && moves
                {
                    self.moving.insert(name.to_owned());
                }
            }
            "call" => {
                let Some(function) = node.child_by_field_name("function") else {
                    return;
                };
                let Some(owner) = function
                    .child_by_field_name("object")
                    .and_then(|object| root(object, self.source))
                else {
                    return;
                };
                let method = self.name_of(function);
                if self.field(node, "arguments") {
                    self.moving.insert(owner.to_owned());
                } else if ["fill_", "zero_"].contains(&method) {
                    self.moving.remove(owner);
                }
            }
            _ => {}
        }
    }

    /// Follows an assignment, of several in one line too; answers whether the value moves.
    fn assigned(&mut self, node: Node<'t>) -> bool {
        let Some(right) = node.child_by_field_name("right") else {
            return false;
        };
        let moves = if right.kind() == "assignment" {
            self.assigned(right)
        } else {
            self.moves(right)
        };
        if let Some(left) = node.child_by_field_name("left") {
            self.assign(left, Some(right), moves);
        }
        moves
    }

    fn assign(&mut self, left: Node<'t>, right: Option<Node<'t>>, moves: bool) {
        match left.kind() {
            "identifier" => {
                let name = text(left, self.source);
                if moves {
                    self.moving.insert(name.to_owned());
                } else {
                    self.moving.remove(name);
                }
            }
            "subscript" | "attribute" => {
                if let Some(name) = root(left, self.source)
                    && moves
                {
                    self.moving.insert(name.to_owned());
                }
            }
            _ => {
                let targets = children(left);
                let values = right.map(children).filter(|values| {
                    let listed = right
                        .is_some_and(|r| ["expression_list", "tuple", "list"].contains(&r.kind()));
                    listed && values.len() == targets.len()
                });
                // The values are looked at before any name changes its meaning, as Python does.
                let each: Vec<bool> = match &values {
                    Some(values) => values.iter().map(|value| self.moves(*value)).collect(),
                    None => vec![moves; targets.len()],
                };
                for (target, moves) in targets.into_iter().zip(each) {
                    self.assign(target, None, moves);
                }
            }
        }
    }

    /// Whether everything that is returned moves, but for `None` beside something that does.
    fn returns(&self, value: Option<Node<'t>>) -> bool {
        let Some(value) = value else {
            return false;
        };
        match value.kind() {
            "expression_list" | "tuple" | "list" => {
                let parts = children(value);
                let fine = |part: &Node<'t>| part.kind() == "none" || self.returns(Some(*part));
                parts.iter().all(fine) && parts.iter().any(|part| part.kind() != "none")
            }
            "parenthesized_expression" => self.returns(value.named_child(0)),
            "conditional_expression" => {
                // Its condition stands in the middle.
                let parts = children(value);
                let ends = [parts.first(), parts.last()];
                ends.iter().flatten().all(|part| self.returns(Some(**part)))
            }
            _ => self.moves(value),
        }
    }

    fn field(&self, node: Node<'t>, name: &str) -> bool {
        node.child_by_field_name(name)
            .is_some_and(|child| self.moves(child))
    }

    fn name_of(&self, function: Node<'t>) -> &'t str {
        let name = function
            .child_by_field_name("attribute")
            .unwrap_or(function);
        text(name, self.source)
    }

    fn any(&self, node: Node<'t>) -> bool {
        children(node).into_iter().any(|child| self.moves(child))
    }

    /// Whether a parameter's value flows into an expression.
    fn moves(&self, node: Node<'t>) -> bool {
        match node.kind() {
            "identifier" => self.moving.contains(text(node, self.source)),
            "comment" | "type" | "string" | "integer" | "float" | "none" | "true" | "false" => {
                false
            }
            "attribute" => !DESCRIBES.contains(&self.name_of(node)) && self.field(node, "object"),
            "keyword_argument" => self.field(node, "value"),
            "call" => self.called(node),
            "subscript" => self.any(node),
            "binary_operator" => self.operated(node),
            "boolean_operator" => self.field(node, "left") && self.field(node, "right"),
            "conditional_expression" => {
                let parts = children(node);
                let ends = [parts.first(), parts.last()];
                ends.iter()
                    .flatten()
                    .all(|part| part.kind() == "none" || self.moves(**part))
            }
            "list_comprehension"
            | "set_comprehension"
            | "dictionary_comprehension"
            | "generator_expression" => self.comprehended(node),
            _ => self.any(node),
        }
    }

    fn called(&self, node: Node<'t>) -> bool {
        let Some(function) = node.child_by_field_name("function") else {
            return false;
        };
        let name = self.name_of(function);
        let plain = function.kind() == "identifier";
        if CREATES.contains(&name)
            || DESCRIBES.contains(&name)
            || (plain && DESCRIBE_CALLS.contains(&name))
        {
            return false;
        }
        self.field(node, "arguments") || (!plain && self.moves(function))
    }

    fn operated(&self, node: Node<'t>) -> bool {
        let side = |name: &str| {
            let node = node.child_by_field_name(name)?;
            Some((node, text(node, self.source)))
        };
        let (Some((left, a)), Some((right, b))) = (side("left"), side("right")) else {
            return false;
        };
        let operator = node
            .child_by_field_name("operator")
            .map_or("", |operator| text(operator, self.source));
        let zero = |text: &str| text.parse::<f64>().is_ok_and(|number| number == 0.0);
        let constant = match operator {
            "*" | "&" => zero(a) || zero(b),
            "**" => zero(b),
            "-" | "/" | "//" | "%" | "^" => a == b,
            _ => false,
        };
        !constant && (self.moves(left) || self.moves(right))
    }

    fn comprehended(&self, node: Node<'t>) -> bool {
        let mut inner = self.clone();
        for clause in children(node) {
            if clause.kind() == "for_in_clause" {
                let moves = inner.field(clause, "right");
                if let Some(left) = clause.child_by_field_name("left") {
                    inner.assign(left, None, moves);
                }
            }
        }
        node.child_by_field_name("body")
            .is_some_and(|body| inner.moves(body))
    }
}
