//! Cached generation: a generative type's prefill and decode steps on each backend, judged against one forward
//! without a cache.

use std::path::PathBuf;

use portwright_core::{
    Backend, Digest, Finding, InterfaceCard, PortPlan, Signature, Stage, Verdict,
    job::{Cached, CachedArtefact, Job, JobReport},
    plan::{Export, GenerationPlan, Strategy},
    verdict::BackendVerdict,
};
use portwright_knowledge::propose;
use portwright_sandbox::{
    backends::{self, Tuning},
    judge::{
        self, Case, Expected, InputSet, Ran, Reference,
        generation::{decodes, draw, reference, steps as step_inputs},
        inputs,
    },
};
use serde_json::json;

use super::{
    DriverError, Request,
    analyse::answer,
    artefact::{self, Built, malformed},
    attempt::{self, all, not_passed, unavailable},
    execution::execute,
    ground::{self, Failure, Phase, hidden_seed, job_in, materialise, path_text, undrawable},
    steps::{Steps, subfolder},
};

/// Timed repetitions of the example's chain of steps.
const REPEATS: u32 = 5;

/// What is remembered of a recipe holds for the recipes that are tried instead of it too: another number where those are
/// chosen in another way.
const INSTEAD: u32 = 1;

/// Takes cached generation to each backend; no verdicts for a type that does not generate.
pub async fn generation(
    steps: &Steps<'_>,
    request: &Request,
    card: &InterfaceCard,
    plan: &PortPlan,
    backends: &[Backend],
) -> Result<Vec<BackendVerdict>, DriverError> {
    if !request.effort.generation {
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
                steps.decided(
                    "generation",
                    format!("`{class}` generates, but its `forward` takes and returns no cache"),
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
        &request.target.source_digest,
        &request.checkpoint_digest,
        request.effort.keep_artefacts,
        INSTEAD,
    );
    // A limit of time may have been met because the machine was busy, and an absent backend may come.
    let lasting = |verdicts: &Vec<BackendVerdict>| verdicts.iter().all(attempt::lasting);
    steps
        .remembered("generation", &inputs, lasting, async || {
            follow(steps, request, card, recipe.clone(), &backends).await
        })
        .await
}

/// Follows the recipe on each backend.
async fn follow(
    steps: &Steps<'_>,
    request: &Request,
    card: &InterfaceCard,
    recipe: GenerationPlan,
    backends: &[Backend],
) -> Result<Vec<BackendVerdict>, DriverError> {
    let checkpoint = match &request.checkpoint {
        Some(folder) => folder.clone(),
        None => match materialise(steps, request, &recipe.plan, Phase::Fresh).await? {
            Ok(folder) => folder,
            Err(failure) => return Ok(all(backends, &failure)),
        },
    };
    let mut generation = Generation {
        steps,
        request,
        recipe,
        checkpoint,
    };
    let mut verdicts = Vec::with_capacity(backends.len());
    for &backend in backends {
        let verdict = match backends::of(backend).probe(backend, steps.session.places()) {
            Err(absent) => unavailable(backend, absent.to_string(), absent.hint),
            // What the steps are given is settled on the first backend, and holds for the others.
            Ok(_) if verdicts.is_empty() => generation.settle(card, backend).await?,
            Ok(_) => generation.on(backend).await?,
        };
        steps.decided(
            "generation",
            format!("{backend}: {}", verdict.verdict.as_str()),
        )?;
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

/// One type's generation on its way to every backend.
struct Generation<'a> {
    steps: &'a Steps<'a>,
    request: &'a Request,
    recipe: GenerationPlan,
    checkpoint: PathBuf,
}

/// What generation is judged on.
struct Ground {
    /// The files of step inputs.
    files: Vec<PathBuf>,
    folder: PathBuf,
    reference: Reference,
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
            self.steps
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
            return self.judged(backend, None).await;
        }
        let mut furthest: Option<BackendVerdict> = None;
        for export in ways(self.recipe.plan.export_for(backend)) {
            let verdict = self.judged(backend, Some(&export)).await?;
            let stage = |of: &BackendVerdict| of.finding.as_ref().map(|finding| finding.stage);
            // What fails before the export fails in whatever way it is exported.
            if verdict.verdict == Verdict::Pass || stage(&verdict) <= Some(Stage::Reference) {
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

    /// Builds where there is something to build, executes, and has it judged.
    async fn judged(
        &self,
        backend: Backend,
        export: Option<&Export>,
    ) -> Result<BackendVerdict, DriverError> {
        let dynamic = export.is_none_or(|export| export.dynamic);
        let ground = match self.ground(dynamic).await? {
            Ok(ground) => ground,
            Err(failure) => return Ok(not_passed(backend, &failure)),
        };
        let plan = Digest::of_json(&(&self.recipe, export))?;
        let mut artefact = None;
        let (mut folder, mut built) = (PathBuf::new(), Built::nothing(plan.clone()));
        if let Some(export) = export {
            match self.build(backend, export).await? {
                Ok((cached, at, made)) => (artefact, folder, built) = (Some(cached), at, made),
                Err(failure) => return Ok(not_passed(backend, &failure)),
            }
        }
        let (report, work) = self.execute(backend, export, artefact, &ground).await?;
        let mut verdict = judge::judge(&Case {
            backend,
            expected: Expected::of(backend),
            tolerances: &self.steps.session.tolerances,
            reference: &ground.reference,
            report: &report,
            work: &work,
            artefact: &built.digest,
            artefact_bytes: built.bytes,
            plan: &plan,
            dynamic,
            artefact_has_sizes: export.is_some(),
            made: &[],
        });
        verdict.finding = verdict.finding.map(Finding::bounded);
        artefact::keep(self.steps, self.request, verdict.verdict, &folder, &built)?;
        Ok(verdict)
    }

    /// The judge's inputs, whole for the reference and in steps for the candidate, and the reference on them.
    async fn ground(&self, dynamic: bool) -> Result<Result<Ground, Failure>, DriverError> {
        let recipe = &self.recipe;
        let seed = hidden_seed(self.steps, Phase::Fresh)?;
        let drawn = match draw(recipe, dynamic, seed) {
            Ok(drawn) => drawn,
            Err(error) => return Ok(Err(undrawable(&error))),
        };
        let sets: Vec<InputSet> = drawn.iter().map(InputSet::outline).collect();
        let count = decodes(recipe, dynamic);
        let key = json!([recipe, dynamic, self.checkpoint]);
        let step = self
            .steps
            .step("generation reference", &key, async |folder| {
                let whole = subfolder(folder, "inputs")?;
                let files = inputs::write(&drawn, &whole).map_err(undrawn)?;
                let of_steps = subfolder(folder, "steps")?;
                inputs::write(&step_inputs(recipe, &drawn, count), &of_steps).map_err(undrawn)?;
                // The values go before the job begins.
                drop(drawn);
                let job = Job::Reference {
                    plan: Box::new(recipe.plan.clone()),
                    source: self.request.target.source.clone(),
                    checkpoint: path_text(&self.checkpoint),
                    inputs: files.iter().map(|file| path_text(file)).collect(),
                    corners: Vec::new(),
                    branches: false,
                };
                let work = subfolder(folder, "job")?;
                job_in(self.steps, self.request, job, &work, vec![whole]).await
            })
            .await?;
        if let Some(failure) = Failure::of_report(Stage::Forward, &step.value) {
            return Ok(Err(failure));
        }
        let work = step.folder.join("job");
        let folder = step.folder.join("steps");
        let ran = match answer::<Ran>(&step.value) {
            Ok(ran) => ran,
            Err(error) => return Ok(Err(ground::malformed(&error.to_string()))),
        };
        Ok(
            match reference(recipe, &work, &sets, count, ran.precise.is_some()) {
                Ok(reference) => Ok(Ground {
                    files: sets
                        .iter()
                        .map(|set| folder.join(set.file_name()))
                        .collect(),
                    folder,
                    reference,
                }),
                Err(finding) => Err(Failure::fail(finding)),
            },
        )
    }

    async fn build(
        &self,
        backend: Backend,
        export: &Export,
    ) -> Result<Result<(Cached, PathBuf, Built), Failure>, DriverError> {
        let recipe = &self.recipe;
        let key = json!([recipe, export, self.checkpoint]);
        let name = format!("build generation {backend}");
        let step = self
            .steps
            .step(&name, &key, async |folder| {
                // What is traced is drawn from the plan's own seed: the hidden one is for the judge's inputs.
                let traced = draw(recipe, true, recipe.plan.weights.seed).map_err(undrawn)?;
                let traced = step_inputs(recipe, traced.get(..2).unwrap_or(&traced), 1);
                let inputs =
                    inputs::write(&traced, &subfolder(folder, "traced")?).map_err(undrawn)?;
                let job = Job::BuildGeneration {
                    plan: Box::new(recipe.plan.clone()),
                    source: self.request.target.source.clone(),
                    checkpoint: path_text(&self.checkpoint),
                    export: export.clone(),
                    inputs: inputs.iter().map(|file| path_text(file)).collect(),
                };
                job_in(self.steps, self.request, job, folder, Vec::new()).await
            })
            .await?;
        if let Some(mut failure) = Failure::of_report(Stage::Export, &step.value) {
            failure.finding.backend = Some(backend);
            return Ok(Err(failure));
        }
        let artefact: CachedArtefact = match answer(&step.value) {
            Ok(artefact) => artefact,
            Err(error) => return Ok(Err(malformed(backend, &error.to_string()))),
        };
        let Cached { prefill, decode } = artefact.main;
        let mut names = artefact.files;
        names.extend([prefill.clone(), decode.clone()]);
        let path = |name: &str| path_text(&step.folder.join(name));
        let cached = Cached {
            prefill: path(&prefill),
            decode: path(&decode),
        };
        let built = artefact::read(self.steps, backend, &step.folder, names)?;
        Ok(built.map(|built| (cached, step.folder, built)))
    }

    async fn execute(
        &self,
        backend: Backend,
        export: Option<&Export>,
        artefact: Option<Cached>,
        ground: &Ground,
    ) -> Result<(JobReport, PathBuf), DriverError> {
        let key = json!([
            self.recipe,
            export,
            self.checkpoint,
            ground.folder,
            artefact
        ]);
        let name = format!("generate {backend}");
        let step = self
            .steps
            .step(&name, &key, async |folder| {
                let job = Job::Generate {
                    backend,
                    plan: Box::new(self.recipe.plan.clone()),
                    source: self.request.target.source.clone(),
                    checkpoint: path_text(&self.checkpoint),
                    artefact,
                    inputs: ground.files.iter().map(|file| path_text(file)).collect(),
                    repeats: REPEATS,
                };
                // Never the folder of the whole inputs, and never that of the reference.
                let mut readable = vec![ground.folder.clone()];
                readable.extend(self.request.checkpoint_weights.iter().cloned());
                let tuning = Tuning {
                    optimization: export.and_then(|e| e.runtime_optimization.clone()),
                    threads: None,
                };
                execute(self.steps, backend, job, folder, readable, tuning).await
            })
            .await?;
        Ok((step.value, step.folder.join("job")))
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

fn undrawn(error: judge::InputError) -> DriverError {
    DriverError::Inputs(error.to_string())
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
