//! The artefacts of a plan: each is made once and shared by every backend that reads its format, and what it is made from is
//! made first, and shared in the same way.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use portwright_core::{
    Backend, Format, PortPlan, Stage,
    job::{Artefact, Job, Specialised},
};
use serde_json::json;

use super::{
    analyse::answer,
    artefact::{Built, malformed},
    ground::{Failure, Phase, Reached, path_text},
    launch::Launch,
};

/// An artefact that was made; `M` is its main file, or its files where an execution is given several.
#[derive(Clone)]
pub struct Made<M> {
    /// The work folder of the job that made it.
    pub folder: PathBuf,
    pub main: M,
    pub built: Built,
    /// What its making, and that of what it was made from, kept of the model's branches.
    pub specialised: Vec<Specialised>,
}

/// Makes the artefacts of one plan.
pub struct Artefacts<'a> {
    launch: &'a Launch<'a>,
    plan: &'a PortPlan,
    phase: Phase,
    made: BTreeMap<Format, Result<Made<PathBuf>, Failure>>,
}

impl<'a> Artefacts<'a> {
    pub fn new(launch: &'a Launch<'a>, plan: &'a PortPlan, phase: Phase) -> Self {
        Self {
            launch,
            plan,
            phase,
            made: BTreeMap::new(),
        }
    }

    /// The artefact that a backend reads, made with the skillset in `skillset` from `checkpoint`. What failed once fails for
    /// whoever asks next: making it again would end the same way, and is the dearest step there is.
    pub async fn of(
        &mut self,
        backend: Backend,
        skillset: &Path,
        checkpoint: &Path,
    ) -> Reached<Made<PathBuf>> {
        let mut last: Option<Made<PathBuf>> = None;
        // A skillset makes by itself what none of its backends reads: it has no name to be asked for that by.
        let way = self.plan.made_on_the_way_to(backend.reads());
        let asked = |format: &Format| *format == backend.reads() || self.asked(*format).is_some();
        for format in way.into_iter().filter(asked).collect::<Vec<_>>() {
            let made = match self.made.get(&format) {
                Some(known) => known.clone(),
                None => {
                    let job = self.job(format, backend, last.as_ref(), skillset, checkpoint);
                    let made = self.make(format, backend, job, last.as_ref()).await?;
                    self.made.insert(format, made.clone());
                    made
                }
            };
            match made {
                Ok(made) => last = Some(made),
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Ok(last.ok_or_else(|| malformed(backend, "the plan does not say how it is made")))
    }

    /// The backend by whose name a skillset is asked for a format; all that read it are given the same.
    fn asked(&self, format: Format) -> Option<Backend> {
        let mut backends = self.plan.backends.iter().copied();
        backends.find(|backend| backend.reads() == format)
    }

    fn job(
        &self,
        format: Format,
        backend: Backend,
        source: Option<&Made<PathBuf>>,
        skillset: &Path,
        checkpoint: &Path,
    ) -> Job {
        Job::Build {
            skillset: path_text(skillset),
            backend: self.asked(format).unwrap_or(backend),
            checkpoint: path_text(checkpoint),
            onnx: source.map(|source| path_text(&source.main)),
        }
    }

    async fn make(
        &self,
        format: Format,
        backend: Backend,
        job: Job,
        source: Option<&Made<PathBuf>>,
    ) -> Reached<Made<PathBuf>> {
        let key = json!([self.phase, format, self.plan, job]);
        let launch = self.launch;
        let step = launch
            .steps
            .step(&format!("build {format}"), &key, async |folder| {
                launch.job_in(job, folder, Vec::new()).await
            })
            .await?;
        if let Some(failure) = Failure::of_report(Stage::Export, &step.value) {
            return Ok(Err(failure));
        }
        let artefact: Artefact = match answer(&step.value) {
            Ok(artefact) => artefact,
            Err(error) => return Ok(Err(malformed(backend, &error.to_string()))),
        };
        let mut names = artefact.files.clone();
        names.push(artefact.main.clone());
        let built = match launch.read_artefact(backend, &step.folder, names)? {
            Ok(built) => built,
            Err(failure) => return Ok(Err(failure)),
        };
        let inherited = source.map_or(&[][..], |source| &source.specialised);
        Ok(Ok(Made {
            main: step.folder.join(&artefact.main),
            folder: step.folder,
            specialised: [inherited, &artefact.specialised].concat(),
            built,
        }))
    }
}
