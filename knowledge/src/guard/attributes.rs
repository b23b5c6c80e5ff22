//! Attributes: operations on tensors, and what the original's module uses of itself. Nothing that leads to frames, to the
//! interpreter, to files, or to the state of a module.

use tree_sitter::Node;

use super::{
    Checked, Refusal,
    allowed::{LIBRARIES, is_allowed},
    original::Original,
    tree::{all, line, literal, text},
};

/// Attributes without a leading underscore that lead out of the graph: to the interpreter, to modules of the process, to
/// raw memory, to files, and to settings and hooks of a module.
const DENIED: [&str; 54] = [
    "add_module",
    "apply",
    "backward",
    "builtins",
    "co_code",
    "cr_frame",
    "ctypes",
    "data",
    "data_ptr",
    "eval",
    "f_back",
    "f_builtins",
    "f_code",
    "f_globals",
    "f_locals",
    "forward_hooks",
    "format",
    "format_map",
    "from_pretrained",
    "func_globals",
    "gc",
    "get_submodule",
    "gi_frame",
    "hub",
    "importlib",
    "init_weights",
    "inspect",
    "load",
    "load_adapter",
    "load_state_dict",
    "mro",
    "numpy",
    "open",
    "os",
    "push_to_hub",
    "register_backward_hook",
    "register_buffer",
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_hook",
    "register_module",
    "register_parameter",
    "requires_grad_",
    "save",
    "save_pretrained",
    "set_",
    "set_attn_implementation",
    "set_submodule",
    "share_memory_",
    "storage",
    "subprocess",
    "sys",
    "train",
    "untyped_storage",
];

/// Underscored attributes of torch's own machinery, whoever else uses them.
const MACHINERY: [&str; 8] = [
    "_backward_hooks",
    "_buffers",
    "_C",
    "_forward_hooks",
    "_forward_pre_hooks",
    "_modules",
    "_parameters",
    "_state_dict_hooks",
];

pub(super) fn check(function: Node<'_>, source: &str, original: &Original) -> Checked<()> {
    for node in all(function) {
        match node.kind() {
            "attribute" => attribute(node, source, original)?,
            "identifier" => identifier(node, source, original)?,
            _ => {}
        }
    }
    Ok(())
}

fn attribute(node: Node<'_>, source: &str, original: &Original) -> Checked<()> {
    let Some(name) = node.child_by_field_name("attribute") else {
        return Ok(());
    };
    let object = node.child_by_field_name("object");
    if object.is_some_and(|object| library(object, source).is_some()) {
        // The whole path is asked about where it begins.
        return Ok(());
    }
    named(text(name, source), line(name), original)
}

fn named(name: &str, line: u32, original: &Original) -> Checked<()> {
    let refused = name.starts_with("__")
        || DENIED.contains(&name)
        || MACHINERY.contains(&name)
        || (name.starts_with('_') && !original.attributes.contains(name));
    if refused {
        let attribute = name.to_owned();
        return Err((line, Refusal::Attribute { attribute }));
    }
    Ok(())
}

/// The library's name at the bottom of a path of attributes such as `torch.nn.functional`.
fn library<'t>(mut node: Node<'_>, source: &'t str) -> Option<&'t str> {
    while node.kind() == "attribute" {
        node = node.child_by_field_name("object")?;
    }
    let name = text(node, source);
    let known = node.kind() == "identifier" && LIBRARIES.iter().any(|(known, _)| *known == name);
    known.then_some(name)
}

fn identifier(node: Node<'_>, source: &str, original: &Original) -> Checked<()> {
    let name = text(node, source);
    let Some(parent) = node.parent() else {
        return Ok(());
    };
    let is_name_of_attribute = parent.child_by_field_name("attribute") == Some(node);
    let is_argument =
        parent.kind() == "keyword_argument" && parent.child_by_field_name("name") == Some(node);
    let is_import = ["dotted_name", "aliased_import"].contains(&parent.kind());
    if is_name_of_attribute || is_argument || is_import {
        return Ok(());
    }
    if LIBRARIES.iter().any(|(known, _)| *known == name) {
        return path(node, name, source);
    }
    if ["getattr", "hasattr"].contains(&name) {
        return looked_up(node, name, source, original);
    }
    Ok(())
}

/// A library is used by a path to one of its operations, and never as a value.
fn path(node: Node<'_>, name: &str, source: &str) -> Checked<()> {
    let mut parts = Vec::new();
    let mut top = node;
    while let Some(parent) = top.parent() {
        let next = parent.child_by_field_name("attribute");
        match next {
            Some(next) if parent.child_by_field_name("object") == Some(top) => {
                parts.push(text(next, source));
                top = parent;
            }
            _ => break,
        }
    }
    if is_allowed(name, &parts) {
        return Ok(());
    }
    let mut attribute = name.to_owned();
    for part in parts {
        attribute.push('.');
        attribute.push_str(part);
    }
    Err((line(node), Refusal::Attribute { attribute }))
}

/// `getattr(x, "name")` is an attribute like any other; with a computed name it could be all of them.
fn looked_up(node: Node<'_>, name: &str, source: &str, original: &Original) -> Checked<()> {
    let call = node
        .parent()
        .filter(|parent| parent.kind() == "call")
        .filter(|call| call.child_by_field_name("function") == Some(node));
    let asked = call
        .and_then(|call| call.child_by_field_name("arguments"))
        .and_then(|arguments| arguments.named_child(1))
        .and_then(|argument| literal(argument, source));
    match asked {
        Some(asked) => named(asked, line(node), original),
        None => {
            let attribute = format!("{name}(…) of a computed name");
            Err((line(node), Refusal::Attribute { attribute }))
        }
    }
}
