//! A type's configuration and its nested configurations as one tree of named fields.

use portwright_core::card::{ConfigField, InterfaceCard};
use serde_json::{Map, Value};

/// One configuration of the tree.
#[derive(Clone, Debug)]
pub struct Node {
    /// The dotted path; empty for the type's own configuration.
    pub path: String,
    /// Its `model_type`, needed to build a nested configuration from a dictionary.
    pub model_type: Option<String>,
    pub fields: Vec<Field>,
}

/// One field that can be set.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    /// The common name, e.g. `hidden_size` for `n_embd`; its own name where it has no other.
    pub common: String,
    pub default: Value,
    /// The class computes the default from other fields, so leaving it alone keeps it right.
    pub computed: bool,
    /// The parent's default differs from the class's own and must be said again when the nested configuration is
    /// built from a dictionary.
    pub inherited: bool,
}

impl Node {
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields
            .iter()
            .find(|field| field.name == name)
            .or_else(|| self.fields.iter().find(|field| field.common == name))
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.default.as_u64()
    }
}

/// The tree, the type's own configuration first.
pub fn nodes(card: &InterfaceCard) -> Vec<Node> {
    let nested = |path: &str| card.sub_configs.contains_key(path);
    let mut nodes = vec![of_config(
        "",
        &card.config_fields,
        &card.attribute_map,
        &nested,
    )];
    for (path, config) in &card.sub_configs {
        nodes.push(of_config(
            path,
            &config.fields,
            &config.attribute_map,
            &nested,
        ));
    }
    nodes
}

fn of_config(
    path: &str,
    fields: &[ConfigField],
    attribute_map: &std::collections::BTreeMap<String, String>,
    nested: &dyn Fn(&str) -> bool,
) -> Node {
    // A card without any traced source (a folder's config built at run time) still has to be shrunk.
    let traced = fields.iter().any(|field| field.source.is_some());
    let model_type = fields
        .iter()
        .find(|field| field.name == "model_type")
        .and_then(|field| field.default.as_str())
        .map(str::to_owned);
    let fields = fields
        .iter()
        .filter(|field| field.source.is_some() || !traced || is_undeclared_choice(field))
        .filter(|field| !nested(&join(path, &field.name)))
        .map(|field| Field {
            name: field.name.clone(),
            common: attribute_map
                .iter()
                .find(|(_, own)| **own == field.name)
                .map_or_else(|| field.name.clone(), |(common, _)| common.clone()),
            computed: computed(path, field),
            inherited: !path.is_empty() && is_inherited(field),
            default: field.default.clone(),
        })
        .collect();
    Node {
        path: path.to_owned(),
        model_type,
        fields,
    }
}

/// Whether the class computes a field: it declares none, or something else than what its own instance holds. The value
/// of a nested configuration may also be its parent's choice, unless it is of another kind.
fn computed(path: &str, field: &ConfigField) -> bool {
    let Some(declared) = field.declared.as_deref() else {
        return false;
    };
    if declared == "None" {
        return !field.default.is_null();
    }
    literal(declared).is_some_and(|own| {
        !same(&own, &field.default)
            && (path.is_empty() || (own.is_string() && !field.default.is_string()))
    })
}

/// Whether the parent chose the value and must say it again. What the class computes stays out: it would contradict
/// the small sizes that it is computed from.
fn is_inherited(field: &ConfigField) -> bool {
    let declared = field.declared.as_deref();
    (field.inherited && declared != Some("None"))
        || declared
            .and_then(literal)
            .is_some_and(|own| !same(&own, &field.default))
}

/// The layers that a backbone hands on, and switches that the parent adds, are settable though no class body declares
/// them; their names and values say the same.
fn is_undeclared_choice(field: &ConfigField) -> bool {
    field.inherited && (field.name == "out_indices" || field.default.is_boolean())
}

/// Says again what the parents of nested configurations chose, wherever a nested table would lose it.
pub fn restate(nodes: &[Node], config: &mut Map<String, Value>) {
    for node in nodes.iter().filter(|node| !node.path.is_empty()) {
        if !get(config, &node.path).is_some_and(Value::is_object) {
            continue;
        }
        // A plan has no word for nothing: with one in it, it could not even be named, and would never be tried.
        let said = |field: &&Field| field.inherited && !field.default.is_null();
        for field in node.fields.iter().filter(said) {
            let path = join(&node.path, &field.name);
            if get(config, &path).is_none() {
                put(config, &path, field.default.clone());
            }
        }
    }
}

/// The path of a name below a path.
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// A simple Python literal; `None` for anything that is computed.
fn literal(text: &str) -> Option<Value> {
    match text {
        "True" => Some(Value::Bool(true)),
        "False" => Some(Value::Bool(false)),
        "None" => None,
        _ => {
            let quoted =
                text.len() >= 2 && text.starts_with(['"', '\'']) && text.ends_with(['"', '\'']);
            if quoted {
                let inner = &text[1..text.len() - 1];
                return (!inner.contains(['\\', '"', '\''])).then(|| Value::from(inner));
            }
            serde_json::from_str::<serde_json::Number>(&text.replace('_', ""))
                .ok()
                .map(Value::Number)
        }
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// Puts a value at a dotted path, making the dictionaries on the way. TOML, the plan's form, has no word for nothing, so
/// tables are put without their empty entries.
pub fn put(config: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            config.insert(path.to_owned(), said(value));
        }
        Some((head, rest)) => {
            let inner = config
                .entry(head)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// A table without its empty entries; anything else as it is.
fn said(value: Value) -> Value {
    match value {
        Value::Object(table) => {
            let filled = table.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(filled.map(|(name, value)| (name, said(value))).collect())
        }
        other => other,
    }
}

/// The value at a dotted path.
pub fn get<'a>(config: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => config.get(path),
        Some((head, rest)) => get(config.get(head)?.as_object()?, rest),
    }
}

/// Takes the value at a dotted path away.
pub fn take(config: &mut Map<String, Value>, path: &str) -> Option<Value> {
    match path.split_once('.') {
        None => config.shift_remove(path),
        Some((head, rest)) => take(config.get_mut(head)?.as_object_mut()?, rest),
    }
}

/// A configuration of tests, with these fields as they are by default.
#[cfg(test)]
pub(crate) fn node(path: &str, fields: &[(&str, Value)]) -> Node {
    let field = |(name, default): &(&str, Value)| Field {
        name: (*name).into(),
        common: (*name).into(),
        default: default.clone(),
        computed: false,
        inherited: false,
    };
    Node {
        path: path.into(),
        model_type: (!path.is_empty()).then(|| "inner".into()),
        fields: fields.iter().map(field).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_are_read_and_expressions_are_not() {
        assert_eq!(literal("768"), Some(json!(768)));
        assert_eq!(literal("1e-5"), Some(json!(1e-5)));
        assert_eq!(literal("\"gelu\""), Some(json!("gelu")));
        assert_eq!(literal("None"), None);
        assert_eq!(literal("field(default=3)"), None);
    }

    #[test]
    fn what_the_parent_chose_is_said_again_unless_it_is_nothing() {
        let field = |name: &str, default: Value| Field {
            name: name.into(),
            common: name.into(),
            default,
            computed: false,
            inherited: true,
        };
        let nodes = [Node {
            path: "inner".into(),
            model_type: None,
            fields: vec![field("window", Value::Null), field("scale", json!(2))],
        }];
        let mut config = Map::new();
        put(&mut config, "inner.width", json!(64));
        restate(&nodes, &mut config);
        assert_eq!(
            Value::Object(config),
            json!({"inner": {"width": 64, "scale": 2}})
        );
    }

    #[test]
    fn a_dotted_path_reaches_into_nested_dictionaries() {
        let mut config = Map::new();
        put(&mut config, "text_config.hidden_size", json!(64));
        put(&mut config, "depth", json!(2));
        put(
            &mut config,
            "rotary",
            json!({"kind": "plain", "factor": null}),
        );
        assert_eq!(get(&config, "rotary"), Some(&json!({"kind": "plain"})));
        assert_eq!(get(&config, "text_config.hidden_size"), Some(&json!(64)));
        assert_eq!(
            take(&mut config, "text_config.hidden_size"),
            Some(json!(64))
        );
        assert_eq!(get(&config, "text_config.hidden_size"), None);
    }
}
