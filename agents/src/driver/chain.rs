//! A generation's prefill and decode steps with a cache, as what is taken to a backend.

use std::path::{Path, PathBuf};

use portwright_core::{
    Backend, Digest, Stage,
    job::{Cached, CachedArtefact, Job},
    plan::{Export, GenerationPlan},
};
use portwright_sandbox::{
    backends::Tuning,
    judge::{
        self, InputSet, Ran,
        branches::Branches,
        generation::{decodes, draw, reference, steps as step_inputs},
        inputs,
    },
};
use serde_json::json;

use super::{
    DriverError,
    analyse::answer,
    artefact::{Built, malformed},
    ground::{self, Failure, Ground, Phase, Reached, path_text, undrawable},
    launch::Launch,
    made::Made,
    port::Ported,
    steps::subfolder,
};

/// Timed repetitions of the example's chain of steps.
const REPEATS: u32 = 5;

/// One way of taking the steps of a recipe to a backend.
pub struct Chain<'a> {
    pub launch: &'a Launch<'a>,
    pub recipe: &'a GenerationPlan,
    pub checkpoint: &'a Path,
    /// How the artefacts are made; a backend that runs the module itself has none.
    pub export: Option<Export>,
}

impl Ported for Chain<'_> {
    type Main = Cached;

    fn launch(&self) -> &Launch<'_> {
        self.launch
    }

    fn digest(&self) -> Result<Digest, DriverError> {
        Ok(Digest::of_json(&(self.recipe, &self.export))?)
    }

    fn is_dynamic(&self, _: Backend) -> bool {
        self.export.as_ref().is_none_or(|export| export.dynamic)
    }

    fn tuning(&self) -> Tuning {
        let export = self.export.as_ref();
        Tuning {
            optimization: export.and_then(|export| export.runtime_optimization.clone()),
            threads: Some(self.launch.steps.session.threads),
        }
    }

    /// The judge's inputs, whole for the reference and in steps for the candidate, and the reference on them.
    async fn ground(&self, dynamic: bool) -> Reached<Ground> {
        let (launch, recipe) = (self.launch, self.recipe);
        let seed = launch.hidden_seed(Phase::Fresh)?;
        let drawn = match draw(recipe, dynamic, seed) {
            Ok(drawn) => drawn,
            Err(error) => return Ok(Err(undrawable(&error))),
        };
        let sets: Vec<InputSet> = drawn.iter().map(InputSet::outline).collect();
        let count = decodes(recipe, dynamic);
        let key = json!([recipe, dynamic, self.checkpoint]);
        let step = launch
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
                    source: launch.request.target.source.clone(),
                    checkpoint: path_text(self.checkpoint),
                    inputs: files.iter().map(|file| path_text(file)).collect(),
                    corners: Vec::new(),
                    branches: false,
                };
                let work = subfolder(folder, "job")?;
                launch.job_in(job, &work, vec![whole]).await
            })
            .await?;
        if let Some(failure) = Failure::of_report(Stage::Forward, &step.value) {
            return Ok(Err(failure));
        }
        let ran = match answer::<Ran>(&step.value) {
            Ok(ran) => ran,
            Err(error) => return Ok(Err(ground::malformed(&error.to_string()))),
        };
        let (work, input_folder) = (step.folder.join("job"), step.folder.join("steps"));
        let inputs = (sets.iter())
            .map(|set| input_folder.join(set.file_name()))
            .collect();
        let reference = reference(recipe, &work, &sets, count, ran.precise.is_some());
        Ok(reference.map_err(Failure::fail).map(|reference| Ground {
            checkpoint: self.checkpoint.to_owned(),
            input_folder,
            inputs,
            corners: Vec::new(),
            reference,
            branches: Branches::default(),
            exercised: Vec::new(),
            mixes_rows: false,
        }))
    }

    async fn make(&mut self, backend: Backend, _: &Ground) -> Reached<Made<Cached>> {
        let (launch, recipe) = (self.launch, self.recipe);
        let Some(export) = &self.export else {
            let why = "the recipe does not say how its steps are exported";
            return Ok(Err(malformed(backend, why)));
        };
        let key = json!([recipe, export, self.checkpoint]);
        let name = format!("build generation {backend}");
        let step = launch
            .steps
            .step(&name, &key, async |folder| {
                // What is traced is drawn from the plan's own seed: the hidden one is for the judge's inputs.
                let traced = draw(recipe, true, recipe.plan.weights.seed).map_err(undrawn)?;
                let traced = step_inputs(recipe, traced.get(..2).unwrap_or(&traced), 1);
                let inputs =
                    inputs::write(&traced, &subfolder(folder, "traced")?).map_err(undrawn)?;
                let job = Job::BuildGeneration {
                    plan: Box::new(recipe.plan.clone()),
                    source: launch.request.target.source.clone(),
                    checkpoint: path_text(self.checkpoint),
                    export: export.clone(),
                    inputs: inputs.iter().map(|file| path_text(file)).collect(),
                };
                launch.job_in(job, folder, Vec::new()).await
            })
            .await?;
        if let Some(failure) = Failure::of_report(Stage::Export, &step.value) {
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
        let main = Cached {
            prefill: path(&prefill),
            decode: path(&decode),
        };
        let built = launch.read_artefact(backend, &step.folder, names)?;
        Ok(built.map(|built| Made {
            folder: step.folder,
            main,
            built,
            specialised: Vec::new(),
        }))
    }

    fn module(&self, _: Backend) -> Reached<(PathBuf, Built)> {
        // The library's own code is what runs.
        Ok(Ok((PathBuf::new(), Built::nothing(self.digest()?))))
    }

    fn job(&self, backend: Backend, ground: &Ground, artefact: Option<&Cached>) -> Job {
        Job::Generate {
            backend,
            plan: Box::new(self.recipe.plan.clone()),
            source: self.launch.request.target.source.clone(),
            checkpoint: path_text(self.checkpoint),
            artefact: artefact.cloned(),
            inputs: ground.inputs.iter().map(|file| path_text(file)).collect(),
            repeats: REPEATS,
        }
    }
}

fn undrawn(error: judge::InputError) -> DriverError {
    DriverError::Inputs(error.to_string())
}
