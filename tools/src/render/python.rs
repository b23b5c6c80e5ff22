//! Python literals laid out as `ruff format` lays them out.

use minijinja::{Error, ErrorKind, value::ValueKind};
use serde_json::Value;

/// The line length of the formatter's default configuration.
const WIDTH: usize = 88;

/// A Python expression: source text, or a container of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Source(String),
    List(Vec<Literal>),
    Tuple(Vec<Literal>),
    Dict(Vec<(String, Literal)>),
}

impl Literal {
    pub fn text(text: &str) -> Self {
        Literal::Source(string(text))
    }

    pub fn of_json(value: &Value) -> Self {
        match value {
            Value::Null => Literal::Source("None".into()),
            Value::Bool(true) => Literal::Source("True".into()),
            Value::Bool(false) => Literal::Source("False".into()),
            Value::Number(number) => Literal::Source(number.to_string()),
            Value::String(text) => Literal::text(text),
            Value::Array(items) => Literal::List(items.iter().map(Literal::of_json).collect()),
            Value::Object(map) => Literal::Dict(
                map.iter()
                    .map(|(key, value)| (string(key), Literal::of_json(value)))
                    .collect(),
            ),
        }
    }

    /// The literal after `prefix` on a line that is indented by `indent` columns and ends with `suffix`; broken over
    /// lines where it does not fit, one item a line.
    pub fn after(&self, indent: usize, prefix: &str, suffix: &str) -> String {
        let flat = self.flat();
        let fits = indent + width(prefix) + width(&flat) + width(suffix) <= WIDTH;
        if fits || self.is_atom() {
            return format!("{prefix}{flat}{suffix}");
        }
        let inner = indent + 4;
        let pad = " ".repeat(inner);
        let (open, close, lines): (_, _, Vec<String>) = match self {
            Literal::Source(_) => return format!("{prefix}{flat}{suffix}"),
            Literal::List(items) => (
                "[",
                "]",
                items.iter().map(|i| i.after(inner, "", ",")).collect(),
            ),
            Literal::Tuple(items) => (
                "(",
                ")",
                items.iter().map(|i| i.after(inner, "", ",")).collect(),
            ),
            Literal::Dict(items) => (
                "{",
                "}",
                items
                    .iter()
                    .map(|(k, v)| v.after(inner, &format!("{k}: "), ","))
                    .collect(),
            ),
        };
        let body: String = lines.iter().map(|line| format!("{pad}{line}\n")).collect();
        format!(
            "{prefix}{open}\n{body}{}{close}{suffix}",
            " ".repeat(indent)
        )
    }

    fn is_atom(&self) -> bool {
        match self {
            Literal::Source(_) => true,
            Literal::List(items) | Literal::Tuple(items) => items.is_empty(),
            Literal::Dict(items) => items.is_empty(),
        }
    }

    fn flat(&self) -> String {
        let join = |items: &[Literal]| {
            items
                .iter()
                .map(Literal::flat)
                .collect::<Vec<_>>()
                .join(", ")
        };
        match self {
            Literal::Source(text) => text.clone(),
            Literal::List(items) => format!("[{}]", join(items)),
            Literal::Tuple(items) if items.len() == 1 => format!("({},)", join(items)),
            Literal::Tuple(items) => format!("({})", join(items)),
            Literal::Dict(items) => {
                let items: Vec<_> = items
                    .iter()
                    .map(|(k, v)| format!("{k}: {}", v.flat()))
                    .collect();
                format!("{{{}}}", items.join(", "))
            }
        }
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// A Python string with the quotes that the formatter prefers.
pub fn string(text: &str) -> String {
    let count = |quote: char| text.chars().filter(|c| *c == quote).count();
    let quote = if count('"') > count('\'') { '\'' } else { '"' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() || !is_plain(c) => out.push_str(&escape(c)),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// Characters that change how a line reads (separators, direction marks, zero widths) are written as escapes.
fn is_plain(c: char) -> bool {
    !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{a0}')
}

fn escape(c: char) -> String {
    let code = u32::from(c);
    if code < 0x100 {
        format!("\\x{code:02x}")
    } else {
        format!("\\u{code:04x}")
    }
}

/// The template filter `py`: a string, a truth value or a number as Python writes it.
pub fn filter(value: &minijinja::Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String => Ok(string(value.as_str().unwrap_or_default())),
        ValueKind::Bool if value.is_true() => Ok("True".to_owned()),
        ValueKind::Bool => Ok("False".to_owned()),
        ValueKind::Number => Ok(value.to_string()),
        kind => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("`py` takes a string, a truth value or a number, not {kind}"),
        )),
    }
}

/// Text as lines of at most `columns` columns, for comments.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_literal_that_fits_stays_on_its_line() {
        let literal = Literal::of_json(&json!({"a": [1, 2.5], "b": null, "c": true}));
        assert_eq!(
            literal.after(0, "X = ", ""),
            r#"X = {"a": [1, 2.5], "b": None, "c": True}"#
        );
    }

    #[test]
    fn a_literal_that_does_not_fit_has_one_item_a_line() {
        let literal = Literal::of_json(&json!({"a": "x".repeat(50), "b": "y".repeat(50)}));
        let lines: Vec<String> = literal
            .after(0, "X = ", "")
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[3], "}");
        assert!(lines[1].ends_with(','));
    }

    #[test]
    fn a_string_cannot_leave_its_quotes() {
        assert_eq!(string("a\"; import os\n"), "'a\"; import os\\n'");
        assert_eq!(string("both ' and \""), "\"both ' and \\\"\"");
        assert_eq!(string("\"a\" isn't"), "'\"a\" isn\\'t'");
        assert_eq!(string("a\\"), "\"a\\\\\"");
    }

    #[test]
    fn a_mark_that_hides_text_is_escaped() {
        assert_eq!(string("a\u{202e}b"), "\"a\\u202eb\"");
    }
}
