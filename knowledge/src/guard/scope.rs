//! What a patch may replace: functions of modelling code that run in the forward pass.

use portwright_core::{
    PortPlan,
    plan::{PatchTarget, TorchPatch},
};

use super::Refusal;

/// Where the library keeps its models.
const MODELS: &str = "transformers.models.";

pub(super) fn check<'p>(
    plan: &PortPlan,
    patch: &'p TorchPatch,
) -> Result<PatchTarget<'p>, Refusal> {
    let parts = patch.parts().ok_or(Refusal::NoOriginal)?;
    let own = parts.module == plan.module;
    let library = parts.module.strip_prefix(MODELS).is_some_and(|rest| {
        let file = rest.rsplit_once('.').map(|(_, file)| file);
        file.is_some_and(|file| file.starts_with("modeling_"))
    });
    // A plan's own module is one of the library's models, or a file of a folder; never the library's machinery.
    let folder = !plan.module.contains('.') && own;
    if !library && !folder {
        return Err(Refusal::OutOfScope {
            module: parts.module.to_owned(),
        });
    }
    let special = parts.function.starts_with("__")
        || ["_init_weights", "post_init", "tie_weights"].contains(&parts.function);
    if special {
        return Err(Refusal::NotInForward {
            function: parts.function.to_owned(),
        });
    }
    Ok(parts)
}
