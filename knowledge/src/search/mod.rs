//! Search: what to try after a finding, bounded and in the order of what most often helps.
//!
//! [`candidates`] lists the plans one change away from a failed one; [`Frontier`] remembers what came of each and
//! decides from which failed plan to go on.

mod agreement;
mod axes;
mod batched;
mod candidate;
mod chance;
mod class;
mod config;
mod decoder;
mod entries;
mod exclusive;
mod export;
mod filled;
#[cfg(test)]
pub(crate) mod fixtures;
mod frontier;
mod groups;
mod identified;
mod ids;
mod indexed;
mod inputs;
mod instead;
mod keyed;
mod layered;
mod lengths;
mod longest;
mod made;
mod masks;
mod merged;
mod multiples;
mod part;
mod placeholders;
mod prompted;
mod proportion;
mod random;
mod ranks;
mod rates;
mod reshaped;
mod rotary;
mod scales;
mod scattered;
mod spread;
mod stages;
mod stated;
mod switches;
mod tables;
mod text;
mod tied;
mod unlisted;
mod unrolled;

use portwright_core::{
    Digest, Finding, InterfaceCard, PortPlan, Stage,
    plan::{Adaptation, AdaptationKind},
};

use crate::propose::refit;

pub use candidate::Candidate;
pub use frontier::Frontier;
pub(crate) use inputs::asked_for;
pub use part::NOT_CALLED;
pub(crate) use rotary::axes as rotary_axes;
pub use stated::STATED;
pub(crate) use text::said;

/// The largest number of plans tried from one failed plan.
const MOST: usize = 24;

/// Plans worth trying after `plan` met `finding`, best first, without those whose [`recipe`] is in `tried`.
pub fn candidates(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    tried: &[Digest],
) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::new();
    for mut candidate in all(card, plan, finding) {
        candidate.plan = refit(card, candidate.plan, &plan.config);
        let known = same_recipe(&candidate.plan, plan)
            || kept
                .iter()
                .any(|other| same_recipe(&other.plan, &candidate.plan))
            || recipe(&candidate.plan).is_some_and(|digest| tried.contains(&digest));
        if !known && candidate.plan.validate().is_ok() {
            kept.push(candidate);
        }
        if kept.len() == MOST {
            break;
        }
    }
    kept
}

fn all(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    match finding.stage {
        Stage::Instantiate => {
            let mut found = keyed::candidates(card, plan, finding);
            found.extend(stated::candidates(card, plan, finding));
            found.extend(tables::candidates(card, plan, finding));
            found.extend(agreement::candidates(card, plan, finding));
            found.extend(rotary::kinds(card, plan, finding));
            found.extend(rotary::sections(card, plan, finding));
            let mut named = config::named(plan, finding);
            let mut rest = named.split_off(named.len().min(1));
            found.append(&mut named);
            found.extend(filled::candidates(card, plan, finding));
            found.extend(config::plain(card, plan, finding));
            found.extend(config::library(plan, finding));
            found.append(&mut rest);
            found.extend(config::lists(plan, finding));
            found.extend(config::numbers(plan, finding));
            found.extend(config::restored(plan, finding));
            found
        }
        Stage::Reference if finding.signature.0 == NOT_CALLED => {
            part::candidates(card, plan, finding)
        }
        Stage::Analyse | Stage::Forward | Stage::Reference => {
            let mut found = class::candidates(card, plan, finding);
            found.extend(tables::candidates(card, plan, finding));
            found.extend(class::around(card, plan, finding));
            found.extend(longest::candidates(card, plan, finding));
            found.extend(indexed::candidates(card, plan, finding));
            found.extend(stages::candidates(card, plan, finding));
            found.extend(switches::candidates(card, plan, finding));
            found.extend(ids::candidates(card, plan, finding));
            found.extend(ids::listed(card, plan, finding));
            found.extend(chance::candidates(card, plan, finding));
            found.extend(masks::candidates(plan, finding));
            found.extend(masks::picks(plan, finding));
            found.extend(spread::candidates(plan, finding));
            found.extend(prompted::candidates(plan, finding));
            found.extend(prompted::assigned(plan, finding));
            found.extend(prompted::codes(card, plan, finding));
            found.extend(instead::candidates(card, plan, finding));
            found.extend(decoder::candidates(card, plan, finding));
            found.extend(multiples::of_patch(card, plan, finding));
            found.extend(groups::candidates(card, plan, finding));
            found.extend(agreement::candidates(card, plan, finding));
            found.extend(placeholders::not_handed_on(card, plan, finding));
            found.extend(placeholders::alone(plan, finding));
            found.extend(inputs::whole_mask(card, plan, finding));
            found.extend(merged::candidates(card, plan, finding));
            found.extend(identified::candidates(plan, finding));
            found.extend(identified::unlisted(plan, finding));
            found.extend(placeholders::counted(card, plan, finding));
            found.extend(scattered::candidates(plan, finding));
            found.extend(rotary::sections(card, plan, finding));
            found.extend(input_and_config(card, plan, finding));
            found
        }
        Stage::Generate
        | Stage::Export
        | Stage::Load
        | Stage::Execute
        | Stage::Compare
        | Stage::Test => {
            let mut found = export::candidates(plan, finding);
            let switches = switches::for_exporters(card, plan, finding);
            // Numbers that differ are most often code that no exporter follows; anything else is first asked to export.
            let place = usize::from(finding.stage != Stage::Compare).min(found.len());
            found.splice(place..place, switches);
            found.splice(..0, unrolled::candidates(card, plan, finding));
            found.splice(..0, batched::candidates(card, plan, finding));
            found
        }
    }
}

/// Changes of the inputs and of the configuration, mixed in the order of what most often helps.
fn input_and_config(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let mut found = stated::candidates(card, plan, finding);
    found.extend(axes::unpacked(card, plan, finding));
    found.extend(axes::patches(card, plan, finding));
    found.extend(reshaped::candidates(card, plan, finding));
    found.extend(multiples::candidates(plan, finding));
    found.extend(scales::candidates(card, plan, finding));
    found.extend(exclusive::candidates(card, plan, finding));
    found.extend(random::candidates(card, plan, finding));
    found.extend(layered::rows(plan, finding));
    found.extend(layered::channels(plan, finding));
    found.extend(layered::maps(plan, finding));
    found.extend(tied::candidates(card, plan, finding));
    found.extend(lengths::width(plan, finding));
    found.extend(lengths::within(plan, finding));
    found.extend(lengths::length(plan, finding));
    found.extend(proportion::candidates(plan, finding));
    found.extend(rates::candidates(card, plan, finding));
    found.extend(config::product(plan, finding));
    found.extend(made::candidates(card, plan, finding));
    found.extend(unlisted::tensor(card, plan, finding));
    found.extend(unlisted::number(card, plan, finding));
    found.extend(inputs::named(card, plan, finding).into_iter().take(1));
    found.extend(ranks::rank(plan, finding).into_iter().take(2));
    found.extend(inputs::named(card, plan, finding));
    found.extend(inputs::codebooks(plan, finding));
    found.extend(filled::candidates(card, plan, finding));
    let mut named = config::named(plan, finding);
    let mut rest = named.split_off(named.len().min(1));
    found.append(&mut named);
    let mut plain = config::plain(card, plan, finding);
    plain.extend(config::library(plan, finding));
    // Where the error names no input, the sizes are more suspect than the inputs; a reference that says too little is
    // more often cured by its weights and inputs.
    if finding.stage != Stage::Reference {
        let place = found.len().min(2);
        found.splice(place..place, plain.iter().cloned());
    }
    found.append(&mut rest);
    found.extend(config::heads(card, plan, finding));
    found.extend(config::sides(card, plan, finding));
    found.extend(config::lists(plan, finding));
    // Either a tensor or a layer has the wrong size; nothing tells which, so both are tried in turn.
    let mut layers = config::numbers(plan, finding).into_iter();
    for tensor in inputs::sizes(plan, finding) {
        found.extend(layers.next());
        found.push(tensor);
    }
    found.extend(layers);
    found.extend(inputs::general(card, plan, finding));
    found.extend(plain);
    found.extend(config::restored(plan, finding));
    found
}

/// Whether two plans do the same, wherever their settings came from.
fn same_recipe(a: &PortPlan, b: &PortPlan) -> bool {
    plain(a) == plain(b)
}

/// What a plan does, as a digest: two ways that lead to the same settings lead to one plan.
pub fn recipe(plan: &PortPlan) -> Option<Digest> {
    plain(plan).digest().ok()
}

fn plain(plan: &PortPlan) -> PortPlan {
    let mut plan = plan.clone();
    plan.adaptations.retain(acts);
    plan
}

/// Adaptations that do something by themselves, rather than record where a setting came from.
fn acts(adaptation: &Adaptation) -> bool {
    !matches!(adaptation.kind, AdaptationKind::Setting { .. })
}
