//! Operators of formats and what runtimes support of them, read from the sources that the packages ship.

use std::collections::BTreeMap;

use super::{Document, DocumentKind};

const SCHEMA: &str = "_OPERATOR_SET_SCHEMA(";

/// The operators that one of ONNX's definition files declares: the declaration as it stands, which names attributes,
/// inputs, outputs and types, and the documentation that it refers to.
pub fn onnx(file: &str, text: &str) -> Vec<Document> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(SCHEMA) {
        let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        // A definition of the macro itself, or a mention in a comment.
        if !text[begin..at]
            .chars()
            .all(|c| c.is_ascii_uppercase() || c == '_')
        {
            continue;
        }
        let inside = &text[at + SCHEMA.len()..];
        let declaration = &inside[..end_of_call(inside)];
        let mut words = declaration.splitn(3, ',').map(str::trim);
        let (Some(name), Some(version)) = (words.next(), words.next()) else {
            continue;
        };
        let line = line_of(text, at);
        let documentation = documentation(text, declaration).unwrap_or_default();
        found.push(Document {
            kind: DocumentKind::Operator,
            file: file.to_owned(),
            symbol: name.to_owned(),
            line,
            end_line: line_of(text, at + SCHEMA.len() + declaration.len()),
            text: format!(
                "ONNX operator {name}, since opset {version}\n{}\n{}",
                documentation.trim(),
                declaration.trim()
            ),
        });
    }
    found
}

/// The constant that `.SetDoc(NAME)` names, or the text that is given in its place.
fn documentation<'a>(text: &'a str, declaration: &'a str) -> Option<&'a str> {
    let given = declaration.split_once("SetDoc(")?.1;
    if let Some(raw) = raw_string(given.trim_start().strip_prefix("R\"").unwrap_or("")) {
        return Some(raw);
    }
    let name: &str = given
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()?;
    let definition = text.split_once(&format!("{name} = R\""))?.1;
    raw_string(definition)
}

/// `DOC(text)DOC"…` gives the text.
fn raw_string(after_quote: &str) -> Option<&str> {
    let (delimiter, rest) = after_quote.split_once('(')?;
    rest.split_once(&format!("){delimiter}\""))
        .map(|(raw, _)| raw)
}

/// The byte at which the parenthesis that is open at the beginning closes; strings may hold others.
fn end_of_call(text: &str) -> usize {
    let mut depth = 1usize;
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            'R' if text[at..].starts_with("R\"") => {
                if let Some(raw) = raw_string(&text[at + 2..]) {
                    let end = raw.as_ptr() as usize - text.as_ptr() as usize + raw.len();
                    while rest.next_if(|(next, _)| *next < end + 1).is_some() {}
                }
            }
            '"' => {
                while let Some((_, c)) = rest.next() {
                    match c {
                        '\\' => {
                            rest.next();
                        }
                        '"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// What OpenVINO's reader of exported PyTorch programs lists as supported: a document per operator, with its overloads.
pub fn support(file: &str, text: &str) -> Vec<Document> {
    let mut operators: BTreeMap<&str, (u32, u32, Vec<&str>)> = BTreeMap::new();
    for (line, number) in text.lines().zip(1u32..) {
        let Some(name) = line
            .trim()
            .strip_prefix('"')
            .and_then(|rest| rest.split_once("\":"))
            .map(|(name, _)| name)
        else {
            continue;
        };
        let operator = name.strip_prefix("torch.ops.").map_or(name, |path| {
            // Without the overload, where there is one: `aten.add` of `aten.add.Tensor`.
            match path.match_indices('.').nth(1) {
                Some((overload, _)) => &path[..overload],
                None => path,
            }
        });
        let entry = operators
            .entry(operator)
            .or_insert((number, number, Vec::new()));
        entry.1 = number;
        entry.2.push(name);
    }
    operators
        .into_iter()
        .map(|(operator, (line, end_line, names))| Document {
            kind: DocumentKind::Support,
            file: file.to_owned(),
            symbol: operator.to_owned(),
            line,
            end_line,
            text: format!(
                "OpenVINO supports {operator} of exported PyTorch programs:\n{}",
                names.join("\n")
            ),
        })
        .collect()
}

fn line_of(text: &str, at: usize) -> u32 {
    let newlines = text[..at].bytes().filter(|byte| *byte == b'\n').count();
    u32::try_from(newlines).unwrap_or(u32::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFINITIONS: &str = r#"
static constexpr const char* Mod_doc = R"DOC(
Performs a binary (modulo) operation.
)DOC";

ONNX_OPERATOR_SET_SCHEMA(
    Mod,
    13,
    OpSchema().SetDoc(Mod_doc).Attr("fmod", "Like fmod :)", AttributeProto::INT));

ONNX_OPERATOR_SET_SCHEMA(Div, 14, OpSchema().FillUsing(MathDocGenerator("division")));
"#;

    #[test]
    fn operators_have_their_documentation_and_lines() {
        let found = onnx("onnx/defs/math/defs.cc", DEFINITIONS);
        let names: Vec<_> = found.iter().map(|d| (d.symbol.as_str(), d.line)).collect();
        assert_eq!(names, [("Mod", 6), ("Div", 11)]);
        assert!(found[0].text.contains("binary (modulo)"));
        assert!(found[0].text.contains("fmod :)"));
        assert!(found[0].text.ends_with("AttributeProto::INT)"));
        assert!(found[1].text.contains("since opset 14"));
    }

    #[test]
    fn overloads_are_one_document() {
        let text = "x = {\n    \"torch.ops.aten.add.Scalar\": None,\n    \"torch.ops.aten.add.Tensor\": None,\n    \"torch.ops.aten.plain\": None,\n    \"_operator.mul\": None,\n}\n";
        let found = support("op_support.py", text);
        let names: Vec<_> = found
            .iter()
            .map(|d| (d.symbol.as_str(), d.line, d.end_line))
            .collect();
        assert_eq!(
            names,
            [
                ("_operator.mul", 5, 5),
                ("aten.add", 2, 3),
                ("aten.plain", 4, 4)
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "(ONNX_OPERATOR_SET_SCHEMA\\(|A, 1,|R\"DOC\\(|\\)DOC\"|\"|\\(|\\)|SetDoc\\(|\n|\\PC){0,60}") {
            let _ = (onnx("defs.cc", &text), support("op_support.py", &text));
        }
    }
}
