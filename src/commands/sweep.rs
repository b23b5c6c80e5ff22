//! `portwright sweep`: the way of a run for every model type of the release.

mod choice;

use std::{io::IsTerminal as _, sync::Arc, time::Instant};

use clap::Args as ClapArgs;
use portwright_agents::{
    driver::{Effort, Request, Session},
    sweep::{self, Item, SweepRequest},
};
use portwright_core::{Backend, Catalogue, Family, Kind, SweepId, Verdict};
use portwright_knowledge::{catalogue::diff, propose::ProposeOptions};
use portwright_ledger::Ledger;
use serde_json::json;

use choice::Wishes;

use crate::{
    backends::BackendArgs,
    commands::catalogue,
    error::CliError,
    exit, output,
    report::gauge::Gauge,
    runtime,
    session::{self, ModelArgs, Progress as _, SessionArgs},
    settings::Settings,
};

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Sweep these names only: model types, or names of the catalogue.
    #[arg(value_name = "TYPE")]
    pub names: Vec<String>,
    /// Sweep one architecture family, e.g. `decoder-only`; repeat for several.
    #[arg(long = "family", value_name = "FAMILY")]
    pub families: Vec<Family>,
    /// Sweep one kind of type: `base`, `task` or `part`; repeat for several.
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<Kind>,
    #[command(flatten)]
    pub backends: BackendArgs,
    /// Sweep so many only, spread evenly over the families.
    #[arg(long, value_name = "COUNT")]
    pub sample: Option<usize>,
    /// Sweep only types that are new or changed against this release or exported catalogue; by default against the
    /// release of the latest sweep.
    #[arg(long, value_name = "OLD", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub changed: Option<String>,
    /// Types worked on at once; by default as many as processors and memory allow.
    #[arg(short, long)]
    pub jobs: Option<usize>,
    /// Leave generation with a cache out, which costs about half as much again.
    #[arg(long)]
    pub no_generation: bool,
    /// Keep the artefacts of passes in the ledger's store; a whole release has tens of gigabytes of them.
    #[arg(long)]
    pub keep_artefacts: bool,
    /// Do everything again, even what the ledger holds.
    #[arg(long)]
    pub fresh: bool,
    /// The most repairs the fixer may propose for a type.
    #[arg(long)]
    pub attempts: Option<u32>,
    #[command(flatten)]
    pub model: ModelArgs,
    /// One JSON document on stdout (docs/reference/json.md).
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub session: SessionArgs,
}

pub fn run(args: &Args, settings: &Settings, _colour: bool) -> Result<u8, CliError> {
    let began = Instant::now();
    let settings = &settings.for_sweep();
    let terminal = std::io::stderr().is_terminal();
    let old = old(args, settings)?;
    let gauge = Arc::new(Gauge::new(terminal, args.json));
    let work = launch(args, settings, old.as_ref(), &gauge);
    let ended = runtime::until_interrupted(Some(runtime::GOES_ON), work);
    gauge.finish();
    let (session, sweep) = ended?;
    report(args, &session, &sweep, began.elapsed().as_secs_f64())
}

/// The catalogue that `--changed` compares with.
fn old(args: &Args, settings: &Settings) -> Result<Option<Catalogue>, CliError> {
    let Some(named) = args.changed.as_deref() else {
        return Ok(None);
    };
    let named = if named.is_empty() {
        let folder = args.session.ledger.as_deref();
        let ledger = Ledger::open(settings.ledger_folder(folder)?)?;
        let Some(latest) = ledger.sweeps()?.into_iter().next() else {
            return Err(CliError::usage(
                "there is no sweep in this ledger to compare with",
                "name a release or an exported catalogue: `--changed=5.20.2`",
            ));
        };
        latest.library_version
    } else {
        named.to_owned()
    };
    catalogue::side(Some(&named), &args.session, settings, args.json).map(Some)
}

async fn launch(
    args: &Args,
    settings: &Settings,
    old: Option<&Catalogue>,
    gauge: &Arc<Gauge>,
) -> Result<(Session, SweepId), CliError> {
    let jobs = args.jobs.unwrap_or_else(|| {
        let limit = args
            .session
            .limit_memory
            .unwrap_or(settings.run.memory_limit_mib.get())
            << 20;
        jobs(available_memory(), limit)
    });
    // The types share the processors between them, so each job has one.
    let mut session = session::open(&args.session, Some(1), settings, gauge.clone()).await?;
    session.model = session::model(&args.model, settings, &session, gauge.clone()).await?;
    let cache = settings.environment_options()?.cache_dir;
    let catalogue = session::catalogue(&session, &cache).await?;
    let backends = args.backends.chosen(&settings.run.backends);
    let fresh = args.fresh.then(session::nonce);
    let all = choice::all(&catalogue, &session::models(&session), &mut |line| {
        gauge.line(&line)
    })?;
    let wishes = Wishes {
        names: args.names.clone(),
        families: args.families.clone(),
        kinds: args.kinds.clone(),
        sample: args.sample,
    };
    let changed = old.map(|old| diff(old, &catalogue));
    let items: Vec<Item> = choice::choose(all, &wishes, changed.as_ref())?
        .into_iter()
        .map(|chosen| Item {
            name: chosen.name,
            entry: chosen.entry,
            request: Request {
                target: chosen.target,
                backends: backends.clone(),
                propose: ProposeOptions {
                    variant: chosen.variant,
                    ..ProposeOptions::default()
                },
                plan: None,
                search_from_plan: false,
                checkpoint: None,
                checkpoint_digest: None,
                checkpoint_weights: Vec::new(),
                analyst_budget: settings.run.plans.get(),
                analysis_seconds: settings.run.analysis_seconds.get(),
                attempts: args.attempts.unwrap_or(settings.run.attempts.get()),
                repair_seconds: settings.run.repair_seconds.get(),
                repository: None,
                fresh,
                effort: Effort {
                    generation: !args.no_generation,
                    keep_artefacts: args.keep_artefacts,
                    ..Effort::SWEEP
                },
                consult: session.model.as_ref().map(|model| model.consult().clone()),
            },
        })
        .collect();
    let request = SweepRequest {
        library_version: catalogue.library_version.clone(),
        items,
        backends: backends.clone(),
        jobs,
        settings: json!({ "backends": backends, "jobs": jobs }),
    };
    let sweep = sweep::sweep(&session, &request, gauge.as_ref()).await;
    session.workers.shutdown().await;
    Ok((session, sweep?))
}

/// As many types at once as processors, but no more than the memory holds jobs at half their limit: few come near it,
/// and hardly ever two at once.
fn jobs(memory: Option<u64>, limit: u64) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let fit = memory.map_or(processors, |memory| (memory / (limit / 2).max(1)) as usize);
    processors.min(fit).max(1)
}

/// The memory that new processes can have, as the kernel estimates it; `None` where it does not.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

fn report(args: &Args, session: &Session, sweep: &SweepId, seconds: f64) -> Result<u8, CliError> {
    let rows = session.ledger.rows(sweep)?;
    let passes = |backend: Backend| {
        rows.iter()
            .filter(|row| {
                row.verdict(backend)
                    .is_some_and(|v| v.verdict == Verdict::Pass)
            })
            .count()
    };
    let all_pass = rows
        .iter()
        .all(|row| row.verdicts.iter().all(|v| v.verdict == Verdict::Pass));
    if args.json {
        output::json(&json!({ "schema": 1, "sweep": sweep, "rows": rows, "seconds": seconds }))?;
    } else {
        output::line(&format!("{sweep} · {} types · {seconds:.0} s", rows.len()))?;
        for backend in Backend::all() {
            if rows.iter().any(|row| row.verdict(backend).is_some()) {
                let width = Backend::width();
                output::line(&format!("  {backend:<width$} {:>4} pass", passes(backend)))?;
            }
        }
        output::line("the coverage matrix: portwright report")?;
    }
    Ok(if all_pass && !rows.is_empty() {
        exit::PASSED
    } else {
        exit::NOT_PASSED
    })
}
