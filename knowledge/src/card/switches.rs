//! Fields of the configuration by which a model's code chooses a way that exporters can follow.

use std::{collections::BTreeSet, path::PathBuf};

use portwright_core::job::IntrospectedModel;

use crate::tracing::{Sources, TraceError, names};

/// A name that has one of these words speaks of exporting.
const WORDS: [&str; 4] = ["onnx", "export", "exporting", "exportable"];

/// The switches that the files of the model classes read, each once.
pub fn switches(
    classes: &[IntrospectedModel],
    sources: &Sources,
) -> Result<Vec<String>, TraceError> {
    let files: BTreeSet<PathBuf> = classes
        .iter()
        .map(|class| sources.locate(&class.file))
        .collect();
    let mut found = BTreeSet::new();
    for file in files {
        found.extend(read(&sources.text(&file)?));
    }
    Ok(found.into_iter().collect())
}

/// The switches that a text reads of a configuration, with a dot or with `getattr`.
fn read(text: &str) -> Vec<String> {
    let mut found = names::fields(text);
    found.extend(names::defaulted(text));
    found.retain(|name| name.split('_').any(|word| WORDS.contains(&word)));
    found
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_switch_for_exporters_is_read_with_a_dot_or_by_its_name() {
        let text = r#"
        if config.for_export or self.config.exported_layers:
            x = self.chunk(x, getattr(self.config, "onnx_export", False), getattr(self, "onnx_trace", False))
        "#;
        assert_eq!(read(text), ["for_export", "onnx_export"]);
    }
}
