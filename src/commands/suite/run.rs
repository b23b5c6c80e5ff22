//! `portwright suite run`.

use std::{io::IsTerminal as _, path::PathBuf, sync::Arc};

use clap::Args as ClapArgs;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use portwright_agents::{
    driver::{Effort, Request, Session},
    suite::{self, Case, Split, climb},
};
use portwright_core::verdict::JUDGE_VERSION;
use portwright_knowledge::propose::ProposeOptions;

use crate::{
    error::CliError,
    exit, output,
    report::{
        gauge::Gauge,
        suite::{Ended, SCHEMA, SuiteDocument, markdown},
    },
    runtime,
    session::{self, ModelArgs, Progress as _, SessionArgs},
    settings::Settings,
    target,
};

use super::SUITE;

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The suite's folder.
    #[arg(value_name = "DIR", default_value = SUITE)]
    pub suite: PathBuf,
    /// Run one half only: `development` or `held-out`.
    #[arg(long, value_name = "HALF", value_parser = half)]
    pub only: Option<Split>,
    /// Cases worked on at once.
    #[arg(short, long, default_value_t = 1)]
    pub jobs: usize,
    /// The most plans that the search and the fixer may propose for a case.
    #[arg(long, default_value_t = 12)]
    pub attempts: u32,
    #[command(flatten)]
    pub model: ModelArgs,
    /// One JSON document on stdout (docs/reference/json.md).
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub session: SessionArgs,
}

fn half(text: &str) -> Result<Split, String> {
    Split::ALL
        .into_iter()
        .find(|split| split.folder() == text)
        .ok_or_else(|| "a suite has the halves `development` and `held-out`".to_owned())
}

pub fn run(args: &Args, settings: &Settings) -> Result<u8, CliError> {
    let mut cases = suite::read_all(&args.suite)?;
    cases.retain(|case| args.only.is_none_or(|only| case.split == only));
    let settings = &settings.for_sweep();
    let gauge = Arc::new(Gauge::new(std::io::stderr().is_terminal(), args.json));
    let work = launch(args, settings, &cases, &gauge);
    let ended = runtime::until_interrupted(Some(runtime::GOES_ON), work);
    gauge.finish();
    let document = ended?;
    if args.json {
        output::json(&document)?;
    } else {
        output::line(markdown(std::slice::from_ref(&document)).trim_end())?;
    }
    let all = document.cases.iter().all(|ended| ended.climb.repaired);
    Ok(if all && !document.cases.is_empty() {
        exit::PASSED
    } else {
        exit::NOT_PASSED
    })
}

async fn launch(
    args: &Args,
    settings: &Settings,
    cases: &[Case],
    gauge: &Arc<Gauge>,
) -> Result<SuiteDocument, CliError> {
    let mut session = session::open(&args.session, Some(1), settings, gauge.clone()).await?;
    session.model = session::model(&args.model, settings, &session, gauge.clone()).await?;
    let cache = settings.environment_options()?.cache_dir;
    let (session, cache) = (&session, &cache);
    let climbing = cases.iter().map(|case| async move {
        let request = request(args, settings, session, case, cache).await?;
        let climb = climb(session, case, &request).await?;
        let ended = Ended {
            name: case.name.clone(),
            split: case.split,
            target: case.target.clone(),
            backend: case.backend,
            stage: case.met.stage,
            cause: case.met.cause.0.clone(),
            climb,
        };
        gauge.line(&ended.line());
        Ok::<_, CliError>(ended)
    });
    let ended: Result<Vec<Ended>, CliError> = stream::iter(climbing)
        .buffered(args.jobs.max(1))
        .try_collect()
        .await;
    session.workers.shutdown().await;
    Ok(SuiteDocument {
        schema: SCHEMA,
        library_version: session
            .environment
            .transformers()
            .unwrap_or_default()
            .to_owned(),
        judge_version: JUDGE_VERSION,
        model: session
            .model
            .as_ref()
            .map(|model| model.consult().model.clone()),
        attempts: args.attempts,
        cases: ended?,
    })
}

/// A launch of a case: its plan, on its backend alone.
async fn request(
    args: &Args,
    settings: &Settings,
    session: &Session,
    case: &Case,
    cache: &std::path::Path,
) -> Result<Request, CliError> {
    let resolved = target::resolve(&case.target, session, cache).await?;
    Ok(Request {
        target: resolved.target,
        backends: vec![case.backend],
        propose: ProposeOptions {
            variant: resolved.overrides,
            ..ProposeOptions::default()
        },
        plan: Some(case.plan.clone()),
        search_from_plan: true,
        checkpoint: None,
        checkpoint_digest: None,
        checkpoint_weights: Vec::new(),
        // The first plan is the case's own and no proposal.
        analyst_budget: args.attempts.saturating_add(1),
        analysis_seconds: settings.run.analysis_seconds.get(),
        attempts: args.attempts,
        repair_seconds: settings.run.repair_seconds.get(),
        repository: None,
        fresh: None,
        effort: Effort {
            generation: false,
            ..Effort::SWEEP
        },
        consult: session.model.as_ref().map(|model| model.consult().clone()),
    })
}
