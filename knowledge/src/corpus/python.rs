//! Python files to documents, one per symbol.

use super::{CorpusError, Document, DocumentKind};
use crate::tracing::{self, Symbol};

/// The documents of a file: every function, method and class.
pub fn documents(file: &str, text: &str) -> Result<Vec<Document>, CorpusError> {
    read(file, text, |symbol| {
        if symbol.decorators.iter().any(|name| registers(name)) {
            DocumentKind::Patch
        } else {
            DocumentKind::Code
        }
    })
}

/// The documents of a file whose functions are the operators of a format.
pub fn operators(file: &str, text: &str) -> Result<Vec<Document>, CorpusError> {
    read(file, text, |_| DocumentKind::Operator)
}

/// Whether a decorator enters what it decorates into one of the exporters' registries.
fn registers(decorator: &str) -> bool {
    [
        "register_patch",
        "register_fx_",
        "register_export_input_preparer",
    ]
    .iter()
    .any(|name| decorator.starts_with(name))
}

fn read(
    file: &str,
    text: &str,
    kind: impl Fn(&Symbol) -> DocumentKind,
) -> Result<Vec<Document>, CorpusError> {
    let lines: Vec<&str> = text.lines().collect();
    let symbols = tracing::symbols(file, text)?;
    Ok(symbols
        .iter()
        .map(|symbol| Document {
            kind: kind(symbol),
            file: file.to_owned(),
            symbol: symbol.name.clone(),
            line: symbol.line,
            end_line: symbol.head_end_line,
            text: excerpt(&lines, symbol.line, symbol.head_end_line),
        })
        .collect())
}

/// The lines from one to the other, both counted from 1 and both within.
fn excerpt(lines: &[&str], from: u32, to: u32) -> String {
    let from = (from as usize).saturating_sub(1).min(lines.len());
    let to = (to as usize).clamp(from, lines.len());
    lines[from..to].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
@register_patch("onnx", "torch.split")
def _patch_split(original):
    """Splits into known sizes."""
    return original


class Model(Base):
    """A model."""

    field: int = 3

    @auto_docstring
    def forward(self, x):
        return x
"#;

    #[test]
    fn every_symbol_is_a_document_with_its_lines() {
        let found = documents("transformers/a.py", TEXT).unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|d| (d.kind, d.symbol.as_str(), d.line, d.end_line))
            .collect();
        assert_eq!(
            seen,
            [
                (DocumentKind::Patch, "_patch_split", 2, 5),
                (DocumentKind::Code, "Model", 8, 12),
                (DocumentKind::Code, "Model.forward", 13, 15),
            ]
        );
        assert!(found[0].text.starts_with("@register_patch"));
        assert!(found[1].text.contains("field: int = 3"));
        assert_eq!(found[2].id(), "transformers/a.py::Model.forward");
    }

    #[test]
    fn a_copied_method_has_the_same_body() {
        let copied = TEXT.replace("class Model", "class Copy");
        let (one, other) = (
            documents("a.py", TEXT).unwrap(),
            documents("b.py", &copied).unwrap(),
        );
        assert_eq!(one[2].body(), other[2].body());
        assert_ne!(one[1].body(), other[1].body());
    }
}
