//! The class that a skillset instantiates: the library's, or what gives that one a `forward` of tensors.

use std::collections::BTreeMap;

use minijinja::{Value, context};
use portwright_core::plan::{Method, PortPlan, Session};

use super::{RenderError, context::is_local, inputs};

/// The class that is instantiated: the plan's, or what gives it a `forward`.
pub fn model_name(plan: &PortPlan) -> String {
    let how = match (&plan.session, plan.methods.is_empty()) {
        (Some(_), _) => "Tracking",
        (None, false) => "Called",
        (None, true) => "",
    };
    format!("{how}{}", plan.class)
}

/// The methods that are called of a class without a `forward`, each with the inputs that it is given.
pub fn methods(plan: &PortPlan) -> Vec<Value> {
    let given = |method: &Method| -> Vec<String> {
        let takes = |name: &&String| plan.input(name).is_some();
        method.parameters.iter().filter(takes).cloned().collect()
    };
    plan.methods
        .iter()
        .map(|method| context! { name => method.name.as_str(), given => given(method) })
        .collect()
}

/// What a session is made from, and the inputs that `forward` takes beside it.
pub fn session(plan: &PortPlan, session: &Session) -> Value {
    let rest = plan.inputs.iter().map(|input| input.name.clone());
    let rest = rest.filter(|name| session.inputs().all(|own| own != name));
    context! {
        parameter => session.parameter.as_str(),
        class => session.class.as_str(),
        frames => session.frames.as_str(),
        method => session.method.as_str(),
        prompts => session.prompts.clone(),
        rest => rest.collect::<Vec<_>>(),
    }
}

/// The import of the model's and the configuration's classes. A modelling module of the library imports its
/// configuration's class, unless the plan says where else that is defined; in a local folder the file that defines each
/// class is looked up.
pub fn class_import(
    plan: &PortPlan,
    modelling: Option<&BTreeMap<String, String>>,
) -> Result<String, RenderError> {
    let mut own: Vec<&str> = vec![&plan.class];
    own.extend(plan.session.as_ref().map(|it| it.class.as_str()));
    own.sort_unstable();
    let together = |module: &str| {
        let mut names = [own.as_slice(), &[&plan.config_class]].concat();
        names.sort_unstable();
        import(module, &names)
    };
    let apart = |config: &str, model: &str| {
        let mut lines = [
            (config, import(config, &[&plan.config_class])),
            (model, import(model, &own)),
        ];
        lines.sort();
        lines.map(|(_, line)| line).join("\n")
    };
    if !is_local(plan) {
        return Ok(match &plan.config_module {
            None => together(&plan.module),
            Some(config) => apart(config, &plan.module),
        });
    }
    let files = modelling
        .filter(|files| files.contains_key(&format!("{}.py", plan.module)))
        .ok_or_else(|| RenderError::NoModelling {
            module: plan.module.clone(),
        })?;
    let stem_of = |class: &str| {
        let definition = [format!("class {class}("), format!("class {class}:")];
        files
            .iter()
            .find(|(_, text)| {
                text.lines().any(|line| {
                    definition
                        .iter()
                        .any(|start| line.starts_with(start.as_str()))
                })
            })
            .and_then(|(name, _)| name.strip_suffix(".py"))
            .filter(|stem| inputs::is_word(stem))
            .ok_or_else(|| RenderError::NoClass {
                class: class.to_owned(),
            })
    };
    let config = format!(".modeling.{}", stem_of(&plan.config_class)?);
    let model = format!(".modeling.{}", plan.module);
    Ok(if config == model {
        together(&model)
    } else {
        apart(&config, &model)
    })
}

/// `from module import names`, over several lines where it does not fit in one.
pub fn import(module: &str, names: &[&str]) -> String {
    let line = format!("from {module} import {}", names.join(", "));
    if line.len() <= 88 {
        return line;
    }
    let names: String = names.iter().map(|name| format!("    {name},\n")).collect();
    format!("from {module} import (\n{names})")
}
