//! Backbones of which too few maps are asked for: a neck that has a layer for each stage meets the last one's map in the
//! place of the first.

use portwright_core::{Finding, InterfaceCard, PortPlan, card::ConfigField};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    text,
};
use crate::propose::{get, join, put};

const NAMES: &str = "stage_names";
const ASKED: &str = "out_features";
/// What comes before the stages.
const STEM: &str = "stem";

/// The plans that ask a backbone for the maps of all its stages, where a convolution is given other channels than it has.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    if !said.contains("expected input") || !said.contains("channels, but got") {
        return Vec::new();
    }
    let own = ("", &card.config_fields);
    let nested = card.sub_configs.iter();
    let nested = nested.map(|(path, config)| (path.as_str(), &config.fields));
    std::iter::once(own)
        .chain(nested)
        .filter_map(|(path, fields)| {
            let stages = stages(fields)?;
            let key = join(path, ASKED);
            let asked = get(&plan.config, &key).or_else(|| value(fields, ASKED))?;
            if asked.as_array()?.len() >= stages.len() {
                return None;
            }
            let mut next = plan.clone();
            put(&mut next.config, &key, Value::from(stages));
            let reason = "a layer for each stage of the backbone needs the map of each";
            let provenance = searched("stages", finding, reason);
            Some(Candidate::setting(
                next,
                &format!("config.{key}"),
                provenance,
            ))
        })
        .collect()
}

/// The names of a backbone's stages.
fn stages(fields: &[ConfigField]) -> Option<Vec<Value>> {
    let names = value(fields, NAMES)?.as_array()?;
    let stages = names.iter().filter(|name| name.as_str() != Some(STEM));
    Some(stages.cloned().collect())
}

fn value<'a>(fields: &'a [ConfigField], name: &str) -> Option<&'a Value> {
    let field = fields.iter().find(|field| field.name == name)?;
    Some(&field.default)
}

#[cfg(test)]
mod tests {
    use portwright_core::Stage;
    use serde_json::json;

    use super::*;
    use crate::search::fixtures;

    fn card(asked: &[&str]) -> InterfaceCard {
        let backbone = json!({
            "class": "BackboneConfig", "attribute_map": {},
            "fields": [
                { "name": "stage_names", "default": ["stem", "stage1", "stage2"] },
                { "name": "out_features", "default": asked },
            ],
        });
        fixtures::card(json!({ "sub_configs": { "backbone_config": backbone } }))
    }

    fn tried(asked: &[&str], said: &str) -> Vec<Candidate> {
        let finding = fixtures::met(Stage::Forward, "RuntimeError", said, "x = self.conv(x)");
        candidates(&card(asked), &fixtures::prompt("", ""), &finding)
    }

    const SAID: &str = "Given groups=1, weight of size [8, 4, 1, 1], expected input[2, 16, 4, 4] to have 4 channels, \
                        but got 16 channels instead";

    #[test]
    fn a_backbone_is_asked_for_the_maps_of_all_its_stages() {
        let found = tried(&["stage2"], SAID);
        assert_eq!(found.len(), 1);
        let asked = get(&found[0].plan.config, "backbone_config.out_features");
        assert_eq!(asked, Some(&json!(["stage1", "stage2"])));
    }

    #[test]
    fn nothing_is_asked_for_where_all_are_given_or_the_error_is_another() {
        assert!(tried(&["stage1", "stage2"], SAID).is_empty());
        assert!(tried(&["stage2"], "mat1 and mat2 shapes").is_empty());
    }
}
