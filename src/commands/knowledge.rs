//! `portwright knowledge`: the index over the library's source and documentation, and the search in it.

mod build;
mod meaning;
mod measure;
mod search;
mod show;
mod trace;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use portwright_knowledge::{
    corpus::CorpusError,
    retrieval::{LookupError, RetrievalError, embed::EmbedError, vectors::VectorError},
};
use portwright_sandbox::environment::Environment;

use crate::{
    error::{CliError, chain},
    exit,
    session::knowledge_folder,
    settings::Settings,
};

#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// Build the index, or bring it up to date: only what changed is read again.
    Build(build::Args),
    /// Find what answers an error message or a question.
    Search(search::Args),
    /// Show a symbol, an operator or a section that the index holds, whole.
    Show(show::Args),
    /// Print the chain of definitions behind a traceback.
    Trace(trace::Args),
    /// Measure how well known answers are found, by words, by vectors and by both.
    Measure(measure::Args),
}

/// Options of every subcommand.
#[derive(Clone, Debug, ClapArgs)]
pub struct Common {
    /// The index of this release of Transformers.
    #[arg(long, value_name = "X.Y.Z")]
    pub transformers: Option<String>,
    /// One JSON document on stdout (docs/reference/json.md).
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &Args, settings: &Settings) -> Result<u8, CliError> {
    match &args.what {
        What::Build(args) => build::run(args, settings),
        What::Search(args) => search::run(args, settings),
        What::Show(args) => show::run(args, settings),
        What::Trace(args) => trace::run(args, settings),
        What::Measure(args) => measure::run(args, settings),
    }?;
    Ok(exit::PASSED)
}

/// Where an environment's knowledge lies.
struct Place {
    /// The folder of the text index.
    index: PathBuf,
    /// The file of the vectors, where they are not on a server.
    vectors: PathBuf,
    /// The collection of the vectors on a server.
    collection: String,
    /// The folder of the embedding model, which all environments share.
    model: PathBuf,
    environment: Environment,
    /// The release of Transformers that it was read from.
    library_version: String,
}

impl Place {
    fn of(environment: &Environment, settings: &Settings) -> Result<Self, CliError> {
        let cache = settings.environment_options()?.cache_dir;
        let index = knowledge_folder(&cache, environment);
        Ok(Self {
            vectors: index.with_file_name(format!("{}.vectors", environment.key)),
            collection: format!("portwright-{}", environment.key),
            model: index.with_file_name("model"),
            index,
            environment: environment.clone(),
            library_version: environment.transformers().unwrap_or("unknown").to_owned(),
        })
    }

    /// The place of the environment that is there already: a search builds none.
    fn built(common: &Common, settings: &Settings) -> Result<Self, CliError> {
        let spec = settings.environment_spec(common.transformers.as_deref())?;
        match Environment::open(&spec, &settings.environment_options()?)? {
            Some(environment) => Self::of(&environment, settings),
            None => Err(CliError::new(
                exit::ENVIRONMENT,
                "there is no index of the knowledge yet, nor the Python environment that it is read from",
                Some("run `portwright knowledge build`, which builds both".to_owned()),
            )),
        }
    }
}

impl From<LookupError> for CliError {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Retrieval(error) => error.into(),
            LookupError::Embed(error) => error.into(),
            LookupError::Vector(error) => error.into(),
        }
    }
}

impl From<EmbedError> for CliError {
    fn from(error: EmbedError) -> Self {
        Self::new(exit::ENVIRONMENT, chain(&error), Some(error.hint()))
    }
}

impl From<VectorError> for CliError {
    fn from(error: VectorError) -> Self {
        let code = match &error {
            VectorError::Server { .. } => exit::ENVIRONMENT,
            _ => exit::STORAGE,
        };
        Self::new(code, chain(&error), Some(error.hint()))
    }
}

impl From<RetrievalError> for CliError {
    fn from(error: RetrievalError) -> Self {
        let code = match &error {
            RetrievalError::NoIndex { .. } | RetrievalError::OtherVersion { .. } => {
                exit::ENVIRONMENT
            }
            RetrievalError::Corpus(_) => exit::ENVIRONMENT,
            _ => exit::STORAGE,
        };
        Self::new(code, chain(&error), Some(error.hint()))
    }
}

impl From<CorpusError> for CliError {
    fn from(error: CorpusError) -> Self {
        Self::new(exit::ENVIRONMENT, chain(&error), Some(error.hint()))
    }
}
