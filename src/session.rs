//! Opens what a launch needs: the Python environment (built on first use), the workers, the ledger.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use portwright_agents::driver::{Observer, Session};
use portwright_core::{
    Catalogue, Digest,
    job::{Job, JobOutcome},
};
use portwright_ledger::Ledger;
use portwright_sandbox::{
    environment::Environment,
    isolation,
    judge::Tolerances,
    pool::{JobRequest, Limits, Walls, Workers, WorkersConfig},
};
use serde::Deserialize;

use crate::{error::CliError, exit, settings::Settings};

/// What commands that need a session ask of it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Another release of Transformers.
    pub transformers: Option<String>,
    pub ledger: Option<PathBuf>,
    pub no_sandbox: bool,
    /// The most resident memory of a job, in MiB.
    pub limit_memory: Option<u64>,
    pub limit_seconds: Option<u64>,
    /// Threads of a job; all processors by default.
    pub threads: Option<usize>,
}

/// Told how the preparation of a session goes on.
pub trait Progress: Observer {
    /// One line that stays.
    fn line(&self, text: &str);

    /// What is being done now.
    fn doing(&self, text: &str);
}

/// Opens a session as the options and settings say.
pub async fn open<P: Progress + 'static>(
    args: &Options,
    settings: &Settings,
    live: Arc<P>,
) -> Result<Session, CliError> {
    let unprotected = args.no_sandbox || !settings.sandbox.enabled;
    if !unprotected && let Err(reason) = isolation::probe().mode {
        return Err(CliError::new(
            exit::SANDBOX,
            format!("this machine cannot confine generated code: {reason}"),
            Some("use a kernel with Landlock and seccomp (Linux 5.13 or newer), or accept the risk with --no-sandbox".to_owned()),
        ));
    }
    let environment = environment(args, settings, live.clone()).await?;
    let options = settings.environment_options()?;
    let limits = limits(args, settings);
    let threads = args
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let ledger = Ledger::open(args.ledger.as_deref().unwrap_or(&settings.ledger.dir))?;
    let scope = Digest::of_json(&(
        portwright_sandbox::code_digest(),
        &environment.key,
        unprotected,
        limits.memory_bytes,
        limits.wall.as_secs(),
        limits.cpu.as_secs(),
        threads,
    ))
    .map_err(CliError::internal)?;
    let identity = identity(&scope)?;
    let walls = if unprotected {
        Walls::Optional
    } else {
        Walls::Required
    };
    let workers = Workers::new(WorkersConfig {
        python: environment.python.clone(),
        readable: environment.readable.clone(),
        cache: options.cache_dir,
        logs: ledger.folder().join("logs"),
        threads,
        walls,
    });
    Ok(Session {
        workers,
        launcher: std::env::current_exe().map_err(CliError::internal)?,
        walls,
        environment,
        ledger,
        limits,
        tolerances: Tolerances::embedded().map_err(CliError::internal)?,
        identity,
        scope,
        threads,
        observer: live,
    })
}

/// The Python environment, built where it is not there yet.
async fn environment<P: Progress + 'static>(
    args: &Options,
    settings: &Settings,
    live: Arc<P>,
) -> Result<Environment, CliError> {
    let options = settings.environment_options()?;
    let spec = settings.environment_spec(args.transformers.as_deref())?;
    if let Some(built) = Environment::open(&spec, &options)? {
        return Ok(built);
    }
    live.line("building the Python environment, once for this machine (it takes about 6 GB)");
    let built = tokio::task::spawn_blocking(move || {
        Environment::ensure(&spec, &options, &mut |progress| {
            live.doing(&progress.to_string())
        })
    });
    Ok(built.await.map_err(CliError::internal)??)
}

fn limits(args: &Options, settings: &Settings) -> Limits {
    let run = &settings.run;
    Limits {
        memory_bytes: args.limit_memory.unwrap_or(run.memory_limit_mib.get()) << 20,
        wall: Duration::from_secs(args.limit_seconds.unwrap_or(run.wall_seconds.get())),
        cpu: Duration::from_secs(run.cpu_seconds.get()),
        ..Limits::default()
    }
}

/// Everything outside a request that can change the way of a run: this program (its rules, templates and agents too)
/// and the scope of its results.
fn identity(scope: &Digest) -> Result<Digest, CliError> {
    let program = std::env::current_exe()
        .and_then(fs::read)
        .map_err(CliError::internal)?;
    Digest::of_json(&(Digest::of(program), scope)).map_err(CliError::internal)
}

/// The model types of the environment's library: asked of the library once, and kept beside the environment.
pub async fn catalogue(session: &Session, cache: &Path) -> Result<Catalogue, CliError> {
    let file = cache.join("catalogues").join(format!(
        "{}-{}.json",
        session.environment.key,
        &Workers::code_digest()[..16]
    ));
    if let Ok(text) = fs::read_to_string(&file)
        && let Ok(known) = serde_json::from_str::<Catalogue>(&text)
    {
        return Ok(known);
    }
    let work = session
        .ledger
        .folder()
        .join("work")
        .join(format!("catalogue-{}", std::process::id()));
    fs::create_dir_all(&work).map_err(|error| storage(&work, &error))?;
    let job = JobRequest {
        job: Job::Catalogue,
        work: work.clone(),
        readable: Vec::new(),
        limits: session.limits,
    };
    let report = session.workers.run(&job).await;
    fs::remove_dir_all(&work).map_err(|error| storage(&work, &error))?;
    let known = listed(
        &report
            .map_err(portwright_agents::driver::DriverError::from)?
            .outcome,
    )?;
    keep(&file, &known)?;
    Ok(known)
}

#[derive(Deserialize)]
struct Listed {
    library_version: String,
    types: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    model_type: String,
    config_class: String,
    auto_classes: std::collections::BTreeMap<String, Vec<String>>,
}

fn listed(outcome: &JobOutcome) -> Result<Catalogue, CliError> {
    match outcome {
        JobOutcome::Done { result } => {
            let listed: Listed =
                serde_json::from_value(result.clone()).map_err(CliError::internal)?;
            Ok(Catalogue {
                schema: 1,
                library_version: listed.library_version,
                types: listed
                    .types
                    .into_iter()
                    .map(|entry| portwright_core::CatalogueEntry {
                        kind: if entry.auto_classes.contains_key("AutoModel") {
                            portwright_core::Kind::Base
                        } else if entry.auto_classes.is_empty() {
                            portwright_core::Kind::Part
                        } else {
                            portwright_core::Kind::Task
                        },
                        family: portwright_core::Family::Component,
                        interface: Digest::of(&entry.model_type),
                        model_type: portwright_core::ModelType::new(entry.model_type),
                        config_class: entry.config_class,
                        auto_classes: entry.auto_classes,
                        own_classes: Vec::new(),
                        modalities: Vec::new(),
                        parents: Vec::new(),
                        deprecated: false,
                        generative: false,
                    })
                    .collect(),
            })
        }
        other => Err(CliError::new(
            exit::ENVIRONMENT,
            format!("the installed Transformers cannot list its model types: {other:?}"),
            Some("`portwright doctor` checks the environment".to_owned()),
        )),
    }
}

/// Written beside its place and moved there, so that a reader never sees half of it.
fn keep(file: &PathBuf, known: &Catalogue) -> Result<(), CliError> {
    let parent = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|error| storage(parent, &error))?;
    let half = file.with_extension(format!("{}.part", std::process::id()));
    let text = serde_json::to_vec(known).map_err(CliError::internal)?;
    fs::write(&half, text)
        .and_then(|()| fs::rename(&half, file))
        .map_err(|error| storage(file, &error))
}

fn storage(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(
        exit::STORAGE,
        format!("{}: {error}", path.display()),
        Some("check the free space and your right to write there".to_owned()),
    )
}

/// A number that no other launch has, for `--fresh`.
pub fn nonce() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_micros() as u64)
}
