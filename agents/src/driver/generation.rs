//! Cached generation: a generative type's prefill and decode steps on each backend, judged against one forward
//! without a cache.

use std::path::PathBuf;

use portwright_core::{
    Backend, Finding, InterfaceCard, PortPlan, Signature, Stage, Verdict,
    plan::{Export, GenerationPlan, Strategy},
    verdict::BackendVerdict,
};
use portwright_knowledge::propose;

use super::{
    DriverError,
    artefact::malformed,
    attempt,
    chain::Chain,
    ground::{Failure, Phase},
    launch::Launch,
    port::{all, not_passed, port},
};

/// What is remembered of a recipe holds for the recipes that are tried instead of it too: another number where those are
/// chosen in another way.
const INSTEAD: u32 = 1;

impl Launch<'_> {
    /// Takes cached generation to each backend; no verdicts for a type that does not generate.
    pub async fn generation(
        &self,
        card: &InterfaceCard,
        plan: &PortPlan,
        backends: &[Backend],
    ) -> Result<Vec<BackendVerdict>, DriverError> {
        if !self.request.effort.generation {
            return Ok(Vec::new());
        }
        let backends: Vec<Backend> = backends
            .iter()
            .copied()
            .filter(|backend| backend.spec().generates)
            .collect();
        let recipe = match propose::generation(card, plan) {
            Ok(Some(recipe)) => recipe,
            Ok(None) => {
                if let Some(class) = propose::cacheless(card) {
                    self.steps.decided(
                        "generation",
                        format!(
                            "`{class}` generates, but its `forward` takes and returns no cache"
                        ),
                    )?;
                }
                return Ok(Vec::new());
            }
            Err(error) => {
                let failure = Failure::fail(Box::new(Finding {
                    stage: Stage::Analyse,
                    backend: None,
                    signature: Signature::phrase("no recipe for generation"),
                    message: error.to_string(),
                    error: None,
                    hint: Some(error.hint().to_owned()),
                }));
                return Ok(all(&backends, &failure));
            }
        };
        let inputs = (
            &recipe,
            &backends,
            &self.request.target.source_digest,
            &self.request.checkpoint_digest,
            self.request.effort.keep_artefacts,
            INSTEAD,
        );
        // A limit of time may have been met because the machine was busy, and an absent backend may come.
        let lasting = |verdicts: &Vec<BackendVerdict>| verdicts.iter().all(attempt::lasting);
        self.steps
            .remembered("generation", &inputs, lasting, async || {
                self.follow(card, recipe.clone(), &backends).await
            })
            .await
    }

    /// Follows the recipe on each backend.
    async fn follow(
        &self,
        card: &InterfaceCard,
        recipe: GenerationPlan,
        backends: &[Backend],
    ) -> Result<Vec<BackendVerdict>, DriverError> {
        let checkpoint = match &self.request.checkpoint {
            Some(folder) => folder.clone(),
            None => match self.materialise(&recipe.plan, Phase::Fresh).await? {
                Ok(folder) => folder,
                Err(failure) => return Ok(all(backends, &failure)),
            },
        };
        let mut generation = Generation {
            launch: self,
            recipe,
            checkpoint,
        };
        let mut settled = false;
        let mut verdicts = Vec::with_capacity(backends.len());
        for &backend in backends {
            // What the steps are given is settled on the first backend that is there, and holds for the others.
            let verdict = if settled {
                generation.on(backend).await?
            } else {
                generation.settle(card, backend).await?
            };
            settled |= verdict.verdict != Verdict::Unavailable;
            self.steps.decided(
                "generation",
                format!("{backend}: {}", verdict.verdict.as_str()),
            )?;
            verdicts.push(verdict);
        }
        Ok(verdicts)
    }
}

/// One type's generation on its way to every backend.
struct Generation<'a> {
    launch: &'a Launch<'a>,
    recipe: GenerationPlan,
    checkpoint: PathBuf,
}

impl Generation<'_> {
    /// The verdict on a backend, with another recipe where the first does not pass and the other does.
    async fn settle(
        &mut self,
        card: &InterfaceCard,
        backend: Backend,
    ) -> Result<BackendVerdict, DriverError> {
        let first = self.on(backend).await?;
        let others = match &first.finding {
            Some(finding) if first.verdict == Verdict::Fail => {
                propose::generation_instead(card, &self.recipe, finding)
            }
            _ => Vec::new(),
        };
        for other in others {
            self.launch
                .steps
                .decided("generation", format!("{backend}: {}", other.reason))?;
            let recipe = std::mem::replace(&mut self.recipe, other.recipe);
            let verdict = self.on(backend).await?;
            if verdict.verdict == Verdict::Pass {
                return Ok(verdict);
            }
            self.recipe = recipe;
        }
        Ok(first)
    }

    /// The first way of making the artefacts that passes, or the verdict of the one that came furthest.
    async fn on(&self, backend: Backend) -> Result<BackendVerdict, DriverError> {
        if backend.runs_module() {
            return port(&mut self.chain(None), backend).await;
        }
        let mut furthest: Option<BackendVerdict> = None;
        for export in ways(self.recipe.plan.export_for(backend)) {
            let verdict = port(&mut self.chain(Some(export)), backend).await?;
            let stage = |of: &BackendVerdict| of.finding.as_ref().map(|finding| finding.stage);
            // What fails before the export fails in whatever way it is exported, and no export makes an absent backend come.
            if matches!(verdict.verdict, Verdict::Pass | Verdict::Unavailable)
                || stage(&verdict) <= Some(Stage::Reference)
            {
                return Ok(verdict);
            }
            if furthest.as_ref().is_none_or(|f| stage(f) < stage(&verdict)) {
                furthest = Some(verdict);
            }
        }
        Ok(furthest.unwrap_or_else(|| {
            let nothing = malformed(backend, "there is no way to export generation");
            not_passed(backend, &nothing)
        }))
    }

    fn chain(&self, export: Option<Export>) -> Chain<'_> {
        Chain {
            launch: self.launch,
            recipe: &self.recipe,
            checkpoint: &self.checkpoint,
            export,
        }
    }
}

/// The ways of exporting, tried in this order: free axes before fixed ones, the library's own exporter before
/// PyTorch's, and the tracer for what both others cannot guard on. What the plan's repairs found out about its own export
/// holds here too.
fn ways(found: Option<&Export>) -> Vec<Export> {
    let way = |strategy, dynamic| Export {
        strategy,
        dynamic,
        opset: found.and_then(|export| export.opset),
        optimize: found.is_none_or(|export| export.optimize),
        attention: found.map_or_else(|| "eager".to_owned(), |export| export.attention.clone()),
        runtime_optimization: found.and_then(|export| export.runtime_optimization.clone()),
        rewrites: Vec::new(),
    };
    // Both exporters begin with `torch.export`: what it cannot do with free axes, it cannot do for the other either.
    [
        (Strategy::Transformers, true),
        (Strategy::TorchScript, true),
        (Strategy::Transformers, false),
        (Strategy::TorchScript, false),
        (Strategy::TorchDynamo, false),
    ]
    .into_iter()
    .filter(|(_, dynamic)| !dynamic || found.is_none_or(|export| export.dynamic))
    .map(|(strategy, dynamic)| way(strategy, dynamic))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_axes_are_tried_before_fixed_ones() {
        let tried: Vec<_> = ways(None)
            .iter()
            .map(|way| (way.strategy, way.dynamic))
            .collect();
        assert_eq!(
            tried,
            [
                (Strategy::Transformers, true),
                (Strategy::TorchScript, true),
                (Strategy::Transformers, false),
                (Strategy::TorchScript, false),
                (Strategy::TorchDynamo, false)
            ]
        );
    }

    #[test]
    fn axes_that_the_plan_had_to_fix_are_not_tried_free() {
        let found = Export {
            dynamic: false,
            ..ways(None).remove(0)
        };
        assert!(ways(Some(&found)).iter().all(|way| !way.dynamic));
    }
}
