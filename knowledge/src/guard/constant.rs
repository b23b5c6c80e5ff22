//! What a patch returns depends on its parameters: a constant in the place of a computed output is refused.
//!
//! A value *moves* when a parameter's value flows into it, and is *sized* when only a parameter's shape does; a tensor
//! that is created from sizes alone is neither. The flow is followed through assignments, writes into tensors, branches
//! and loops; where branches disagree, the lesser holds afterwards. It cannot see every disguise of a constant; whether the
//! numbers are right is the judge's to say.

use std::collections::BTreeMap;

use tree_sitter::Node;

use super::{
    Checked, Refusal,
    original::{Original, gives},
    tree::{children, line, root, text},
};

/// Attributes and methods that describe a tensor without its values.
const DESCRIBES: &[&str] = &[
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
    "stride",
];

/// Operations whose result is made from sizes alone, or is the same for all values.
const CREATES: &[&str] = &[
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
    "tensor",
    "zeros",
    "zeros_like",
];

/// Builtins of which the same is true.
const DESCRIBE_CALLS: [&str; 3] = ["hasattr", "isinstance", "len"];

/// How a value depends on the parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Not at all.
    #[default]
    Fixed,
    /// On their shapes, types or devices alone.
    Sized,
    /// On their values.
    Moving,
}

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
    // Where the original itself computes from shapes alone, more cannot be asked.
    let least = original.level.max(Level::Sized);
    let names = original.parameters.iter().map(|(name, _)| name.as_str());
    let returns = returns(function, source, names);
    match returns.into_iter().find(|(_, level)| *level < least) {
        Some((node, _)) => refused(node, "it returns what is the same for all values"),
        None => Ok(()),
    }
}

/// Every `return` of a function, and how what it returns depends on the parameters.
pub(super) fn returns<'t, 'n>(
    function: Node<'t>,
    source: &'t str,
    parameters: impl Iterator<Item = &'n str>,
) -> Vec<(Node<'t>, Level)> {
    let mut levels: BTreeMap<String, Level> = parameters
        .map(|name| name.trim_start_matches('*'))
        .filter(|name| !["", "/", "self", "cls"].contains(name))
        .map(|name| (name.to_owned(), Level::Moving))
        .collect();
    if levels.is_empty() {
        // A method without other parameters computes from what its module holds.
        levels.insert("self".to_owned(), Level::Moving);
    }
    let mut flow = Flow {
        source,
        levels,
        returns: Vec::new(),
    };
    if let Some(body) = function.child_by_field_name("body") {
        flow.block(body);
    }
    flow.returns
}

/// How the variables depend on the parameters, at one place of the function; one that is absent is fixed.
#[derive(Clone)]
struct Flow<'t> {
    source: &'t str,
    levels: BTreeMap<String, Level>,
    returns: Vec<(Node<'t>, Level)>,
}

impl<'t> Flow<'t> {
    /// Follows the statements of a block; answers whether the end of it can be reached.
    fn block(&mut self, block: Node<'t>) -> bool {
        children(block).into_iter().all(|node| self.statement(node))
    }

    fn statement(&mut self, node: Node<'t>) -> bool {
        match node.kind() {
            "return_statement" => {
                let level = self.returned(node.named_child(0));
                self.returns.push((node, level));
                false
            }
            "raise_statement" => false,
            "expression_statement" => {
                for inner in children(node) {
                    self.expression(inner);
                }
                true
            }
            "if_statement" => self.branches(node),
            "for_statement" => {
                let level = self.field(node, "right");
                // Twice: what the first turn moved may move more in the second.
                for _ in 0..2 {
                    if let Some(left) = node.child_by_field_name("left") {
                        self.assign(left, None, level);
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

    /// Follows each branch from the same beginning; afterwards the least of all that go on holds.
    fn branches(&mut self, node: Node<'t>) -> bool {
        let begin = self.levels.clone();
        let mut ends: Vec<BTreeMap<String, Level>> = Vec::new();
        let mut has_else = false;
        let mut blocks: Vec<Node<'t>> = Vec::new();
        blocks.extend(node.child_by_field_name("consequence"));
        for child in children(node) {
            let name = match child.kind() {
                "elif_clause" => "consequence",
                "else_clause" => "body",
                _ => continue,
            };
            has_else |= child.kind() == "else_clause";
            blocks.extend(child.child_by_field_name(name));
        }
        for block in blocks {
            self.levels = begin.clone();
            if self.block(block) {
                ends.push(std::mem::take(&mut self.levels));
            }
        }
        if !has_else {
            ends.push(begin);
        }
        let Some(first) = ends.pop() else {
            return false;
        };
        self.levels = first
            .into_iter()
            .map(|(name, level)| {
                let others = ends
                    .iter()
                    .map(|end| end.get(&name).copied().unwrap_or_default());
                let least = others.fold(level, Level::min);
                (name, least)
            })
            .collect();
        true
    }

    /// An expression that stands as a statement: an assignment, or a call that writes into what it is called on.
    fn expression(&mut self, node: Node<'t>) {
        match node.kind() {
            "assignment" => {
                self.assigned(node);
            }
            "augmented_assignment" => {
                let level = self.field(node, "right");
                if let Some(left) = node.child_by_field_name("left") {
                    self.raise(left, level);
                }
            }
            "call" => {
                let Some(function) = node.child_by_field_name("function") else {
                    return;
                };
                let Some(owner) = function.child_by_field_name("object") else {
                    return;
                };
                let level = self.field(node, "arguments");
                if level == Level::Fixed && ["fill_", "zero_"].contains(&self.name_of(function)) {
                    self.assign(owner, None, level);
                } else {
                    self.raise(owner, level);
                }
            }
            _ => {}
        }
    }

    /// What is written into a variable moves it at least as much as before.
    fn raise(&mut self, place: Node<'t>, level: Level) {
        if let Some(name) = root(place, self.source) {
            let known = self.levels.entry(name.to_owned()).or_default();
            *known = level.max(*known);
        }
    }

    /// Follows an assignment, of several in one line too; answers how the value depends on the parameters.
    fn assigned(&mut self, node: Node<'t>) -> Level {
        let Some(right) = node.child_by_field_name("right") else {
            return Level::Fixed;
        };
        let level = if right.kind() == "assignment" {
            self.assigned(right)
        } else {
            self.level(right)
        };
        if let Some(left) = node.child_by_field_name("left") {
            self.assign(left, Some(right), level);
        }
        level
    }

    fn assign(&mut self, left: Node<'t>, right: Option<Node<'t>>, level: Level) {
        match left.kind() {
            "identifier" => {
                self.levels
                    .insert(text(left, self.source).to_owned(), level);
            }
            "subscript" | "attribute" => self.raise(left, level),
            _ => {
                let targets = children(left);
                let values = right.map(children).filter(|values| {
                    let listed = right
                        .is_some_and(|r| ["expression_list", "tuple", "list"].contains(&r.kind()));
                    listed && values.len() == targets.len()
                });
                // The values are looked at before any name changes its meaning, as Python does.
                let each: Vec<Level> = match &values {
                    Some(values) => values.iter().map(|value| self.level(*value)).collect(),
                    None => vec![level; targets.len()],
                };
                for (target, level) in targets.into_iter().zip(each) {
                    self.assign(target, None, level);
                }
            }
        }
    }

    /// What is returned: of several values the one that depends most, if none but `None` is fixed.
    fn returned(&self, value: Option<Node<'t>>) -> Level {
        let Some(value) = value else {
            return Level::Fixed;
        };
        match value.kind() {
            "expression_list" | "tuple" | "list" => {
                let parts = children(value).into_iter();
                let levels: Vec<Level> = parts
                    .filter(|part| part.kind() != "none")
                    .map(|part| self.returned(Some(part)))
                    .collect();
                if levels.contains(&Level::Fixed) {
                    return Level::Fixed;
                }
                levels.into_iter().max().unwrap_or_default()
            }
            "parenthesized_expression" => self.returned(value.named_child(0)),
            "conditional_expression" => ends(value)
                .map(|part| self.returned(Some(part)))
                .min()
                .unwrap_or_default(),
            _ => self.level(value),
        }
    }

    fn field(&self, node: Node<'t>, name: &str) -> Level {
        node.child_by_field_name(name)
            .map_or(Level::Fixed, |child| self.level(child))
    }

    fn name_of(&self, function: Node<'t>) -> &'t str {
        let name = function.child_by_field_name("attribute");
        text(name.unwrap_or(function), self.source)
    }

    fn most(&self, node: Node<'t>) -> Level {
        let each = children(node).into_iter().map(|child| self.level(child));
        each.max().unwrap_or_default()
    }

    /// How an expression depends on the parameters.
    fn level(&self, node: Node<'t>) -> Level {
        match node.kind() {
            "identifier" => {
                let known = self.levels.get(text(node, self.source));
                known.copied().unwrap_or_default()
            }
            "comment" | "type" | "string" | "integer" | "float" | "none" | "true" | "false" => {
                Level::Fixed
            }
            "attribute" if DESCRIBES.contains(&self.name_of(node)) => {
                self.field(node, "object").min(Level::Sized)
            }
            "attribute" => self.field(node, "object"),
            "keyword_argument" => self.field(node, "value"),
            "call" => self.called(node),
            "binary_operator" => self.operated(node),
            "boolean_operator" => self.field(node, "left").min(self.field(node, "right")),
            "conditional_expression" => ends(node)
                .filter(|part| part.kind() != "none")
                .map(|part| self.level(part))
                .min()
                .unwrap_or_default(),
            "list_comprehension"
            | "set_comprehension"
            | "dictionary_comprehension"
            | "generator_expression" => self.comprehended(node),
            _ => self.most(node),
        }
    }

    fn called(&self, node: Node<'t>) -> Level {
        let Some(function) = node.child_by_field_name("function") else {
            return Level::Fixed;
        };
        let name = self.name_of(function);
        let plain = function.kind() == "identifier";
        let arguments = self.field(node, "arguments");
        if CREATES.contains(&name) {
            Level::Fixed
        } else if plain && DESCRIBE_CALLS.contains(&name) {
            arguments.min(Level::Sized)
        } else if plain {
            arguments
        } else if DESCRIBES.contains(&name) {
            self.level(function).max(arguments).min(Level::Sized)
        } else {
            self.level(function).max(arguments)
        }
    }

    fn operated(&self, node: Node<'t>) -> Level {
        let side = |name: &str| {
            let node = node.child_by_field_name(name)?;
            Some((node, text(node, self.source)))
        };
        let (Some((left, a)), Some((right, b))) = (side("left"), side("right")) else {
            return Level::Fixed;
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
        if constant {
            return Level::Fixed;
        }
        self.level(left).max(self.level(right))
    }

    fn comprehended(&self, node: Node<'t>) -> Level {
        let mut inner = self.clone();
        for clause in children(node) {
            if clause.kind() == "for_in_clause" {
                let level = inner.field(clause, "right");
                if let Some(left) = clause.child_by_field_name("left") {
                    inner.assign(left, None, level);
                }
            }
        }
        inner.field(node, "body")
    }
}

/// The two values of a conditional expression; its condition stands between them.
fn ends(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let parts = children(node);
    [parts.first().copied(), parts.last().copied()]
        .into_iter()
        .flatten()
}
