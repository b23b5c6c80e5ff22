//! The catalogue as tables that are quick to scan.

use std::fmt::Write as _;

use portwright_core::{Catalogue, CatalogueEntry, Kind, ModelType};
use serde::Serialize;
use serde_json::{Map, Value};

/// The version of the document of one type.
pub const SHOW_SCHEMA: u32 = 1;

/// One type, and how the name that was asked for leads to it.
#[derive(Debug, Serialize)]
pub struct ShowDocument<'a> {
    pub schema: u32,
    pub library_version: &'a str,
    /// The name that people use, where it led here.
    pub name: Option<&'a str>,
    /// Configuration that makes the variant which the name means.
    pub variant: &'a Map<String, Value>,
    /// Why the variant differs.
    pub reason: Option<&'a str>,
    /// Further types that the name covers.
    pub also: &'a [ModelType],
    #[serde(rename = "type")]
    pub entry: &'a CatalogueEntry,
}

/// One line per type, then the totals. `all` is how many types the release has.
pub fn list(catalogue: &Catalogue, all: usize) -> String {
    let types = &catalogue.types;
    let width = types.iter().map(|entry| entry.model_type.as_str().len());
    let width = width.max().unwrap_or(0).max("model type".len());
    let mut out = String::new();
    if !types.is_empty() {
        let _ = writeln!(
            out,
            "  {:<width$}  {:<4}  {:<15}  class",
            "model type", "kind", "family"
        );
    }
    for entry in types {
        let _ = writeln!(
            out,
            "  {:<width$}  {:<4}  {:<15}  {}",
            entry.model_type.as_str(),
            entry.kind,
            entry.family,
            leading(entry)
        );
    }
    if !types.is_empty() {
        out.push('\n');
    }
    let kinds = Kind::ALL.map(|kind| {
        let count = types.iter().filter(|entry| entry.kind == kind).count();
        format!("{count} {kind}")
    });
    let of_all = if types.len() == all {
        String::new()
    } else {
        format!(" of {all}")
    };
    let _ = writeln!(
        out,
        "{}{of_all} model types of Transformers {}: {}",
        types.len(),
        catalogue.library_version,
        kinds.join(", ")
    );
    let unread: Vec<&str> = types
        .iter()
        .filter(|entry| !entry.problems.is_empty())
        .map(|entry| entry.model_type.as_str())
        .collect();
    if !unread.is_empty() {
        let _ = writeln!(
            out,
            "not read in full (`portwright catalogue show TYPE` says why): {}",
            unread.join(", ")
        );
    }
    out
}

/// The class that stands for a type, or where the type is nested.
pub fn leading(entry: &CatalogueEntry) -> String {
    let mapped = entry
        .auto_classes
        .get("AutoModel")
        .or_else(|| entry.auto_classes.values().next());
    let class = mapped
        .and_then(|classes| classes.first())
        .or_else(|| entry.own_classes.first());
    let place = entry.parents.first().filter(|_| entry.kind == Kind::Part);
    let mut text = match (class, place) {
        (Some(class), Some(parent)) => format!("{class}, in {parent}"),
        (Some(class), None) => class.clone(),
        (None, Some(parent)) => format!("in {parent}"),
        (None, None) => "none".to_owned(),
    };
    if entry.deprecated {
        text.push_str(" (deprecated)");
    }
    text
}

/// Everything that is known of one type.
pub fn show(document: &ShowDocument<'_>) -> String {
    let entry = document.entry;
    let mut out = String::new();
    let name = document
        .name
        .filter(|name| *name != entry.model_type.as_str());
    let name = name.map(|name| format!("{name} · ")).unwrap_or_default();
    let _ = writeln!(
        out,
        "{name}{} · {} · Transformers {}\n",
        entry.model_type, entry.family, document.library_version
    );
    let mut line = |what: &str, text: &str| {
        if !text.is_empty() {
            let _ = writeln!(out, "  {what:<14} {text}");
        }
    };
    let variant: Vec<String> = document
        .variant
        .iter()
        .map(|(field, value)| format!("{field} = {value}"))
        .collect();
    line("variant", &variant.join(", "));
    line("because", document.reason.unwrap_or_default());
    line("also", &joined(document.also));
    line("kind", kind(entry.kind));
    line("modalities", &entry.modalities.join(", "));
    line("generates", if entry.generative { "yes" } else { "no" });
    line("deprecated", if entry.deprecated { "yes" } else { "" });
    line("nested in", &joined(&entry.parents));
    line("configuration", &entry.config_class);
    let width = entry
        .auto_classes
        .keys()
        .map(String::len)
        .max()
        .unwrap_or(0);
    let mut what = "auto classes";
    for (auto, classes) in &entry.auto_classes {
        line(what, &format!("{auto:<width$}  {}", classes.join(", ")));
        what = "";
    }
    line("own classes", &entry.own_classes.join(", "));
    line("interface", entry.interface.short());
    for problem in &entry.problems {
        line("problem", problem);
    }
    out
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Base => "base: AutoModel leads to a class",
        Kind::Task => "task: another auto class than AutoModel leads to a class",
        Kind::Part => "part: no auto class leads to it",
    }
}

fn joined(types: &[ModelType]) -> String {
    let names: Vec<&str> = types.iter().map(ModelType::as_str).collect();
    names.join(", ")
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use portwright_core::{Digest, Family, catalogue::SCHEMA};
    use serde_json::json;

    use super::*;

    pub fn entry(name: &str, kind: Kind, family: Family) -> CatalogueEntry {
        CatalogueEntry {
            model_type: ModelType::new(name),
            kind,
            family,
            config_class: "AConfig".into(),
            auto_classes: BTreeMap::new(),
            own_classes: vec![],
            modalities: vec!["text".into()],
            parents: vec![],
            deprecated: false,
            generative: false,
            interface: Digest::of("a"),
            problems: vec![],
        }
    }

    pub fn catalogue(types: Vec<CatalogueEntry>) -> Catalogue {
        Catalogue {
            schema: SCHEMA,
            library_version: "9.0.0".into(),
            types,
        }
    }

    fn types() -> Vec<CatalogueEntry> {
        let autos = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(auto, class)| ((*auto).to_owned(), vec![(*class).to_owned()]))
                .collect()
        };
        let mut base = entry("gpt", Kind::Base, Family::DecoderOnly);
        base.auto_classes = autos(&[
            ("AutoModel", "GptModel"),
            ("AutoModelForCausalLM", "GptForCausalLM"),
        ]);
        base.own_classes = vec!["GptDoubleHeads".into(), "GptOther".into()];
        base.generative = true;
        let mut old = entry("ctc", Kind::Task, Family::Speech);
        old.auto_classes = autos(&[("AutoModelForCTC", "CtcModel")]);
        old.deprecated = true;
        old.problems = vec!["CtcConfig(): ValueError: too small".into()];
        let mut part = entry("gpt_text_model", Kind::Part, Family::Component);
        part.own_classes = vec!["GptTextModel".into()];
        part.parents = vec![ModelType::new("gpt"), ModelType::new("ctc")];
        let mut bare = entry("gpt_mask_decoder", Kind::Part, Family::Component);
        bare.parents = vec![ModelType::new("gpt")];
        vec![
            old,
            base,
            bare,
            part,
            entry("lost", Kind::Part, Family::Component),
        ]
    }

    #[test]
    fn the_list_is_one_line_per_type() {
        insta::assert_snapshot!(list(&catalogue(types()), 5));
    }

    #[test]
    fn a_part_of_the_list_says_of_how_many() {
        insta::assert_snapshot!(list(&catalogue(vec![types().remove(1)]), 5));
        insta::assert_snapshot!(list(&catalogue(vec![]), 5));
    }

    #[test]
    fn a_type_is_shown_with_all_that_is_known() {
        let variant = json!({ "heads": 2, "gated": true });
        let (variant, none) = (variant.as_object().unwrap(), Map::new());
        let further = [ModelType::new("gpt2")];
        for (index, name) in [(0, None), (1, Some("GPT-X")), (3, None)] {
            insta::assert_snapshot!(show(&ShowDocument {
                schema: SHOW_SCHEMA,
                library_version: "9.0.0",
                name,
                variant: if name.is_some() { variant } else { &none },
                reason: name.map(|_| "fewer heads"),
                also: if name.is_some() { &further } else { &[] },
                entry: &types()[index],
            }));
        }
    }
}
