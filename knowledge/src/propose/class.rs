//! Which class of a type to port.

use portwright_core::{
    Family,
    card::{InterfaceCard, ModelClass},
};

use super::{ProposeError, ProposeOptions};

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

/// The module of the configuration class, where the model class belongs to another type: weights can be made for the
/// class of an older type, whose modelling file does not import the newer configuration.
pub fn foreign_config(card: &InterfaceCard, class: &ModelClass) -> Option<String> {
    let module = &card.config_class.module;
    let (package, _) = module.rsplit_once('.')?;
    let (own, _) = class.module.rsplit_once('.')?;
    (package != own).then(|| module.clone())
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

    use super::*;

    #[test]
    fn a_configuration_of_another_package_says_where_it_is_defined() {
        let source = json!({ "file": "any.py", "line": 1 });
        let class = json!({
            "name": "OldModel", "module": "library.old.modeling_old", "task": "base", "source": source,
            "main_input": "x", "inputs": [],
        });
        let mut card: InterfaceCard = serde_json::from_value(json!({
            "schema": 1, "model_type": "new", "library_version": "5.20.2", "family": "vision",
            "config_class": { "name": "NewConfig", "module": "library.new.configuration_new", "source": source },
            "config_fields": [], "attribute_map": {}, "sub_configs": {}, "modalities": [], "classes": [class],
        }))
        .unwrap();
        let module = foreign_config(&card, &card.classes[0]);
        assert_eq!(module.as_deref(), Some("library.new.configuration_new"));
        card.config_class.module = "library.old.configuration_old".into();
        assert_eq!(foreign_config(&card, &card.classes[0]), None);
    }
}
