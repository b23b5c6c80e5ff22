//! Tables of token ids by name that a configuration holds, and the names that the modelling source looks up in them.
//!
//! A helper class is made from the table, e.g. `Mapping(config.vocabulary_map)`; it asks for single names
//! (`table.get("<image>")`), and for families of names that end with the number of a code
//! (`name.startswith("IMGIMG")`), whose number it cuts out of the name.

use std::{collections::BTreeSet, path::PathBuf};

use portwright_core::{
    card::{CodeNames, Vocabulary},
    job::IntrospectedModel,
};

use crate::tracing::{Sources, TraceError};

/// The tables that the files of the model classes read, each once.
pub fn vocabularies(
    classes: &[IntrospectedModel],
    sources: &Sources,
) -> Result<Vec<Vocabulary>, TraceError> {
    let files: BTreeSet<PathBuf> = classes
        .iter()
        .map(|class| sources.locate(&class.file))
        .collect();
    let mut found: Vec<Vocabulary> = Vec::new();
    for file in files {
        for vocabulary in read(&sources.text(&file)?) {
            if !found.iter().any(|known| known.field == vocabulary.field) {
                found.push(vocabulary);
            }
        }
    }
    Ok(found)
}

fn read(text: &str) -> Vec<Vocabulary> {
    classes(text)
        .filter_map(|(name, body)| {
            let ids: Vec<String> = quoted(body, ".get(").collect();
            let codes: Vec<CodeNames> = quoted(body, ".startswith(")
                .map(|before| {
                    let (digits, after) = cut(body);
                    CodeNames {
                        before,
                        digits,
                        after,
                    }
                })
                .fold(Vec::new(), |mut each, code| {
                    if !each.contains(&code) {
                        each.push(code);
                    }
                    each
                });
            let (_, made) = text.split_once(&format!(" {name}(config."))?;
            let (field, _) = made.split_once(')')?;
            let plain = field.chars().all(|c| c.is_alphanumeric() || c == '_');
            (plain && !ids.is_empty()).then(|| Vocabulary {
                field: field.to_owned(),
                ids,
                codes,
            })
        })
        .collect()
}

/// The classes of a file that have no base, with their bodies.
fn classes(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("\nclass ").skip(1).filter_map(|rest| {
        let (name, body) = rest.split_once(":\n")?;
        let end = body
            .find("\n\n\n")
            .map_or(body, |end| body.get(..end).unwrap_or(body));
        let word = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        word.then_some((name, end))
    })
}

/// The texts in quotes right behind these words.
fn quoted<'a>(text: &'a str, words: &'a str) -> impl Iterator<Item = String> + 'a {
    text.split(words).skip(1).filter_map(|rest| {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        Some(rest[1..].split(quote).next()?.to_owned())
    })
}

/// How many digits the number of a code has at least, and how many characters follow it, by the slice that cuts it out:
/// `token[-8:-2]`, or `name[len("…") : -1]` with no least.
fn cut(body: &str) -> (usize, usize) {
    for slice in body.split('[').skip(1) {
        let Some((from, to)) = slice.split(']').next().and_then(|it| it.rsplit_once(':')) else {
            continue;
        };
        let back = |text: &str| text.trim().strip_prefix('-')?.parse::<usize>().ok();
        if let Some(after) = back(to) {
            let digits = back(from).map_or(1, |from| from.saturating_sub(after));
            return (digits, after);
        }
    }
    (1, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
class Mapping:
    def __init__(self, table):
        self.image_token_id = table.get("<image>")

    @cached_property
    def codes(self):
        names = [name for name in self.table if name.startswith("<|visual token")]
        return {int(name[-8:-2]): self.table[name] for name in names}


class Model(PreTrainedModel):
    def __init__(self, config):
        self.mapping = Mapping(config.vocabulary_map)
        self.other = self.table.get("not this")
"#;

    #[test]
    fn the_names_that_a_helper_looks_up_in_a_table_of_the_configuration() {
        let [found] = read(TEXT).try_into().unwrap();
        assert_eq!(found.field, "vocabulary_map");
        assert_eq!(found.ids, ["<image>"]);
        let [codes] = found.codes.try_into().unwrap();
        assert_eq!(codes.before, "<|visual token");
        assert_eq!((codes.digits, codes.after), (6, 2));
    }

    #[test]
    fn a_number_without_a_least_of_digits_and_a_class_that_takes_no_table() {
        assert_eq!(cut(r#"name[len("IMG") : -1]"#), (1, 1));
        assert!(read(&TEXT.replace("config.vocabulary_map", "config")).is_empty());
    }
}
