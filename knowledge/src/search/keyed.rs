//! Tables that have no value and that the code reads by a written key, e.g. `config.part.arguments["width"]`: such a table
//! needs that key. Where its keys are arguments for a model of another library, that model has to take them.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::{Map, Value};

use super::{
    candidate::{Candidate, searched},
    stated::{STATED, put_named},
    text,
};
use crate::propose::{FOREIGN_SMALL, Role, WIDTH, get, join, nodes, role, usual};

pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let mut found = Vec::new();
    found.extend(entry(card, plan, finding));
    found.extend(taker(card, plan, finding));
    found
}

/// The table with the key that the failing line reads from it.
fn entry(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let error = finding.error.as_ref()?;
    if !error.message.contains("not subscriptable") && error.exception != "KeyError" {
        return None;
    }
    let code = text::code(finding);
    let (name, key) = read(code.lines().next()?)?;
    let value = size(card, key)?;
    let mut next = plan.clone();
    for node in nodes(card) {
        for field in node.fields.iter().filter(|field| field.name == name) {
            let path = join(&node.path, name);
            let mut table = match get(&plan.config, &path).unwrap_or(&field.default) {
                Value::Null => Map::new(),
                Value::Object(table) if !table.contains_key(key) => table.clone(),
                _ => continue,
            };
            table.insert(key.to_owned(), value.clone());
            put_named(card, &mut next.config, &path, Value::Object(table));
        }
    }
    let reason = format!("the code reads `{key}` from the table `{name}`");
    let provenance = searched(STATED, finding, reason);
    let key = format!("config.{name}");
    (next != *plan).then(|| Candidate::setting(next, &key, provenance))
}

/// The first `name["key"]` of a line of code.
fn read(line: &str) -> Option<(&str, &str)> {
    for quote in ["[\"", "['"] {
        let Some((before, after)) = line.split_once(quote) else {
            continue;
        };
        let key = after.split(['"', '\'']).next()?;
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let name = before.rsplit(|c| !word(c)).next()?;
        if !name.is_empty() && !key.is_empty() {
            return Some((name, key));
        }
    }
    None
}

/// The size that a small model gives to what is called so.
fn size(card: &InterfaceCard, name: &str) -> Option<Value> {
    usual(card, name).or_else(|| (role(name) == Role::Width).then(|| Value::from(WIDTH)))
}

/// A model of another library that does not take an argument of the plan is another kind of model than the code is written
/// for: the tiny stack of attention takes the sizes of such stacks.
fn taker(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (_, after) = said.split_once("unexpected keyword argument '")?;
    let argument = after.split('\'').next()?;
    let mut next = plan.clone();
    for node in nodes(card) {
        let given = node.fields.iter().any(|field| {
            let table = get(&plan.config, &join(&node.path, &field.name));
            table
                .and_then(Value::as_object)
                .is_some_and(|table| table.contains_key(argument))
        });
        if given && node.field("architecture").is_some() {
            let path = join(&node.path, "architecture");
            put_named(card, &mut next.config, &path, Value::from(FOREIGN_SMALL));
        }
    }
    let reason = format!("the model that is made by its name takes no `{argument}`");
    let provenance = searched(STATED, finding, reason);
    (next != *plan).then(|| Candidate::setting(next, "config.architecture", provenance))
}

#[cfg(test)]
mod tests {
    use portwright_core::{
        Signature, Stage,
        job::{Frame, JobError},
    };
    use serde_json::json;

    use super::*;
    use crate::search::fixtures;

    fn card() -> InterfaceCard {
        let source = json!({"file": "any.py", "line": 1});
        fixtures::card(serde_json::json!({
            "modalities": ["image"],
            "sub_configs": {"part": {"class": "PartConfig", "attribute_map": {}, "fields": [
                {"name": "model_type", "default": "other"},
                {"name": "architecture", "default": "convolutions", "source": source},
                {"name": "arguments", "default": null, "source": source},
            ]}},
        }))
    }

    fn plan() -> PortPlan {
        fixtures::pictures(r#"["batch", 3, 64, 64]"#, "")
    }

    fn finding(message: &str, code: &str) -> Finding {
        let frame = Frame {
            file: "any.py".into(),
            line: 1,
            function: "__init__".into(),
            code: code.into(),
            ..portwright_core::job::Frame::default()
        };
        Finding {
            stage: Stage::Instantiate,
            backend: None,
            signature: Signature::phrase("x"),
            message: message.into(),
            error: Some(JobError {
                exception: "TypeError".into(),
                message: message.into(),
                frames: vec![frame],
                ..JobError::default()
            }),
            hint: None,
        }
    }

    #[test]
    fn a_key_that_the_code_reads_from_no_table_is_put_there_and_its_model_takes_it() {
        let none = finding(
            "'NoneType' object is not subscriptable",
            "size = config.part.arguments[\"embed_dim\"]",
        );
        let found = candidates(&card(), &plan(), &none);
        let part = &found[0].plan.config["part"];
        assert_eq!(
            *part,
            json!({"model_type": "other", "arguments": {"embed_dim": 64}})
        );
        let refused = finding(
            "Convolutions.__init__() got an unexpected keyword argument 'embed_dim'",
            "model = model_cls(**kwargs)",
        );
        let found = candidates(&card(), &found[0].plan, &refused);
        assert_eq!(found[0].plan.config["part"]["architecture"], FOREIGN_SMALL);
    }

    #[test]
    fn a_line_that_reads_no_key_asks_for_none() {
        assert_eq!(read("size = table[place]"), None);
        assert_eq!(read("x = self.table['a']"), Some(("table", "a")));
    }
}
