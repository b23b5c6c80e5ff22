//! One file's text to its facts.

use tree_sitter::{Node, Parser, Tree};

use super::{
    ClassFacts, FieldFacts, FileFacts, FunctionFacts, Import, ParameterFacts, TraceError, demands,
    documented, filled,
};

/// Reads a file's text; `file` is only used to name it in an error.
pub fn parse(file: &str, text: &str) -> Result<FileFacts, TraceError> {
    let tree = tree(file, text)?;
    let mut facts = FileFacts::default();
    collect(tree.root_node(), text, &mut facts);
    Ok(facts)
}

/// A file's tree, refused where the text is not valid Python.
pub fn tree(file: &str, text: &str) -> Result<Tree, TraceError> {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_python::LANGUAGE.into())
        .map_err(|error| TraceError::Grammar(error.to_string()))?;
    let tree = parser
        .parse(text, None)
        .ok_or_else(|| TraceError::Grammar("the parser gave no tree".into()))?;
    let root = tree.root_node();
    if root.has_error() {
        return Err(TraceError::Syntax {
            file: file.to_owned(),
            line: first_error(root),
        });
    }
    Ok(tree)
}

/// Statements of a module, also those inside `if` and `try`, where optional dependencies are imported.
fn collect(block: Node, text: &str, facts: &mut FileFacts) {
    let mut cursor = block.walk();
    for node in block.named_children(&mut cursor) {
        match node.kind() {
            "import_from_statement" => import_from(node, text, &mut facts.imports),
            "class_definition" => facts.classes.push(class(node, text)),
            "decorated_definition" => {
                if let Some(inner) = node.child_by_field_name("definition")
                    && inner.kind() == "class_definition"
                {
                    facts.classes.push(class(inner, text));
                }
            }
            "if_statement" | "try_statement" | "else_clause" | "elif_clause" | "except_clause"
            | "finally_clause" | "block" => collect(node, text, facts),
            _ => {}
        }
    }
}

fn import_from(node: Node, text: &str, imports: &mut Vec<Import>) {
    let Some(module) = node.child_by_field_name("module_name") else {
        return;
    };
    let module = source(module, text);
    let mut cursor = node.walk();
    let names: Vec<Node> = node.children_by_field_name("name", &mut cursor).collect();
    for name in names {
        let (from, local) = match name.kind() {
            "aliased_import" => (
                field_text(name, "name", text),
                field_text(name, "alias", text),
            ),
            _ => (Some(source(name, text)), Some(source(name, text))),
        };
        if let (Some(name), Some(local)) = (from, local) {
            imports.push(Import {
                local,
                name,
                module: module.clone(),
            });
        }
    }
    let mut cursor = node.walk();
    if node
        .named_children(&mut cursor)
        .any(|child| child.kind() == "wildcard_import")
    {
        imports.push(Import {
            local: "*".into(),
            name: "*".into(),
            module,
        });
    }
}

fn class(node: Node, text: &str) -> ClassFacts {
    let mut facts = ClassFacts {
        name: field_text(node, "name", text).unwrap_or_default(),
        line: line(node),
        end_line: end_line(node),
        ..ClassFacts::default()
    };
    if let Some(bases) = node.child_by_field_name("superclasses") {
        let mut cursor = bases.walk();
        facts.bases = bases
            .named_children(&mut cursor)
            .filter(|base| !matches!(base.kind(), "keyword_argument" | "comment"))
            .map(|base| source(base, text))
            .collect();
    }
    let Some(body) = node.child_by_field_name("body") else {
        return facts;
    };
    let mut cursor = body.walk();
    for statement in body.named_children(&mut cursor) {
        match statement.kind() {
            "expression_statement" => {
                if let Some(assignment) = statement.named_child(0)
                    && assignment.kind() == "assignment"
                {
                    facts.fields.extend(field(assignment, text));
                }
            }
            "function_definition" => {
                facts.methods.push(function(statement, text));
                demands::collect(statement, text, &mut facts.demands);
                filled::collect(statement, text, &mut facts.filled);
            }
            "decorated_definition" => {
                if let Some(inner) = statement.child_by_field_name("definition")
                    && inner.kind() == "function_definition"
                {
                    facts.methods.push(function(inner, text));
                }
            }
            _ => {}
        }
    }
    if let Some(doc) = docstring(node, text) {
        let mut declared = facts.fields.iter().filter(|it| it.annotation.is_some());
        let first = declared.next().map(|field| field.name.as_str());
        let made = documented::instance(doc, &facts.name);
        for field in &facts.fields {
            let unset = field.default.as_deref() == Some("None");
            let annotation = field.annotation.as_deref().unwrap_or_default();
            let value = if annotation.starts_with("str") {
                let made = made.clone().filter(|_| first == Some(&field.name));
                documented::example(doc, &field.name).or(made)
            } else {
                documented::list_default(doc, &field.name)
            };
            if let Some(value) = value.filter(|_| unset) {
                facts.filled.entry(field.name.clone()).or_insert(value);
            }
        }
    }
    facts
}

fn field(assignment: Node, text: &str) -> Option<FieldFacts> {
    let left = assignment.child_by_field_name("left")?;
    (left.kind() == "identifier").then(|| FieldFacts {
        name: source(left, text),
        annotation: field_text(assignment, "type", text),
        default: field_text(assignment, "right", text),
        line: line(assignment),
    })
}

fn function(node: Node, text: &str) -> FunctionFacts {
    let mut parameters = Vec::new();
    if let Some(list) = node.child_by_field_name("parameters") {
        let mut cursor = list.walk();
        for child in list.named_children(&mut cursor) {
            parameters.extend(parameter(child, text));
        }
    }
    if let Some(doc) = docstring(node, text) {
        for parameter in &mut parameters {
            parameter.shape = documented::shape(doc, &parameter.name);
        }
    }
    FunctionFacts {
        name: field_text(node, "name", text).unwrap_or_default(),
        line: line(node),
        end_line: end_line(node),
        parameters,
        returns: field_text(node, "return_type", text),
    }
}

fn parameter(node: Node, text: &str) -> Option<ParameterFacts> {
    let (name, annotation, default) = match node.kind() {
        "identifier" => (source(node, text), None, None),
        "default_parameter" => (
            field_text(node, "name", text)?,
            None,
            field_text(node, "value", text),
        ),
        "typed_default_parameter" => (
            field_text(node, "name", text)?,
            field_text(node, "type", text),
            field_text(node, "value", text),
        ),
        "typed_parameter" => {
            let inner = node.named_child(0)?;
            if inner.kind() != "identifier" {
                return None;
            }
            (source(inner, text), field_text(node, "type", text), None)
        }
        _ => return None,
    };
    (name != "self" && name != "cls").then(|| ParameterFacts {
        name,
        annotation,
        default,
        shape: None,
        line: line(node),
    })
}

fn docstring<'a>(definition: Node, text: &'a str) -> Option<&'a str> {
    let statement = definition.child_by_field_name("body")?.named_child(0)?;
    let string = statement
        .named_child(0)
        .filter(|node| node.kind() == "string")?;
    text.get(string.byte_range())
}

pub fn field_text(node: Node, field: &str, text: &str) -> Option<String> {
    node.child_by_field_name(field)
        .map(|node| source(node, text))
}

/// The node's text with runs of white space made one space, so that an annotation over several lines reads as one.
pub fn source(node: Node, text: &str) -> String {
    text.get(node.byte_range())
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

pub fn line(node: Node) -> u32 {
    to_line(node.start_position().row)
}

pub fn end_line(node: Node) -> u32 {
    to_line(node.end_position().row)
}

fn to_line(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX - 1) + 1
}

/// The line of the first error in document order.
fn first_error(root: Node) -> u32 {
    let mut node = root;
    loop {
        if node.is_error() || node.is_missing() {
            return line(node);
        }
        let mut cursor = node.walk();
        let Some(next) = node
            .children(&mut cursor)
            .find(|child| child.has_error() || child.is_missing())
        else {
            return line(node);
        };
        node = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
from huggingface_hub.dataclasses import strict
from ...configuration_utils import PreTrainedConfig as Base


@strict
class SmallConfig(Base, metaclass=Meta):
    r"""A docstring."""

    model_type = "small"
    hidden_size: int = 768
    layer_types: list[str] | None = None

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        *,
        scale,
        **kwargs: int,
    ) -> tuple | SmallOutput:
        return None
"#;

    #[test]
    fn fields_are_read_with_annotation_default_and_line() {
        let facts = parse("small.py", CONFIG).unwrap();
        let class = facts.class("SmallConfig").unwrap();
        assert_eq!(class.bases, ["Base"]);
        let field = class.field("hidden_size").unwrap();
        assert_eq!(field.annotation.as_deref(), Some("int"));
        assert_eq!(field.default.as_deref(), Some("768"));
        assert_eq!(field.line, 11);
        assert_eq!(class.field("model_type").unwrap().annotation, None);
    }

    #[test]
    fn parameters_are_read_without_self_and_kwargs() {
        let facts = parse("small.py", CONFIG).unwrap();
        let forward = facts
            .class("SmallConfig")
            .unwrap()
            .method("forward")
            .unwrap();
        let names: Vec<&str> = forward.parameters.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["input_ids", "scale"]);
        assert_eq!(forward.returns.as_deref(), Some("tuple | SmallOutput"));
    }

    #[test]
    fn imports_keep_their_dots_and_alias() {
        let facts = parse("small.py", CONFIG).unwrap();
        let import = facts.imports.iter().find(|i| i.local == "Base").unwrap();
        assert_eq!(
            (import.module.as_str(), import.name.as_str()),
            ("...configuration_utils", "PreTrainedConfig")
        );
    }

    #[test]
    fn a_syntax_error_names_file_and_line() {
        let error = parse("broken.py", "x = 1\nclass (:\n").unwrap_err();
        assert!(error.to_string().starts_with("broken.py:2"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_but_never_a_crash(text in "\\PC*") {
            let _ = parse("any.py", &text);
        }

        #[test]
        fn any_python_like_text_is_parsed_or_refused(text in "(class |def |[a-z]{1,4}|[:=()\\[\\],\\n \"'*]){0,60}") {
            let _ = parse("any.py", &text);
        }
    }
}
