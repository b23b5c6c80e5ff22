//! Steps under content keys: what is finished is never done again.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use portwright_core::{
    Digest, Finding, ModelType, PortPlan, RunId,
    event::Event,
    job::{Job, JobReport},
    text,
};
use portwright_ledger::NewStep;
use portwright_sandbox::{pool::Limits, process::measure};
use serde::{Serialize, de::DeserializeOwned};

use super::{DriverError, Met, Session, WAITS, space::remove_folder};

/// How much of what an agent decided is told, in characters.
const LONGEST_DECISION: usize = 2_000;

/// How many times the disk that one job may have the files of all steps of a launch may take. An honest one needs it for two
/// formats of a large artefact in both phases.
const FOLDERS: u64 = 4;

/// The steps of one run. Each has a folder `<run>/<key>/` that holds its files.
pub struct Steps<'a> {
    pub session: &'a Session,
    pub run: RunId,
    folder: PathBuf,
    /// The request's own number under `--fresh`: nothing that another launch remembers is found under it.
    fresh: Option<u64>,
    costs: Mutex<Costs>,
    trail: Mutex<Trail>,
}

/// What the jobs of a launch have used.
#[derive(Clone, Debug, Default)]
pub struct Costs {
    /// CPU seconds by step.
    pub cpu_seconds: BTreeMap<String, f64>,
    /// Seconds on the clock, of all jobs one after the other.
    pub wall_seconds: f64,
    /// The largest resident memory of any job, in bytes.
    pub peak_resident_bytes: u64,
}

impl Costs {
    /// CPU seconds of all steps together.
    pub fn seconds(&self) -> f64 {
        self.cpu_seconds.values().sum()
    }

    /// Whether more was used since `before` than a limit of CPU seconds allows, which bounds the clock too.
    pub fn exceed(&self, before: &Self, limit: u64) -> bool {
        let limit = limit as f64;
        self.seconds() - before.seconds() >= limit
            || self.wall_seconds - before.wall_seconds >= limit * WAITS as f64
    }
}

/// What a launch has met and tried.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// The failures before anything was repaired.
    pub met: Vec<Met>,
    /// How many other plans were proposed to repair them.
    pub proposals: u32,
    /// The model types from which the model is put together, where its class has no `forward`.
    pub components: Vec<ModelType>,
}

/// A finished step: its result and the folder with its files.
pub struct Finished<T> {
    pub value: T,
    pub folder: PathBuf,
}

impl<'a> Steps<'a> {
    pub fn new(session: &'a Session, run: RunId, fresh: Option<u64>) -> Result<Self, DriverError> {
        let folder = session.work_folder(&run);
        fs::create_dir_all(&folder).map_err(|source| DriverError::folder(&folder, source))?;
        Ok(Self {
            session,
            run,
            folder,
            fresh,
            costs: Mutex::default(),
            trail: Mutex::default(),
        })
    }

    /// Takes note of a failure of a plan in which nothing was repaired yet.
    pub fn met(&self, plan: &PortPlan, finding: &Finding) {
        self.on_trail(|trail| {
            trail.met.push(Met {
                plan: plan.clone(),
                finding: finding.clone(),
            });
        });
    }

    /// Counts a plan that was proposed in place of a failed one.
    pub fn proposed(&self) {
        self.on_trail(|trail| trail.proposals += 1);
    }

    /// Takes note of what the model is put together from.
    pub fn composed_of(&self, components: Vec<ModelType>) {
        self.on_trail(|trail| trail.components = components);
    }

    /// What this launch has met and tried so far.
    pub fn trail(&self) -> Trail {
        self.on_trail(|trail| trail.clone())
    }

    fn on_trail<T>(&self, act: impl FnOnce(&mut Trail) -> T) -> T {
        // A panic elsewhere leaves whole entries behind.
        act(&mut self.trail.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts what a job used.
    pub fn spent(&self, job: &Job, report: &JobReport) {
        self.spent_on(job.step(), report);
    }

    /// Counts what a process used that is no job of the protocol.
    pub fn spent_on(&self, step: String, report: &JobReport) {
        let mut costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        *costs.cpu_seconds.entry(step).or_default() += report.cpu_seconds;
        costs.wall_seconds += report.wall_seconds;
        costs.peak_resident_bytes = costs.peak_resident_bytes.max(report.peak_resident_bytes);
    }

    /// What the jobs of this launch have used so far.
    pub fn costs(&self) -> Costs {
        self.costs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Finds what any run has reached before, or does the work and remembers it where `keep` says so. For results that
    /// are complete by themselves: nothing of the files that led to them is needed again. `inputs` must hold
    /// everything that can change the result and is not part of the session's scope.
    pub async fn remembered<T, F>(
        &self,
        name: &str,
        inputs: &impl Serialize,
        keep: impl FnOnce(&T) -> bool,
        work: F,
    ) -> Result<T, DriverError>
    where
        T: Serialize + DeserializeOwned,
        F: AsyncFnOnce() -> Result<T, DriverError>,
    {
        let key = Digest::of_json(&(&self.session.scope, self.fresh, name, inputs))?;
        if let Some(done) = self.session.ledger.step_result(&key)? {
            self.event(Event::StepFinished {
                step: name.to_owned(),
                key,
                reused: true,
                seconds: 0.0,
            })?;
            return Ok(serde_json::from_value(done.result)?);
        }
        self.event(Event::StepStarted {
            step: name.to_owned(),
            key: key.clone(),
        })?;
        let began = Instant::now();
        let value = work().await?;
        if keep(&value) {
            let record = self.session.ledger.record_step(&NewStep {
                key: &key,
                step: name,
                run: &self.run,
                result: &serde_json::to_value(&value)?,
                artefacts: &[],
                seconds: began.elapsed().as_secs_f64(),
            })?;
            self.session.observer.event(&record);
        }
        Ok(value)
    }

    /// An empty folder for work whose files nobody needs afterwards.
    pub fn scratch(&self, name: &str) -> Result<PathBuf, DriverError> {
        let folder = self.folder.join(name);
        remove_folder(&folder)?;
        fs::create_dir_all(&folder).map_err(|source| DriverError::folder(&folder, source))?;
        Ok(folder)
    }

    /// What the next job may use. All jobs of a launch together have [`FOLDERS`] times the disk that one has.
    pub fn limits(&self) -> Limits {
        let limits = self.session.limits;
        let all = limits.disk_bytes.saturating_mul(FOLDERS);
        let left = all.saturating_sub(measure(&self.folder).bytes);
        Limits {
            disk_bytes: limits.disk_bytes.min(left),
            ..limits
        }
    }

    /// Removes the files of every step; their results stay in the ledger.
    pub fn remove_files(&self) -> Result<(), DriverError> {
        remove_folder(&self.folder)
    }

    /// Does a step, or finds it finished. `inputs` must hold everything that can change the result and is not the
    /// same for the whole run; `work` is given an empty folder of its own.
    pub async fn step<T, F>(
        &self,
        name: &str,
        inputs: &impl Serialize,
        work: F,
    ) -> Result<Finished<T>, DriverError>
    where
        T: Serialize + DeserializeOwned,
        F: AsyncFnOnce(&Path) -> Result<T, DriverError>,
    {
        let key = Digest::of_json(&(&self.run, name, inputs))?;
        let folder = self.folder.join(key.short());
        if let Some(done) = self.session.ledger.step_result(&key)?
            && folder.is_dir()
        {
            self.event(Event::StepFinished {
                step: name.to_owned(),
                key: key.clone(),
                reused: true,
                seconds: 0.0,
            })?;
            return Ok(Finished {
                value: serde_json::from_value(done.result)?,
                folder,
            });
        }
        self.event(Event::StepStarted {
            step: name.to_owned(),
            key: key.clone(),
        })?;
        let began = Instant::now();
        // What a killed try at this step left is removed: only a recorded step's files are trusted.
        remove_folder(&folder)?;
        fs::create_dir_all(&folder).map_err(|source| DriverError::folder(&folder, source))?;
        let value = work(&folder).await?;
        let record = self.session.ledger.record_step(&NewStep {
            key: &key,
            step: name,
            run: &self.run,
            result: &serde_json::to_value(&value)?,
            artefacts: &[],
            seconds: began.elapsed().as_secs_f64(),
        })?;
        self.session.observer.event(&record);
        Ok(Finished { value, folder })
    }

    /// Records an event and shows it.
    pub fn event(&self, event: Event) -> Result<(), DriverError> {
        let record = self.session.ledger.append_event(&self.run, &event)?;
        self.session.observer.event(&record);
        Ok(())
    }

    /// Says what an agent decided.
    pub fn decided(&self, agent: &str, what: impl Into<String>) -> Result<(), DriverError> {
        self.event(Event::Decided {
            agent: agent.to_owned(),
            // It may quote what a job says, and is shown in one line.
            what: text::cut(&text::line(&what.into()), LONGEST_DECISION),
        })
    }
}

/// Makes an empty subfolder of a step's folder.
pub fn subfolder(folder: &Path, name: &str) -> Result<PathBuf, DriverError> {
    let path = folder.join(name);
    fs::create_dir_all(&path).map_err(|source| DriverError::folder(&path, source))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_cpu_time_bounds_the_clock_too() {
        let costs = |cpu, wall_seconds| Costs {
            cpu_seconds: BTreeMap::from([("reference".to_owned(), cpu)]),
            wall_seconds,
            ..Costs::default()
        };
        let before = costs(10.0, 20.0);
        assert!(!costs(19.0, 49.0).exceed(&before, 10));
        assert!(costs(20.0, 30.0).exceed(&before, 10));
        assert!(costs(10.1, 50.0).exceed(&before, 10), "a job that sleeps");
    }
}
