//! `portwright knowledge search`.

use clap::{
    Args as ClapArgs,
    builder::{PossibleValuesParser, TypedValueParser},
};
use portwright_knowledge::{corpus::DocumentKind, retrieval::Way};

use super::{Common, Place, meaning};
use crate::{error::CliError, output, report::knowledge as report, settings::Settings};

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The question: an error message, names, or plain words. Names of model types draw towards their files.
    #[arg(required = true, value_name = "WORDS")]
    pub words: Vec<String>,
    /// Only documents of this kind; repeat it for several.
    #[arg(long, value_parser = kinds())]
    pub kind: Vec<DocumentKind>,
    /// How to search; `both` and `vectors` need what `build --vectors` makes.
    #[arg(long, value_parser = ways())]
    pub by: Option<Way>,
    /// How many to show.
    #[arg(short = 'n', long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub limit: u16,
    #[command(flatten)]
    pub common: Common,
}

fn kinds() -> impl TypedValueParser<Value = DocumentKind> {
    PossibleValuesParser::new(DocumentKind::ALL.map(DocumentKind::as_str))
        .try_map(|text| DocumentKind::parse(&text).ok_or("not a kind"))
}

fn ways() -> impl TypedValueParser<Value = Way> {
    PossibleValuesParser::new(Way::ALL.map(Way::as_str))
        .try_map(|text| Way::parse(&text).ok_or("not a way to search"))
}

pub fn run(args: &Args, settings: &Settings) -> Result<(), CliError> {
    let place = Place::built(&args.common, settings)?;
    let query = args.words.join(" ");
    let by = args.by.unwrap_or(meaning::DEFAULT);
    let mut lookup = meaning::lookup(&place, by)?;
    let hits = lookup.search(by, &query, &args.kind, args.limit.into())?;
    let document = report::SearchDocument {
        schema: report::SCHEMA,
        library_version: &place.library_version,
        query: &query,
        by,
        hits: hits.iter().map(report::Found::of).collect(),
    };
    if args.common.json {
        return output::json(&document);
    }
    output::line(report::hits(&document).trim_end())
}
