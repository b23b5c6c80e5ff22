//! A plan's forward, as what is taken to a backend.

use std::path::PathBuf;

use portwright_core::{Backend, Digest, PortPlan, job::Job};
use portwright_sandbox::backends::Tuning;

use super::{
    DriverError,
    artefact::Built,
    ground::{Ground, Phase, Reached, path_text},
    launch::Launch,
    made::{Artefacts, Made},
    port::Ported,
};

/// The files of a skillset that a backend runs that has no artefact.
const MODULE: [&str; 3] = ["skillset.py", "weights.py", "whole.py"];

/// One plan on its way to every backend.
pub struct Forward<'a> {
    launch: &'a Launch<'a>,
    plan: &'a PortPlan,
    phase: Phase,
    /// The rendered skillset's folder.
    pub skillset: PathBuf,
    artefacts: Artefacts<'a>,
}

impl<'a> Forward<'a> {
    /// With the skillset that was rendered into a folder.
    pub fn new(
        launch: &'a Launch<'a>,
        plan: &'a PortPlan,
        phase: Phase,
        skillset: PathBuf,
    ) -> Self {
        Self {
            launch,
            plan,
            phase,
            skillset,
            artefacts: Artefacts::new(launch, plan, phase),
        }
    }
}

impl Ported for Forward<'_> {
    type Main = PathBuf;

    fn launch(&self) -> &Launch<'_> {
        self.launch
    }

    fn digest(&self) -> Result<Digest, DriverError> {
        Ok(self.plan.digest()?)
    }

    fn is_dynamic(&self, backend: Backend) -> bool {
        let export = self.plan.export_for(backend);
        export.is_none_or(|export| export.dynamic)
    }

    fn tuning(&self) -> Tuning {
        Tuning::of(self.plan, self.launch.steps.session.threads)
    }

    async fn ground(&self, dynamic: bool) -> Reached<Ground> {
        let checkpoint = self.launch.request.checkpoint.as_deref();
        self.launch
            .prepare(self.plan, self.phase, dynamic, checkpoint)
            .await
    }

    async fn make(&mut self, backend: Backend, ground: &Ground) -> Reached<Made<PathBuf>> {
        self.artefacts
            .of(backend, &self.skillset, &ground.checkpoint)
            .await
    }

    fn module(&self, backend: Backend) -> Reached<(PathBuf, Built)> {
        let names = MODULE.map(str::to_owned).into();
        let built = self.launch.read_artefact(backend, &self.skillset, names)?;
        Ok(built.map(|built| (self.skillset.clone(), built)))
    }

    fn job(&self, backend: Backend, ground: &Ground, artefact: Option<&PathBuf>) -> Job {
        let texts = |files: &[PathBuf]| files.iter().map(|file| path_text(file)).collect();
        let effort = &self.launch.request.effort;
        Job::Execute {
            backend,
            skillset: artefact.is_none().then(|| path_text(&self.skillset)),
            artefact: artefact.map(|main| path_text(main)),
            checkpoint: path_text(&ground.checkpoint),
            inputs: texts(&ground.inputs),
            corners: texts(&ground.corners),
            repeats: effort.repeats,
            reloads: effort.reloads,
        }
    }
}
