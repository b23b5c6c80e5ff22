//! Equalities that the configuration classes of a type demand, with paths from its own configuration.

use std::collections::BTreeMap;

use portwright_core::card::{Demand, Demanded, SubConfig};
use serde_json::Value;

use crate::tracing::{Located, Sources, TraceError};

/// The demands of the type's own class and of every nested one.
pub fn demands(
    nested: &BTreeMap<String, SubConfig>,
    own: &[Located],
    sources: &Sources,
) -> Result<Vec<Demand>, TraceError> {
    let mut found = Vec::new();
    below("", own, &mut found);
    for (path, config) in nested {
        if let Some(located) = sources.find_config(&config.class, None)? {
            let lineage = sources.lineage(&located.path, &config.class)?;
            below(&format!("{path}."), &lineage, &mut found);
        }
    }
    Ok(found)
}

fn below(prefix: &str, lineage: &[Located], found: &mut Vec<Demand>) {
    for demand in lineage.iter().flat_map(|located| &located.class().demands) {
        let equals = match demand.equals.strip_prefix("self.") {
            Some(path) => Demanded::Field(format!("{prefix}{path}")),
            None => match literal(&demand.equals) {
                Some(value) => Demanded::Value(value),
                None => continue,
            },
        };
        found.push(Demand {
            path: format!("{prefix}{}", demand.path),
            equals,
        });
    }
}

fn literal(text: &str) -> Option<Value> {
    match text {
        "True" => Some(Value::Bool(true)),
        "False" => Some(Value::Bool(false)),
        _ => serde_json::from_str(&text.replace('\'', "\"")).ok(),
    }
}
