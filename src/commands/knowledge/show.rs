//! `portwright knowledge show`.

use clap::Args as ClapArgs;
use portwright_knowledge::retrieval::TextIndex;

use super::{Common, Place};
use crate::{error::CliError, output, report::knowledge as report, settings::Settings};

/// How many documents of one name are looked up; `forward` alone has thousands.
const MOST: usize = 20;

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A symbol (`Model.forward`), an operator (`Gather`), or FILE::SYMBOL as `search` prints it.
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub common: Common,
}

pub fn run(args: &Args, settings: &Settings) -> Result<(), CliError> {
    let place = Place::built(&args.common, settings)?;
    let index = TextIndex::open(&place.index)?;
    let documents = index.find(&args.name, MOST)?;
    if documents.is_empty() {
        let near = index.search(&args.name, &[], 3)?;
        let near: Vec<String> = near
            .iter()
            .map(|hit| format!("`{}`", hit.document.symbol))
            .collect();
        let hint = if near.is_empty() {
            "`portwright knowledge search WORDS` finds names by their words".to_owned()
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        return Err(CliError::usage(
            format!("nothing in the index is called `{}`", args.name),
            hint,
        ));
    }
    let document = report::ShowDocument {
        schema: report::SCHEMA,
        library_version: &place.library_version,
        documents: &documents,
    };
    if args.common.json {
        return output::json(&document);
    }
    output::line(report::show(&document).trim_end())
}
