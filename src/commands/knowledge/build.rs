//! `portwright knowledge build`.

use std::{io::IsTerminal as _, path::PathBuf, sync::Arc};

use clap::Args as ClapArgs;
use portwright_knowledge::{
    corpus::{Places, sources},
    retrieval,
};

use super::{Common, Place, meaning};
use crate::{
    error::CliError,
    output,
    report::{knowledge as report, live::Live, table::Style},
    runtime,
    session::{self, Progress as _, SessionArgs},
    settings::Settings,
};

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A folder of documentation in Markdown to have in the index as well; repeat it for several.
    #[arg(long, value_name = "DIR")]
    pub docs: Vec<PathBuf>,
    /// Compute vectors as well, for searching by meaning. The first time, this fetches a small embedding model (110 MB).
    #[arg(long)]
    pub vectors: bool,
    #[command(flatten)]
    pub common: Common,
}

pub fn run(args: &Args, settings: &Settings) -> Result<(), CliError> {
    for folder in &args.docs {
        if !folder.is_dir() {
            return Err(CliError::usage(
                format!("{} is no folder", folder.display()),
                "give --docs a folder that holds Markdown files",
            ));
        }
    }
    let terminal = std::io::stderr().is_terminal();
    let live = Arc::new(Live::new(
        terminal,
        args.common.json,
        Style { colour: false },
    ));
    let session = SessionArgs {
        transformers: args.common.transformers.clone(),
        ..SessionArgs::default()
    };
    let work = session::environment(&session, settings, live.clone());
    // From here on Ctrl-C ends the process at once: a build that is cut off leaves the index as it was.
    let environment = runtime::until_interrupted(None, work)?;
    let place = Place::of(&environment, settings)?;
    let sources = sources(&Places {
        site_packages: environment.site_packages.clone(),
        docs: args.docs.clone(),
    })?;
    // The ledger keeps repairs as sentences for people only, so none can be handed in yet.
    let repairs = [];
    let mut said = 0;
    let built = retrieval::build(&place.index, &sources, &repairs, &mut |done, all| {
        let tenth = done * 10 / all.max(1);
        if done == 1 || tenth > said {
            said = tenth;
            live.doing(&format!("reading the library: {done}/{all} files"));
        }
    });
    let built = built?;
    let vectors = match args.vectors {
        true => Some(meaning::build(&place, settings, &*live)?),
        false => None,
    };
    live.finish();
    let document = report::BuildDocument {
        schema: report::SCHEMA,
        library_version: &place.library_version,
        index: &place.index,
        built: &built,
        vectors,
    };
    if args.common.json {
        return output::json(&document);
    }
    output::line(report::built(&document).trim_end())
}
