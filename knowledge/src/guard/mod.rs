//! Guards of torch patches: what a replacement function may hold, asked of its source before any of it runs.
//!
//! A patch stands in for one function while a model is exported, so a wrong one is caught where the artefact is compared
//! with the eager reference. The guards keep out what could deceive that comparison or reach beyond the graph: each is a
//! file of its own and refuses with the line and a hint. What they cannot tell, whether the numbers are right, is the
//! judge's.

mod allowed;
mod attributes;
mod constant;
mod exceptions;
mod form;
mod names;
mod original;
mod refusal;
mod scope;
mod signature;
mod state;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeSet;

use portwright_core::{PortPlan, plan::TorchPatch};

pub use refusal::{PatchRefused, Refusal};

use original::Original;

/// A patch that passed every guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Of `torch`, `nn`, `F` and `math`, those that the source uses.
    pub libraries: BTreeSet<String>,
    /// Functions and classes of the target's own module that the source uses.
    pub helpers: BTreeSet<String>,
}

/// Asks every guard about `patch` of `plan`. `text_of` gives the source of a module by its dotted name, or `None` where
/// there is no such module.
pub fn admit(
    plan: &PortPlan,
    patch: &TorchPatch,
    text_of: impl Fn(&str) -> Option<String>,
) -> Result<Admitted, PatchRefused> {
    let original = scope::check(plan, patch)
        .and_then(|parts| {
            text_of(parts.module)
                .and_then(|text| Original::find(&text, &parts))
                .ok_or(Refusal::NoOriginal)
        })
        .map_err(|refusal| refused(patch, (1, refusal)))?;
    checked(patch, &original).map_err(|found| refused(patch, found))
}

/// Asks those guards alone that need not read what is replaced: whether it may be, and whether `patch` is one function.
/// For who proposes a patch; it is [`admit`] that lets one through.
pub fn well_formed(plan: &PortPlan, patch: &TorchPatch) -> Result<(), PatchRefused> {
    let refused = |found| refused(patch, found);
    let parts = scope::check(plan, patch).map_err(|refusal| refused((1, refusal)))?;
    let tree = form::parse(&patch.source).map_err(refused)?;
    form::one_function(tree.root_node(), &patch.source, parts.function).map_err(refused)?;
    Ok(())
}

fn refused(patch: &TorchPatch, (line, refusal): (u32, Refusal)) -> PatchRefused {
    PatchRefused {
        target: patch.target.clone(),
        line,
        refusal,
    }
}

/// What is refused, and the line of the patch's source on which it stands.
type Checked<T> = Result<T, (u32, Refusal)>;

fn checked(patch: &TorchPatch, original: &Original) -> Checked<Admitted> {
    let source = patch.source.as_str();
    let tree = form::parse(source)?;
    let function = form::one_function(tree.root_node(), source, &original.name)?;
    signature::check(function, source, original)?;
    exceptions::check(function)?;
    state::check(function, source)?;
    let admitted = names::check(function, source, original)?;
    attributes::check(function, source, original)?;
    constant::check(function, source, original)?;
    Ok(admitted)
}
