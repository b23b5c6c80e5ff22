//! Model classes: what their `forward` takes and gives, with the lines.

use std::path::Path;

use portwright_core::{
    card::{InputParam, ModelClass, SourceSpan},
    job::IntrospectedModel,
};

use crate::{
    catalogue,
    tracing::{FunctionFacts, Located, Sources, TraceError},
};

/// The classes, one entry per auto class that leads to it, base classes first and those without an auto class last.
pub fn classes(
    seen: &[IntrospectedModel],
    sources: &Sources,
) -> Result<Vec<ModelClass>, TraceError> {
    let mut classes = Vec::new();
    for class in seen {
        classes.push(model_class(class, sources)?);
    }
    classes.sort_by_key(|class: &ModelClass| match class.auto_class.as_deref() {
        Some("AutoModel") => 0,
        Some(_) => 1,
        None => 2,
    });
    Ok(classes)
}

fn model_class(class: &IntrospectedModel, sources: &Sources) -> Result<ModelClass, TraceError> {
    let path = &sources.locate(&class.file);
    let lineage = sources.lineage(path, &class.name)?;
    let own_line = lineage.first().map_or(1, |found| found.class().line);
    let own = SourceSpan {
        file: sources.shown(path),
        line: own_line,
    };
    let method = |name: &str| {
        lineage
            .iter()
            .find_map(|found| found.class().method(name).map(|f| (found, f)))
    };
    let forward = method("forward");
    let inputs = class
        .parameters
        .iter()
        .map(|parameter| {
            let taker = class
                .methods
                .iter()
                .find(|method| method.parameters.contains(&parameter.name));
            let called = taker.map_or(forward, |taker| method(&taker.name));
            let written = called.and_then(|(located, function)| {
                let written = function
                    .parameters
                    .iter()
                    .find(|p| p.name == parameter.name)?;
                Some((located, written))
            });
            InputParam {
                name: parameter.name.clone(),
                required: parameter.required,
                annotation: written.and_then(|(_, written)| written.annotation.clone()),
                shape: written
                    .and_then(|(_, written)| written.shape.clone())
                    .or_else(|| sources.common_shape(&parameter.name))
                    .unwrap_or_default(),
                default: parameter.default.clone(),
                source: written.map_or_else(
                    || own.clone(),
                    |(located, written)| SourceSpan {
                        file: sources.shown(&located.path),
                        line: written.line,
                    },
                ),
            }
        })
        .collect();
    let auto_class = preferred(&class.auto_classes);
    Ok(ModelClass {
        name: class.name.clone(),
        module: class.module.clone(),
        task: catalogue::task(auto_class.as_deref()),
        auto_class,
        source: own,
        modular: sources
            .modular(Path::new(&class.file))
            .map(|path| sources.shown(&path)),
        main_input: class.main_input.clone(),
        generates: class.generates,
        ignores_config: class.ignores_config,
        methods: class.methods.clone(),
        session: class.session.clone(),
        inputs,
        outputs: match forward {
            Some((located, function)) => outputs(located, function, sources)?,
            None => Vec::new(),
        },
    })
}

/// The auto class that says most about a class which several lead to: `AutoModel` where it is one, a task rather
/// than pre-training.
fn preferred(auto_classes: &[String]) -> Option<String> {
    let rank = |name: &str| match name {
        "AutoModel" => 0,
        "AutoModelForCausalLM" | "AutoModelForSeq2SeqLM" => 1,
        "AutoModelForMaskedLM" => 2,
        "AutoModelForPreTraining" => 4,
        _ => 3,
    };
    auto_classes.iter().min_by_key(|name| rank(name)).cloned()
}

/// Field names of the output class that the return annotation names.
fn outputs(
    located: &Located,
    function: &FunctionFacts,
    sources: &Sources,
) -> Result<Vec<String>, TraceError> {
    let Some(annotation) = &function.returns else {
        return Ok(Vec::new());
    };
    let names = annotation.split(|c: char| !c.is_alphanumeric() && c != '_');
    for name in names.filter(|name| name.ends_with("Output") || name.contains("OutputWith")) {
        let mut fields: Vec<String> = Vec::new();
        for found in sources.lineage(&located.path, name)? {
            for field in found
                .class()
                .fields
                .iter()
                .filter(|f| f.annotation.is_some())
            {
                if !fields.contains(&field.name) {
                    fields.push(field.name.clone());
                }
            }
        }
        if !fields.is_empty() {
            return Ok(fields);
        }
    }
    Ok(Vec::new())
}
