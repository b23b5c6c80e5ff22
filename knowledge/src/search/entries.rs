//! What a field without a value may hold: what its class says of it, or one of the kind that its annotation names.

use portwright_core::{InterfaceCard, card::ConfigField};
use serde_json::{Value, json};

use super::config::leaf;

/// A threshold that every score passes: what a small model finds is not empty then.
const NO_THRESHOLD: f64 = 0.0;

/// The fraction of which something is left at every size of a small model.
const HALF: &str = "1/2";

/// The list that the class says a field without a default has, or the word that it gives as an example.
pub fn documented(card: &InterfaceCard, path: &str) -> Option<Value> {
    let declared = field(card, path)?.declared.as_deref()?;
    let value = serde_json::from_str::<Value>(declared).ok()?;
    match value.as_str() {
        Some(word) if is_fraction(word) => Some(Value::from(HALF)),
        Some(_) => Some(value),
        None => value.is_array().then_some(value),
    }
}

/// Two numbers with a stroke between them.
fn is_fraction(word: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().is_ok();
    word.split_once('/')
        .is_some_and(|(over, under)| number(over) && number(under))
}

/// One of what a field holds: a number, a list of one, or for a map that is written as a list a list of one pair. What is
/// listed by class has an entry for each.
pub fn one(card: &InterfaceCard, path: &str) -> Value {
    let annotation = field(card, path).and_then(|field| field.annotation.as_deref());
    let Some(list) = annotation.filter(|annotation| annotation.starts_with("list")) else {
        return Value::from(1);
    };
    let fraction = if path.contains("threshold") {
        NO_THRESHOLD
    } else {
        1.0
    };
    let fractions = list.starts_with("list[float");
    match labels(card).filter(|_| leaf(path).starts_with("class_")) {
        _ if path.ends_with("_map") => json!([[1, 1]]),
        Some(count) if fractions => json!(vec![fraction; count]),
        Some(count) => json!((0..count).collect::<Vec<usize>>()),
        None if fractions => json!([fraction]),
        None => json!([1]),
    }
}

/// How many classes the configuration names.
fn labels(card: &InterfaceCard) -> Option<usize> {
    let names = card.config_fields.iter().find(|it| it.name == "id2label")?;
    names.default.as_object().map(serde_json::Map::len)
}

fn field<'a>(card: &'a InterfaceCard, path: &str) -> Option<&'a ConfigField> {
    let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
    let fields = match table {
        "" => &card.config_fields,
        _ => &card.sub_configs.get(table)?.fields,
    };
    fields.iter().find(|field| field.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::fixtures;

    #[test]
    fn a_documented_word_is_taken_and_a_fraction_is_one_that_suits_small_sizes() {
        let field = |name: &str, declared: &str| json!({"name": name, "default": null, "annotation": "str | None", "declared": declared});
        let card = fixtures::card(json!({"config_fields": [
            field("rate", "\"3/8\""), field("backbone", "\"small-50\""), field("other", "None"),
        ]}));
        assert_eq!(documented(&card, "rate"), Some(json!("1/2")));
        assert_eq!(documented(&card, "backbone"), Some(json!("small-50")));
        assert_eq!(documented(&card, "other"), None);
    }

    #[test]
    fn what_is_listed_by_class_gets_an_entry_for_each() {
        let field = |name: &str, annotation: &str| json!({"name": name, "default": null, "annotation": annotation});
        let card = fixtures::card(json!({"config_fields": [
            {"name": "id2label", "default": {"0": "a", "1": "b"}},
            field("class_thresholds", "list[float] | None"),
            field("class_order", "list[int] | None"),
            field("offsets", "list[float] | None"),
        ]}));
        assert_eq!(one(&card, "class_thresholds"), json!([0.0, 0.0]));
        assert_eq!(one(&card, "class_order"), json!([0, 1]));
        assert_eq!(one(&card, "offsets"), json!([1.0]));
    }
}
