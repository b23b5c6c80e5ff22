//! Which class of a type to port.

use portwright_core::{
    Family, ModelType,
    card::{InterfaceCard, ModelClass},
};

use super::{ProposeError, ProposeOptions, tree};

/// The class that the options name, or the one that shows most of what the type does.
pub fn choose<'a>(
    card: &'a InterfaceCard,
    options: &ProposeOptions,
) -> Result<&'a ModelClass, ProposeError> {
    if let Some(name) = &options.class {
        return card.class(name).ok_or_else(|| ProposeError::NoClass {
            name: name.clone(),
            known: names(card),
        });
    }
    if let Some(task) = &options.task {
        return card
            .classes
            .iter()
            .find(|class| &class.task == task)
            .ok_or_else(|| ProposeError::NoTask {
                task: task.clone(),
                known: tasks(card),
            });
    }
    let wanted: &[&str] = match card.family {
        Family::DecoderOnly => &["causal-lm", "base"],
        Family::EncoderDecoder => &["seq2seq-lm", "base"],
        _ => &["base"],
    };
    wanted
        .iter()
        .find_map(|task| card.classes.iter().find(|class| class.task == *task))
        .or_else(|| card.classes.first())
        .ok_or_else(|| ProposeError::NoClass {
            name: String::new(),
            known: String::new(),
        })
}

/// The model types from which the chosen class is put together, where it has no `forward` of its own.
pub fn components(card: &InterfaceCard, options: &ProposeOptions) -> Vec<ModelType> {
    let chosen = choose(card, options);
    chosen.map_or_else(|_| Vec::new(), |class| composed(card, class))
}

/// Those of the configurations that a class without a `forward` nests which are a type's own.
pub(super) fn composed(card: &InterfaceCard, class: &ModelClass) -> Vec<ModelType> {
    if !class.lacks_forward() {
        return Vec::new();
    }
    let mut types = Vec::new();
    for node in tree::nodes(card) {
        let nested = !node.path.is_empty() && !node.path.contains('.');
        if let Some(name) = node.model_type.filter(|name| nested && !name.is_empty()) {
            let component = ModelType::new(name);
            if !types.contains(&component) {
                types.push(component);
            }
        }
    }
    types
}

/// The module of the configuration class, where that of the model class does not import it: weights can be made for the
/// class of an older type, which knows nothing of the newer configuration, and a part may only ever be given its own.
pub fn foreign_config(card: &InterfaceCard, class: &ModelClass) -> Option<String> {
    let module = &card.config_class.module;
    let (package, _) = module.rsplit_once('.')?;
    let (own, _) = class.module.rsplit_once('.')?;
    (package != own || class.ignores_config).then(|| module.clone())
}

fn names(card: &InterfaceCard) -> String {
    let names: Vec<&str> = card.classes.iter().map(|c| c.name.as_str()).collect();
    names.join(", ")
}

fn tasks(card: &InterfaceCard) -> String {
    let mut tasks: Vec<&str> = Vec::new();
    for class in &card.classes {
        if !tasks.contains(&class.task.as_str()) {
            tasks.push(&class.task);
        }
    }
    tasks.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::propose, *};

    fn card(class: &serde_json::Value, nested: &serde_json::Value) -> InterfaceCard {
        let source = json!({ "file": "any.py", "line": 1 });
        let mut own = json!({
            "name": "AnyModel", "module": "library.old.modeling_old", "task": "base", "source": source,
            "main_input": "x", "inputs": [],
        });
        for (key, value) in class.as_object().unwrap() {
            own[key] = value.clone();
        }
        serde_json::from_value(json!({
            "schema": 1, "model_type": "new", "library_version": "5.20.2", "family": "vision",
            "config_class": { "name": "NewConfig", "module": "library.new.configuration_new", "source": source },
            "config_fields": [], "attribute_map": {}, "sub_configs": nested, "modalities": [], "classes": [own],
        }))
        .unwrap()
    }

    #[test]
    fn a_configuration_that_the_model_does_not_import_says_where_it_is_defined() {
        let mut card = card(&json!({}), &json!({}));
        let module = foreign_config(&card, &card.classes[0]);
        assert_eq!(module.as_deref(), Some("library.new.configuration_new"));
        card.config_class.module = "library.old.configuration_old".into();
        assert_eq!(foreign_config(&card, &card.classes[0]), None);
        card.classes[0].ignores_config = true;
        assert!(foreign_config(&card, &card.classes[0]).is_some());
    }

    /// Two nested configurations, one of which nests a third.
    fn nested() -> serde_json::Value {
        let nested = |model_type: &str| {
            json!({
                "class": "AnyConfig", "attribute_map": {},
                "fields": [{ "name": "model_type", "default": model_type }],
            })
        };
        json!({ "coarse": nested("coarse"), "fine": nested("fine"), "fine.head": nested("head") })
    }

    #[test]
    fn a_class_without_a_forward_is_put_together_from_its_own_configurations() {
        let card = card(&json!({}), &nested());
        let options = ProposeOptions::default();
        assert_eq!(
            components(&card, &options),
            ["coarse", "fine"].map(ModelType::new)
        );
        let error = propose(&card, &options).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`AnyModel` has no `forward`: it is put together from `coarse`, `fine`, which run by themselves"
        );
        assert!(error.hint().contains("`portwright run coarse`"));
    }

    #[test]
    fn the_methods_of_a_class_without_a_forward_are_called() {
        let pixels = json!({
            "name": "pixel_values", "required": true, "source": { "file": "any.py", "line": 1 },
        });
        let method = json!({ "name": "encode", "parameters": ["pixel_values"] });
        let mut card = card(
            &json!({ "inputs": [pixels], "methods": [method] }),
            &nested(),
        );
        let plan = propose(&card, &ProposeOptions::default()).unwrap();
        assert_eq!(plan.methods, card.classes[0].methods);
        assert_eq!(plan.inputs[0].name, "pixel_values");
        assert!(!components(&card, &ProposeOptions::default()).is_empty());
        // With a `forward` of its own a model exercises what it nests itself.
        card.classes[0].methods.clear();
        assert!(components(&card, &ProposeOptions::default()).is_empty());
    }
}
