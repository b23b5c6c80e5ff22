//! The longest text, with nothing hidden: a model that pads a score for each token up to its longest text pads with minus
//! infinity, which is no number to compare.

use portwright_core::{
    Finding, InterfaceCard, PortPlan,
    plan::{Dim, Values},
};

use super::candidate::{Candidate, searched};
use crate::propose::{Role, get, join, nodes, role};

/// Longer texts cost more than they show.
const MOST: u64 = 512;

/// Plans whose texts are as long as a configuration says that they may be, and whose masks hide nothing.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    if !finding.signature.0.starts_with("reference not finite")
        || !plan.dims.contains_key("sequence")
    {
        return Vec::new();
    }
    let mut lengths: Vec<u64> = Vec::new();
    for node in nodes(card) {
        let bounds = node
            .fields
            .iter()
            .filter(|f| role(&f.common) == Role::Positions);
        for field in bounds {
            let set = get(&plan.config, &join(&node.path, &field.name)).unwrap_or(&field.default);
            let length = set.as_u64().filter(|length| (2..=MOST).contains(length));
            lengths.extend(length.filter(|length| !lengths.contains(length)));
        }
    }
    lengths
        .into_iter()
        .take(2)
        .map(|length| {
            let mut next = plan.clone();
            next.dims.insert(
                "sequence".into(),
                Dim {
                    example: length,
                    other: None,
                },
            );
            for input in next.inputs.iter_mut().filter(|i| i.values == Values::Mask) {
                input.values = Values::Constant { value: 1.0 };
            }
            let reason =
                format!("no score is padded where the text is as long as it may be: {length}");
            let provenance = searched("longest", finding, reason);
            Candidate::setting(next, "dims.sequence", provenance)
        })
        .collect()
}
