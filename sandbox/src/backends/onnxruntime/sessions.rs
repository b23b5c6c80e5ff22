//! The sessions of one artefact: one for all inputs, or where the runtime takes one combination of sizes in a session, one for
//! each.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use ort::{
    environment::Environment,
    session::{Session, builder::GraphOptimizationLevel},
};
use portwright_core::Backend;

use super::{
    profile::{self, Placed},
    provider,
    worker::{Failure, optimization, run, runtime},
};
use crate::{
    backends::caged::{Plugin, Request, Tuning},
    tensor::Tensors,
};

/// The sizes that named axes of an artefact are fixed to, by the names that it has for them.
pub type Sizes = BTreeMap<String, i64>;

/// How an artefact is loaded.
pub struct Loader<'a> {
    backend: Backend,
    environment: &'a Environment,
    artefact: &'a Path,
    tuning: &'a Tuning,
    plugin: Option<&'a Plugin>,
    fixed_sizes: bool,
}

impl<'a> Loader<'a> {
    /// How a request has it loaded.
    pub fn of(
        request: &'a Request,
        backend: Backend,
        environment: &'a Environment,
        artefact: &'a str,
    ) -> Self {
        Self {
            backend,
            environment,
            artefact: Path::new(artefact),
            tuning: &request.tuning,
            plugin: request.plugin.as_ref(),
            fixed_sizes: request.backend.fixed_sizes,
        }
    }

    /// Loads it, with what is executed noted in a file that begins with `profile`.
    pub fn load(&self, sizes: &Sizes, profile: Option<&Path>) -> Result<Session, Failure> {
        let level = self.tuning.optimization.as_deref();
        let level = level.map(optimization).transpose()?;
        let build = || -> ort::Result<Session> {
            let mut builder = Session::builder(self.environment)?;
            if let Some(level) = level {
                builder = builder.with_optimization_level(level)?;
            }
            if let Some(threads) = self.tuning.threads {
                builder = builder.with_intra_threads(threads)?;
            }
            for (axis, size) in sizes {
                builder = builder.with_dimension_override(axis, *size)?;
            }
            let provider = &self.backend.spec().provider;
            builder = provider::add(
                builder,
                self.environment,
                provider,
                self.plugin,
                self.tuning,
            )?;
            if let Some(profile) = profile {
                builder = builder.with_profiling(profile)?;
            }
            builder.commit_from_file(self.artefact)
        };
        build().map_err(runtime("load"))
    }

    /// The names of the axes of each input, empty for one of a fixed size. The runtime's own provider reads them.
    fn axes(&self) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        let build = || -> ort::Result<Session> {
            Session::builder(self.environment)?
                .with_optimization_level(GraphOptimizationLevel::Disable)?
                // Where none is named, a provider in a library of its own would be taken as well.
                .with_devices(provider::device_of(self.environment, provider::CPU), None)?
                .commit_from_file(self.artefact)
        };
        let session = build().map_err(runtime("load"))?;
        let axes = session.inputs().iter().map(|input| {
            let name = input.name();
            let plain = name.strip_prefix("input.").unwrap_or(name);
            let symbols = match input.dtype() {
                ort::value::ValueType::Tensor {
                    dimension_symbols, ..
                } => dimension_symbols.iter().cloned().collect(),
                _ => Vec::new(),
            };
            (plain.to_owned(), symbols)
        });
        Ok(axes.collect())
    }
}

/// The sessions of an artefact, of which one is kept at a time.
pub struct Sessions<'a> {
    loader: &'a Loader<'a>,
    work: &'a Path,
    axes: Option<BTreeMap<String, Vec<String>>>,
    kept: Option<Kept>,
    /// The sizes for which it has been seen where nodes are placed.
    counted: BTreeSet<Sizes>,
    placed: Placed,
}

struct Kept {
    session: Session,
    sizes: Sizes,
    /// What it executes is noted.
    profiled: bool,
}

impl<'a> Sessions<'a> {
    pub fn new(loader: &'a Loader<'a>, work: &'a Path) -> Self {
        Self {
            loader,
            work,
            axes: None,
            kept: None,
            counted: BTreeSet::new(),
            placed: Placed::default(),
        }
    }

    /// Counts the nodes in a session of its own: noting them would be in the measured times.
    pub fn count(&mut self, inputs: &Tensors) -> Result<(), Failure> {
        self.run(inputs)?;
        self.release()
    }

    pub fn run(&mut self, inputs: &Tensors) -> Result<Tensors, Failure> {
        run(self.session(inputs)?, inputs)
    }

    /// The session for these inputs. Until nodes were seen for their sizes, it notes what it executes.
    pub fn session(&mut self, inputs: &Tensors) -> Result<&mut Session, Failure> {
        let sizes = self.sizes_of(inputs)?;
        if self.kept.as_ref().is_none_or(|kept| kept.sizes != sizes) {
            self.release()?;
            let profiled = !self.counted.contains(&sizes);
            let profile = self.work.join("profile");
            let session = self
                .loader
                .load(&sizes, profiled.then_some(profile.as_path()))?;
            self.kept = Some(Kept {
                session,
                sizes,
                profiled,
            });
        }
        match &mut self.kept {
            Some(kept) => Ok(&mut kept.session),
            None => Err(Failure::new("load", "SessionError", "no session is kept")),
        }
    }

    /// Frees the session that is kept.
    pub fn release(&mut self) -> Result<(), Failure> {
        if let Some(mut kept) = self.kept.take()
            && kept.profiled
        {
            let placed = counted(&mut kept.session, self.loader.backend)?;
            // Where nothing was executed, nothing has been seen of these sizes yet.
            if !placed.nodes.is_empty() {
                self.counted.insert(kept.sizes);
            }
            self.placed.most(placed);
        }
        Ok(())
    }

    /// Where the nodes were executed, the most of every session.
    pub fn finish(mut self) -> Result<Placed, Failure> {
        self.release()?;
        Ok(self.placed)
    }

    fn sizes_of(&mut self, inputs: &Tensors) -> Result<Sizes, Failure> {
        if !self.loader.fixed_sizes {
            return Ok(Sizes::new());
        }
        let axes = match &mut self.axes {
            Some(axes) => axes,
            axes => axes.insert(self.loader.axes()?),
        };
        let mut sizes = Sizes::new();
        for (input, names) in axes {
            let Some(tensor) = inputs.get(input) else {
                continue;
            };
            let named = names.iter().zip(&tensor.shape);
            for (name, size) in named.filter(|(name, _)| !name.is_empty()) {
                sizes.insert(name.clone(), i64::try_from(*size).unwrap_or(i64::MAX));
            }
        }
        Ok(sizes)
    }
}

/// The nodes per execution provider in the profile of a session that has run.
pub fn counted(session: &mut Session, backend: Backend) -> Result<Placed, Failure> {
    let failed = |error: String| Failure::new("profile", "ProfileError", error);
    let path = session.end_profiling().map_err(runtime("profile"))?;
    let counted = fs::read(&path)
        .map_err(|error| error.to_string())
        .and_then(|text| {
            profile::placed(&text, &backend.spec().provider).map_err(|error| error.to_string())
        })
        .map_err(failed)?;
    fs::remove_file(&path).map_err(|error| failed(error.to_string()))?;
    Ok(counted)
}
