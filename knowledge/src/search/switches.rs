//! Switches of the configuration that choose another way: of making an output which the judge found to prove nothing, or
//! one that exporters can follow.

use portwright_core::{Finding, InterfaceCard, PortPlan, Stage};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    class::unproven,
};
use crate::propose::{get, nodes};

/// How many switches are tried.
const FEW: usize = 5;

/// Switches that choose what is returned, trained or loaded, and not how an output is made.
const NOT: [&str; 14] = [
    "use_cache",
    "add_cross",
    "use_pretrained",
    "use_timm",
    "output_",
    "return_",
    "is_",
    "tie_",
    "freeze_",
    "disable_",
    "auxiliary_loss",
    "normalize_before",
    "_bias",
    "chunk_size",
];

/// Whether a field of this name chooses no way of making an output.
pub(super) fn is_no_way(name: &str) -> bool {
    NOT.iter().any(|part| name.contains(part))
}

/// Plans with one switch of the type's own configuration the other way.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let (Stage::Reference, Some(output)) = (finding.stage, unproven(finding)) else {
        return Vec::new();
    };
    let own = nodes(card).into_iter().next();
    let switches = own.into_iter().flat_map(|node| node.fields);
    switches
        .filter(|field| field.default.is_boolean())
        .filter(|field| !is_no_way(&field.name))
        .filter_map(|field| {
            let now = get(&plan.config, &field.name).unwrap_or(&field.default);
            let other = !now.as_bool()?;
            let mut next = plan.clone();
            next.config.insert(field.name.clone(), Value::Bool(other));
            let reason = format!("`{}` may choose how `{output}` is made", field.name);
            let key = format!("config.{}", field.name);
            Some(Candidate::setting(
                next,
                &key,
                searched("switches", finding, reason),
            ))
        })
        .take(FEW)
        .collect()
}

/// Plans with one switch that the modelling source has for exporters turned on.
pub fn for_exporters(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let off = |name: &&String| get(&plan.config, name) != Some(&Value::Bool(true));
    card.export_switches
        .iter()
        .filter(off)
        .map(|name| {
            let mut next = plan.clone();
            next.config.insert(name.clone(), Value::Bool(true));
            let reason = format!("with `{name}` the library's code takes a way made for exporters");
            let key = format!("config.{name}");
            Candidate::setting(next, &key, searched("export-switch", finding, reason))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use portwright_core::Backend;
    use serde_json::json;

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn a_switch_for_exporters_is_turned_on_once() {
        let card = fixtures::card(json!({"export_switches": ["for_export"]}));
        let finding = Finding {
            backend: Some(Backend::ONNXRUNTIME),
            ..fixtures::finding(Stage::Compare, "values differ: output logits")
        };
        let plan = fixtures::features();
        let found = for_exporters(&card, &plan, &finding);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].plan.config["for_export"], json!(true));
        assert!(for_exporters(&card, &found[0].plan, &finding).is_empty());
    }
}
