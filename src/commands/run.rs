//! `portwright run`: the main job.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use clap::Args as ClapArgs;
use portwright_agents::driver::{self, Effort, Outcome, Request};
use portwright_core::{ModelType, PortPlan, text};
use portwright_knowledge::propose::ProposeOptions;

use crate::{
    backends::BackendArgs,
    error::CliError,
    exit, output,
    report::{
        json::{self, RunDocument},
        live::Live,
        table::{self, Style},
    },
    runtime,
    session::{self, ModelArgs, SessionArgs},
    settings::Settings,
    target,
};

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A model type (`bert`), a name of the catalogue (`GPT-2`), or a folder with `config.json` and its own
    /// modelling code.
    #[arg(value_name = "TYPE|FOLDER")]
    pub target: String,
    #[command(flatten)]
    pub backends: BackendArgs,
    /// The task whose class is ported, e.g. `base` or `causal-lm`; chosen by architecture family without it.
    #[arg(long)]
    pub task: Option<String>,
    /// Use this port plan instead of searching for one.
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Judge on the real configuration and weights in this folder instead of a small random model.
    #[arg(long, value_name = "DIR")]
    pub checkpoint: Option<PathBuf>,
    /// The skillset repository; created if absent.
    #[arg(long, value_name = "DIR")]
    pub repo: Option<PathBuf>,
    /// Commit nothing.
    #[arg(long)]
    pub no_commit: bool,
    /// Do everything again, even what the ledger holds.
    #[arg(long)]
    pub fresh: bool,
    /// The most repairs the fixer may propose.
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

pub fn run(args: &Args, settings: &Settings, colour: bool) -> Result<u8, CliError> {
    let began = Instant::now();
    let repository = (!args.no_commit)
        .then(|| repository(args, settings))
        .transpose()?;
    let plan = args.plan.as_deref().map(read_plan).transpose()?;
    let terminal = std::io::stderr().is_terminal();
    // Colours were decided for stdout; the live view is on stderr, which may be a terminal where stdout is none.
    let live = Arc::new(Live::new(
        terminal,
        args.json,
        Style {
            colour: terminal && colour,
        },
    ));
    let work = launch(args, settings, plan, repository.clone(), &live);
    let ended = runtime::until_interrupted(Some(runtime::GOES_ON), work);
    live.finish();
    let outcome = ended?;
    report(
        args,
        repository.as_deref(),
        &outcome,
        began.elapsed().as_secs_f64(),
        colour,
    )?;
    Ok(exit::of_outcome(&outcome))
}

async fn launch(
    args: &Args,
    settings: &Settings,
    plan: Option<PortPlan>,
    repository: Option<PathBuf>,
    live: &Arc<Live>,
) -> Result<Outcome, CliError> {
    let mut session = session::open(&args.session, None, settings, live.clone()).await?;
    session.model = session::model(&args.model, settings, &session, live.clone()).await?;
    let resolved = target::resolve(
        &args.target,
        &session,
        &settings.environment_options()?.cache_dir,
    )
    .await?;
    if let Some(plan) = &plan {
        check_plan(plan, &resolved.target.model_type)?;
    }
    let checkpoint = args
        .checkpoint
        .as_deref()
        .map(|folder| {
            let models = session::models(&session);
            target::checkpoint(folder, &resolved.target.model_type, &models)
        })
        .transpose()?;
    let (checkpoint, checkpoint_digest) = checkpoint.unzip();
    let (checkpoint, checkpoint_weights) = checkpoint
        .map(|copied| (copied.folder, copied.weights))
        .unzip();
    let request = Request {
        target: resolved.target,
        backends: args.backends.chosen(&settings.run.backends),
        propose: ProposeOptions {
            task: args.task.clone(),
            variant: resolved.overrides,
            ..ProposeOptions::default()
        },
        plan,
        search_from_plan: false,
        checkpoint,
        checkpoint_digest,
        checkpoint_weights: checkpoint_weights.unwrap_or_default(),
        analyst_budget: settings.run.plans.get(),
        analysis_seconds: settings.run.analysis_seconds.get(),
        attempts: args.attempts.unwrap_or(settings.run.attempts.get()),
        repair_seconds: settings.run.repair_seconds.get(),
        repository,
        fresh: args.fresh.then(session::nonce),
        effort: Effort::FULL,
        consult: session.model.as_ref().map(|model| model.consult().clone()),
    };
    let outcome = driver::run(&session, &request).await;
    session.workers.shutdown().await;
    Ok(outcome?)
}

/// A plan is for one model type: one for another would fail late, at a class or a field that this type does not have.
fn check_plan(plan: &PortPlan, asked: &ModelType) -> Result<(), CliError> {
    if plan.model_type == *asked {
        return Ok(());
    }
    Err(CliError::usage(
        format!("the plan is for `{}`, not for `{asked}`", plan.model_type),
        format!(
            "name `{}`, or give a plan for `{asked}` to --plan",
            plan.model_type
        ),
    ))
}

fn repository(args: &Args, settings: &Settings) -> Result<PathBuf, CliError> {
    let folder = settings.repository(args.repo.as_deref())?;
    // The ledger outlives this process's working folder.
    Ok(std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()))
}

fn read_plan(path: &Path) -> Result<PortPlan, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::usage(
            format!("cannot read the plan {}: {error}", path.display()),
            "check the path given to --plan",
        )
    })?;
    PortPlan::from_toml(&text)
        .map_err(|error| CliError::usage(format!("{}: {error}", path.display()), error.hint()))
}

fn report(
    args: &Args,
    repository: Option<&Path>,
    outcome: &Outcome,
    seconds: f64,
    colour: bool,
) -> Result<(), CliError> {
    if args.json {
        return output::json(&RunDocument {
            schema: json::SCHEMA,
            run: &outcome.run,
            model_type: &outcome.model_type,
            library_version: &outcome.library_version,
            class: outcome.class(),
            components: &outcome.components,
            verdicts: &outcome.verdicts,
            generation: &outcome.generation,
            commit: outcome.commit.as_deref(),
            branch: outcome.branch.as_deref(),
            reused: outcome.reused,
            seconds,
        });
    }
    let class = text::line(outcome.class().unwrap_or("no plan"));
    let reused = if outcome.reused {
        " · from the ledger, --fresh does it again"
    } else {
        ""
    };
    output::line(&format!(
        "\n{} · {class} · Transformers {} · {seconds:.1} s{reused}\n",
        outcome.model_type, outcome.library_version
    ))?;
    output::line(&table::render(&outcome.verdicts, Style { colour }))?;
    let methods = outcome.plan.iter().flat_map(|plan| &plan.methods);
    let methods: Vec<&str> = methods.map(|method| method.name.as_str()).collect();
    let components: Vec<&str> = outcome.components.iter().map(ModelType::as_str).collect();
    if let Some(apart) = apart(&methods, &components) {
        output::line(&apart)?;
    }
    if !outcome.generation.is_empty() {
        output::line(
            "generation with a cache: prefill and decode, against one forward without a cache\n",
        )?;
        output::line(&table::render(&outcome.generation, Style { colour }))?;
    }
    if let (Some(commit), Some(branch)) = (&outcome.commit, &outcome.branch) {
        output::line(&format!(
            "committed {} on branch {branch}",
            commit.get(..12).unwrap_or(commit)
        ))?;
        if let Some(repository) = repository {
            output::line(&format!(
                "  git -C {} switch {branch}",
                repository.display()
            ))?;
        }
    } else if !args.no_commit {
        output::line("nothing was committed, because nothing passed")?;
    }
    if !outcome.passed() {
        output::line(&format!("what happened: portwright runs {}", outcome.run))?;
    }
    Ok(())
}

/// What a pass on methods leaves out of a model that is put together from other model types: these run by themselves.
fn apart(methods: &[&str], components: &[&str]) -> Option<String> {
    let named = |names: &[&str]| format!("`{}`", names.join("`, `"));
    (!methods.is_empty() && !components.is_empty()).then(|| {
        format!(
            "the class has no `forward`: this is about its {}, and not about {}, from which it is put together\n",
            named(methods),
            named(components)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_on_methods_says_which_model_types_it_leaves_out() {
        let said = apart(&["decode"], &["coarse", "fine"]).unwrap();
        assert_eq!(
            said,
            "the class has no `forward`: this is about its `decode`, and not about `coarse`, `fine`, from which it is \
             put together\n"
        );
        assert_eq!(apart(&[], &["coarse"]), None);
        assert_eq!(apart(&["decode"], &[]), None);
    }
}
