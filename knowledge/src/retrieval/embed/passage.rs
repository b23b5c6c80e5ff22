//! What of a document is embedded: a small model reads a few dozen words, so the telling ones come first.

use crate::corpus::{Document, DocumentKind};

/// In bytes. A longer passage costs more time than its last words are worth.
const LONGEST: usize = 240;

/// The text that stands for a document.
pub fn passage(document: &Document) -> String {
    let prose = match document.kind {
        DocumentKind::Code | DocumentKind::Patch => prose(&document.text),
        _ => document.text.clone(),
    };
    let text = format!("{} {prose}", words(&document.symbol));
    let mut short = String::with_capacity(LONGEST);
    for word in text.split_whitespace() {
        if short.len() + word.len() >= LONGEST {
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    short
}

/// A name as words: `BertModel.get_mask` is `Bert Model get mask`.
fn words(name: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    for c in name.chars() {
        match c {
            '_' | '.' => out.push(' '),
            _ => {
                if c.is_uppercase() && before.is_lowercase() {
                    out.push(' ');
                }
                out.push(c);
            }
        }
        before = c;
    }
    out
}

/// The prose in code, the documentation first: its first lines, then what errors and comments say. Code without any
/// stands for itself.
fn prose(code: &str) -> String {
    let mut documentation = String::new();
    let mut said = String::new();
    let mut inside = false;
    for line in code.lines().map(str::trim) {
        let quotes = line.matches("\"\"\"").count();
        if inside || quotes > 0 {
            // Parameters follow; the sentences before them tell what it is for.
            if documentation.len() < LONGEST / 2 {
                documentation.push_str(line.trim_matches(['"', 'r']));
                documentation.push(' ');
            }
            inside ^= quotes == 1;
        } else if let Some((_, comment)) = line.split_once("# ") {
            said.push_str(comment);
            said.push(' ');
        } else if let Some(text) = quoted(line) {
            said.push_str(text);
            said.push(' ');
        }
    }
    let prose = format!("{documentation}{said}");
    if prose.trim().len() < 20 {
        return code.to_owned();
    }
    prose
}

/// A sentence in quotation marks.
fn quoted(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once('"')?;
    let (text, _) = rest.rsplit_once('"')?;
    text.contains(' ').then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passage_begins_with_what_is_said_of_the_code() {
        let document = Document {
            kind: DocumentKind::Code,
            file: "a.py".into(),
            symbol: "ToyModel.get_mask".into(),
            line: 1,
            end_line: 9,
            text: "def get_mask(self, x):\n    \"\"\"\n    Masks what is padded.\n    \"\"\"\n    # Nothing to do.\n    if x is None:\n        raise ValueError(f\"mask needs {x}\")\n    return x".into(),
        };
        assert_eq!(
            passage(&document),
            "Toy Model get mask Masks what is padded. Nothing to do. mask needs {x}"
        );
    }

    #[test]
    fn code_without_prose_stands_for_itself() {
        assert!(prose("def f(x):\n    return x + 1").contains("return x + 1"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_a_short_passage(text in "(\"\"\"|\"|# |[a-z]{1,9}| |\n|\\PC){0,200}") {
            let document = Document {
                kind: DocumentKind::Code,
                file: String::new(),
                symbol: String::new(),
                line: 0,
                end_line: 0,
                text,
            };
            proptest::prop_assert!(passage(&document).len() <= LONGEST);
        }
    }
}
