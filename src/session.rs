//! Opens what a launch needs: the Python environment (built on first use), the workers, the ledger.

mod catalogue;
mod model;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use portwright_agents::driver::{Observer, Session};
use portwright_core::Digest;
use portwright_ledger::Ledger;
use portwright_sandbox::{
    environment::Environment,
    isolation,
    judge::Tolerances,
    pool::{Limits, Walls, Workers, WorkersConfig},
};

use crate::{error::CliError, exit, settings::Settings};

pub use catalogue::{catalogue, kept};
pub use model::{ModelArgs, model};

/// Options of every command that opens a session.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SessionArgs {
    /// Use this release of Transformers, in an environment of its own.
    #[arg(long, value_name = "X.Y.Z")]
    pub transformers: Option<String>,
    /// The ledger's folder.
    #[arg(long, value_name = "DIR")]
    pub ledger: Option<PathBuf>,
    /// Run without isolation where the kernel allows none; the evidence of a pass says so.
    #[arg(long)]
    pub no_sandbox: bool,
    /// The most resident memory of a job's whole process tree, in MiB.
    #[arg(long, value_name = "MIB")]
    pub limit_memory: Option<u64>,
    /// The longest a job may take, in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub limit_seconds: Option<u64>,
    /// The most that the files of a job may take of the disk, in MiB.
    #[arg(long, value_name = "MIB")]
    pub limit_disk: Option<u64>,
}

/// Told how the preparation of a session goes on.
pub trait Progress: Observer {
    /// One line that stays.
    fn line(&self, text: &str);

    /// What is being done now.
    fn doing(&self, text: &str);
}

/// Opens a session as the options and settings say. A job has `threads`, or by default as many as there are processors.
pub async fn open<P: Progress + 'static>(
    args: &SessionArgs,
    threads: Option<usize>,
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
    let threads =
        threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let ledger = Ledger::open(settings.ledger_folder(args.ledger.as_deref())?)?;
    let scope = Digest::of_json(&(
        portwright_sandbox::code_digest(),
        &environment.key,
        unprotected,
        limits.memory_bytes,
        limits.wall.as_secs(),
        limits.cpu.as_secs(),
        limits.disk_bytes,
        threads,
    ))
    .map_err(CliError::internal)?;
    let identity = identity(&scope)?;
    let walls = if unprotected {
        Walls::Optional
    } else {
        Walls::Required
    };
    let knowledge = knowledge_folder(&options.cache_dir, &environment);
    let workers = Workers::new(WorkersConfig {
        python: environment.python.clone(),
        readable: environment.readable.clone(),
        cache: options.cache_dir.clone(),
        logs: ledger.folder().join("logs"),
        threads,
        walls,
    });
    Ok(Session {
        workers,
        elsewhere: Arc::default(),
        launcher: std::env::current_exe().map_err(CliError::internal)?,
        walls,
        environment,
        ledger,
        knowledge,
        cache: options.cache_dir,
        limits,
        tolerances: Tolerances::embedded().map_err(CliError::internal)?,
        identity,
        scope,
        threads,
        model: None,
        observer: live,
    })
}

/// The Python environment, built where it is not there yet.
pub async fn environment<P: Progress + 'static>(
    args: &SessionArgs,
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

/// The folder of the index of what is known of an environment, and beside it of what else is made for searching it.
pub fn knowledge_folder(cache: &Path, environment: &Environment) -> PathBuf {
    cache.join("knowledge").join(&environment.key)
}

/// Where jobs are shown copies of the folders that users name.
pub fn models(session: &Session) -> PathBuf {
    session.ledger.folder().join("models")
}

fn limits(args: &SessionArgs, settings: &Settings) -> Limits {
    let run = &settings.run;
    Limits {
        memory_bytes: args.limit_memory.unwrap_or(run.memory_limit_mib.get()) << 20,
        wall: Duration::from_secs(args.limit_seconds.unwrap_or(run.wall_seconds.get())),
        cpu: Duration::from_secs(run.cpu_seconds.get()),
        disk_bytes: args.limit_disk.unwrap_or(run.disk_limit_mib.get()) << 20,
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

pub fn storage(path: &Path, error: &std::io::Error) -> CliError {
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
