//! `portwright catalogue`: every model type of a release, and what changed between two releases.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{
    Args as ClapArgs, Subcommand, builder::PossibleValuesParser, builder::TypedValueParser,
};
use portwright_core::{Catalogue, CatalogueEntry, Family, Kind};
use portwright_knowledge::catalogue::{self, CatalogueDiff, diff};

use crate::{
    error::CliError,
    exit, output,
    report::{
        catalogue::{self as tables, ShowDocument},
        catalogue_diff,
        live::Live,
        table::Style,
    },
    runtime,
    session::{self, Progress as _, SessionArgs},
    settings::Settings,
};

/// What `export` writes where it is told no other file.
const EXPORTED: &str = "huggingface_model_types.json";

#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// Every model type with its kind, family and main class.
    List(ListArgs),
    /// All that the catalogue knows of one model type.
    Show(ShowArgs),
    /// What is new, gone or changed between two releases of Transformers.
    Diff(DiffArgs),
    /// Write the catalogue to a JSON file.
    Export(ExportArgs),
}

#[derive(Debug, ClapArgs)]
pub struct ListArgs {
    /// Only this architecture family.
    #[arg(long, value_parser = families())]
    pub family: Option<Family>,
    /// Only this kind: `base` (`AutoModel` leads to a class), `task` (another auto class does), `part` (none does).
    #[arg(long, value_parser = kinds())]
    pub kind: Option<Kind>,
    /// One JSON document on stdout (docs/reference/json.md).
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub session: SessionArgs,
}

#[derive(Debug, ClapArgs)]
pub struct ShowArgs {
    /// A model type (`bert`) or a name that people use (`GPT-2`).
    #[arg(value_name = "TYPE")]
    pub name: String,
    /// One JSON document on stdout (docs/reference/json.md).
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub session: SessionArgs,
}

#[derive(Debug, ClapArgs)]
pub struct DiffArgs {
    /// The old side: a release such as `5.20.2`, or an exported JSON file.
    pub old: String,
    /// The new side; without it, the release that the other commands use.
    #[arg(conflicts_with = "transformers")]
    pub new: Option<String>,
    /// One JSON document on stdout (docs/reference/json.md).
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub session: SessionArgs,
}

#[derive(Debug, ClapArgs)]
pub struct ExportArgs {
    /// The file to write.
    #[arg(value_name = "FILE", default_value = EXPORTED)]
    pub file: PathBuf,
    #[command(flatten)]
    pub session: SessionArgs,
}

fn families() -> impl TypedValueParser<Value = Family> {
    PossibleValuesParser::new(Family::ALL.map(Family::as_str)).try_map(|text| {
        let known = Family::ALL
            .into_iter()
            .find(|family| family.as_str() == text);
        known.ok_or("not a family")
    })
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)).try_map(|text| {
        let known = Kind::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or("not a kind")
    })
}

pub fn run(args: &Args, settings: &Settings) -> Result<u8, CliError> {
    match &args.what {
        What::List(args) => list(args, settings),
        What::Show(args) => show(args, settings),
        What::Diff(args) => compare(args, settings),
        What::Export(args) => export(args, settings),
    }?;
    Ok(exit::PASSED)
}

fn list(args: &ListArgs, settings: &Settings) -> Result<(), CliError> {
    let mut catalogue = of_release(None, &args.session, settings, args.json)?;
    let all = catalogue.types.len();
    catalogue.types.retain(|entry| {
        args.family.is_none_or(|family| entry.family == family)
            && args.kind.is_none_or(|kind| entry.kind == kind)
    });
    if args.json {
        return output::json(&catalogue);
    }
    output::line(tables::list(&catalogue, all).trim_end())
}

fn show(args: &ShowArgs, settings: &Settings) -> Result<(), CliError> {
    let catalogue = of_release(None, &args.session, settings, args.json)?;
    let resolved = catalogue::resolve(&args.name, &catalogue.names())
        .map_err(|error| CliError::usage(&error, error.hint()))?;
    let entry: &CatalogueEntry = catalogue
        .get(resolved.model_type.as_str())
        .ok_or_else(|| CliError::internal("a name was resolved to a type that is not there"))?;
    let document = ShowDocument {
        schema: tables::SHOW_SCHEMA,
        library_version: &catalogue.library_version,
        name: resolved.name.as_deref(),
        variant: &resolved.variant,
        reason: resolved.reason.as_deref(),
        also: &resolved.also,
        entry,
    };
    if args.json {
        return output::json(&document);
    }
    output::line(tables::show(&document).trim_end())
}

fn compare(args: &DiffArgs, settings: &Settings) -> Result<(), CliError> {
    let old = side(Some(&args.old), &args.session, settings, args.json)?;
    let new = side(args.new.as_deref(), &args.session, settings, args.json)?;
    let found: CatalogueDiff = diff(&old, &new);
    if args.json {
        return output::json(&found);
    }
    output::line(catalogue_diff::render(&found, &new).trim_end())
}

fn export(args: &ExportArgs, settings: &Settings) -> Result<(), CliError> {
    let catalogue = of_release(None, &args.session, settings, false)?;
    let mut text = output::json_text(&catalogue)?;
    text.push('\n');
    output::file(&args.file, &text)?;
    output::line(&format!(
        "wrote {}: {} model types of Transformers {}",
        args.file.display(),
        catalogue.types.len(),
        catalogue.library_version
    ))
}

/// A catalogue by an exported file or a release; that of the options and settings where none is named.
pub fn side(
    named: Option<&str>,
    args: &SessionArgs,
    settings: &Settings,
    quiet: bool,
) -> Result<Catalogue, CliError> {
    match named {
        Some(text) if is_file(text) => of_file(Path::new(text)),
        named => of_release(named, args, settings, quiet),
    }
}

fn is_file(text: &str) -> bool {
    text.ends_with(".json") || text.contains(std::path::MAIN_SEPARATOR) || Path::new(text).is_file()
}

fn of_file(path: &Path) -> Result<Catalogue, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::usage(
            format!("cannot read the catalogue {}: {error}", path.display()),
            "give a release such as `5.20.2`, or a file that `portwright catalogue export` wrote",
        )
    })?;
    Catalogue::from_json(&text)
        .map_err(|error| CliError::usage(format!("{}: {error}", path.display()), error.hint()))
}

/// The catalogue of a release: of the named one, or else of the one that the options and settings name.
fn of_release(
    named: Option<&str>,
    args: &SessionArgs,
    settings: &Settings,
    quiet: bool,
) -> Result<Catalogue, CliError> {
    let mut args = args.clone();
    if let Some(release) = named {
        args.transformers = Some(release.to_owned());
    }
    let terminal = std::io::stderr().is_terminal();
    let live = Arc::new(Live::new(terminal, quiet, Style { colour: false }));
    let found = runtime::until_interrupted(None, load(&args, settings, &live));
    live.finish();
    found
}

async fn load(
    args: &SessionArgs,
    settings: &Settings,
    live: &Arc<Live>,
) -> Result<Catalogue, CliError> {
    let cache = settings.environment_options()?.cache_dir;
    let environment = session::environment(args, settings, live.clone()).await?;
    // A catalogue that is kept needs no ledger and no walls.
    if let Some(kept) = session::kept(&environment, &cache) {
        return Ok(kept);
    }
    live.doing("reading every model type of the library");
    let session = session::open(args, None, settings, live.clone()).await?;
    let found = session::catalogue(&session, &cache).await;
    session.workers.shutdown().await;
    found
}
