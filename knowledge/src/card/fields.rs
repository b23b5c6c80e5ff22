//! Configuration fields, of the type itself and of every nested configuration.

use std::collections::BTreeMap;

use portwright_core::{
    card::{ConfigField, SourceSpan, SubConfig},
    job::Introspection,
};
use serde_json::{Map, Value};

use crate::tracing::{FieldFacts, Located, Sources, TraceError};

/// How deep configurations nest; the library's deepest is three.
const DEPTH: usize = 4;

/// The fields in the order of their definition, those that only introspection shows last. One that is declared under its
/// common name, and kept under the name that the map gives it, has the latter, by which it is set.
pub fn fields(
    defaults: &Map<String, Value>,
    lineage: &[Located],
    attribute_map: &BTreeMap<String, String>,
    sources: &Sources,
) -> Vec<ConfigField> {
    let mut fields: Vec<ConfigField> = Vec::new();
    for located in lineage {
        for field in declared(located) {
            let own = attribute_map.get(&field.name);
            let name = match own.filter(|own| defaults.contains_key(own.as_str())) {
                Some(own) if !defaults.contains_key(&field.name) => own,
                _ => &field.name,
            };
            if fields.iter().any(|known| known.name == *name) {
                continue;
            }
            if let Some(default) = defaults.get(name) {
                fields.push(ConfigField {
                    name: name.clone(),
                    default: default.clone(),
                    annotation: field.annotation.clone(),
                    declared: filled(&field, lineage).or(field.default.clone()),
                    inherited: false,
                    source: Some(SourceSpan {
                        file: sources.shown(&located.path),
                        line: field.line,
                    }),
                });
            }
        }
    }
    for (name, default) in defaults {
        if !fields.iter().any(|known| &known.name == name) {
            fields.push(ConfigField {
                name: name.clone(),
                default: default.clone(),
                annotation: None,
                declared: None,
                inherited: false,
                source: None,
            });
        }
    }
    fields
}

/// The constant that a class of the lineage, the nearest first, gives the field where it is declared as nothing.
fn filled(field: &FieldFacts, lineage: &[Located]) -> Option<String> {
    let nothing = field.default.as_deref() == Some("None");
    let mut classes = lineage.iter().filter(|_| nothing);
    classes.find_map(|located| located.class().filled.get(&field.name).cloned())
}

/// Annotated names of the body, or for a class that writes its own `__init__` the parameters of that.
fn declared(located: &Located) -> Vec<FieldFacts> {
    let class = located.class();
    let mut fields: Vec<FieldFacts> = class
        .fields
        .iter()
        .filter(|field| {
            field
                .annotation
                .as_deref()
                .is_some_and(|annotation| !annotation.starts_with("ClassVar"))
        })
        .cloned()
        .collect();
    if let Some(init) = class.method("__init__") {
        fields.extend(init.parameters.iter().map(|parameter| FieldFacts {
            name: parameter.name.clone(),
            annotation: parameter.annotation.clone(),
            default: parameter.default.clone(),
            line: parameter.line,
        }));
    }
    fields
}

/// Nested configurations by their dotted path, e.g. `thinker_config.text_config`.
pub fn sub_configs(
    seen: &Introspection,
    sources: &Sources,
) -> Result<BTreeMap<String, SubConfig>, TraceError> {
    let mut found = BTreeMap::new();
    for (name, value) in &seen.defaults {
        let known = seen.sub_configs.get(name);
        let nested = value.as_object().or(known.map(|known| &known.defaults));
        let Some(nested) =
            nested.filter(|nested| known.is_some() || nested.contains_key("model_type"))
        else {
            continue;
        };
        let class = known.map_or("AutoConfig", |known| known.class.as_str());
        let attribute_map = known.map(|known| known.attribute_map.clone());
        nest(
            name,
            class,
            nested,
            attribute_map,
            sources,
            DEPTH,
            &mut found,
        )?;
    }
    for path in &seen.inherited {
        let Some((nested, name)) = path.rsplit_once('.') else {
            continue;
        };
        let fields = found.get_mut(nested).map(|config| &mut config.fields);
        for field in fields.into_iter().flatten() {
            field.inherited |= field.name == name;
        }
    }
    Ok(found)
}

fn nest(
    path: &str,
    class: &str,
    defaults: &Map<String, Value>,
    attribute_map: Option<BTreeMap<String, String>>,
    sources: &Sources,
    depth: usize,
    found: &mut BTreeMap<String, SubConfig>,
) -> Result<(), TraceError> {
    let model_type = defaults.get("model_type").and_then(Value::as_str);
    let model_type = model_type.filter(|name| !name.is_empty());
    let located = sources.find_config(class, model_type)?;
    let (class, lineage) = match located {
        Some(located) => {
            let name = located.class().name.clone();
            let lineage = sources.lineage(&located.path, &name)?;
            (name, lineage)
        }
        None => (class.to_owned(), Vec::new()),
    };
    let attribute_map = attribute_map
        .filter(|map| !map.is_empty())
        .unwrap_or_else(|| written_map(&lineage));
    found.insert(
        path.to_owned(),
        SubConfig {
            class,
            fields: fields(defaults, &lineage, &attribute_map, sources),
            attribute_map,
        },
    );
    if depth == 0 {
        return Ok(());
    }
    for (name, value) in defaults {
        if let Some(nested) = value.as_object().filter(|n| n.contains_key("model_type")) {
            let path = format!("{path}.{name}");
            nest(&path, "AutoConfig", nested, None, sources, depth - 1, found)?;
        }
    }
    Ok(())
}

/// The attribute map as the class body writes it; it is a literal of strings, which JSON reads too.
fn written_map(lineage: &[Located]) -> BTreeMap<String, String> {
    lineage
        .iter()
        .find_map(|located| located.class().field("attribute_map"))
        .and_then(|field| field.default.as_deref())
        .map(|text| text.replace(", }", " }").replace('\'', "\""))
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}
