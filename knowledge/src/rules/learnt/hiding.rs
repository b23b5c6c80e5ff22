//! Repairs that hide a branch in place of porting it.
//!
//! An exporter that refuses a branch on values or sizes says something true of the model. Another exporter, or fixed axes,
//! makes the refusal go away by keeping the side that the example took, and a pass then rests on the input sets alone. A
//! port may do so and say what it is specialised to; as a rule for other types it would spread what nobody has seen.

use super::{Change, Repair};

/// How signatures name a guard on values or sizes, in lower case.
const GUARDS: [&str; 14] = [
    "guardondatadependent",
    "data-dependent",
    "data dependent",
    "datadependentoutput",
    "dynamic control flow",
    "could not guard",
    "unbacked",
    "_local_scalar_dense",
    "constraintviolation",
    "constraints violated",
    "not in range",
    "specialized",
    "specialised",
    "tracerwarning",
];

/// Whether a repair answers a guard on values or sizes by another exporter or by fixed axes, and by nothing else.
pub(super) fn hides_a_branch(repair: &Repair) -> bool {
    let signature = repair.signature.0.to_lowercase();
    let guards = GUARDS.iter().any(|words| signature.contains(words));
    guards && repair.changes.iter().all(is_about_the_way_alone)
}

/// Whether a change is one of how a model is converted, and leaves what it computes.
fn is_about_the_way_alone(change: &Change) -> bool {
    matches!(
        change,
        Change::Strategy { .. }
            | Change::Static
            | Change::PlainGraph
            | Change::RuntimeOptimization { .. }
    )
}
