//! `portwright knowledge trace`.

use std::{io::Read as _, path::PathBuf};

use clap::Args as ClapArgs;
use portwright_knowledge::tracing::{self, Sources};
use portwright_sandbox::environment::Environment;

use super::Common;
use crate::{error::CliError, exit, output, report::knowledge as report, settings::Settings};

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A file with a traceback as Python prints it; without it, standard input.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The folder of modelling code that the traceback goes through, where it is not the library's.
    #[arg(long, value_name = "DIR")]
    pub source: Option<PathBuf>,
    /// The most characters to print.
    #[arg(long, value_name = "CHARACTERS", default_value_t = 6000)]
    pub budget: usize,
    #[command(flatten)]
    pub common: Common,
}

pub fn run(args: &Args, settings: &Settings) -> Result<(), CliError> {
    let traceback = read(args)?;
    let frames = tracing::frames(&traceback);
    if frames.is_empty() {
        return Err(CliError::usage(
            "there is no line such as `File \"…\", line 3, in forward` in this traceback",
            "give the whole text that Python printed",
        ));
    }
    let spec = settings.environment_spec(args.common.transformers.as_deref())?;
    let Some(environment) = Environment::open(&spec, &settings.environment_options()?)? else {
        return Err(CliError::new(
            exit::ENVIRONMENT,
            "the Python environment whose library the traceback goes through is not there",
            Some("run `portwright knowledge build`, which builds it".to_owned()),
        ));
    };
    let library = environment.site_packages.join("transformers");
    let sources = Sources::new(library, args.source.clone());
    let excerpt = tracing::excerpt(&sources, &frames, args.budget)
        .map_err(|error| CliError::new(exit::ENVIRONMENT, &error, Some(error.hint().to_owned())))?;
    let document = report::TraceDocument {
        schema: report::SCHEMA,
        library_version: environment.transformers().unwrap_or("unknown"),
        text: &excerpt.text,
        shown: excerpt.shown.iter().map(report::Shown::of).collect(),
        left_out: excerpt.left_out.iter().map(report::Shown::of).collect(),
    };
    if args.common.json {
        return output::json(&document);
    }
    output::line(report::trace(&document).trim_end())
}

fn read(args: &Args) -> Result<String, CliError> {
    let mut text = String::new();
    let read = match &args.file {
        Some(file) => std::fs::read_to_string(file).map(|read| text = read),
        None => std::io::stdin().read_to_string(&mut text).map(|_| ()),
    };
    read.map_err(|error| {
        let name = args
            .file
            .as_deref()
            .map_or("standard input".into(), |file| file.display().to_string());
        CliError::usage(
            format!("cannot read the traceback from {name}: {error}"),
            "give a text file, or pipe the traceback in",
        )
    })?;
    Ok(text)
}
