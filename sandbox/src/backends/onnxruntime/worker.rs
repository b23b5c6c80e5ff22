//! The worker: the only process that loads ONNX Runtime. It runs in the cage, one process per attempt, and answers with
//! measurements and files.

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use ort::{
    environment::Environment,
    session::{Session, SessionInputValue, builder::GraphOptimizationLevel},
};
use portwright_core::{
    Backend,
    job::{Execution, Job, JobError, PROTOCOL},
};

use super::{
    chain,
    profile::Placed,
    provider,
    sessions::{Loader, Sessions},
    values,
};
use crate::{
    backends::caged::{self, Answer, Request},
    judge::OUTPUTS_FOLDER,
    tensor::{self, Tensors},
};

/// The hidden subcommand that a program's `main` hands to [`worker_main`].
pub const WORKER: &str = "__ort-worker";

/// Serves the request in the file at `path` and answers with the process's exit code: 0 when an answer was written.
///
/// It is to be called in a process of its own: the runtime it loads can crash, and is never unloaded.
pub fn worker_main(path: &Path) -> i32 {
    caged::serve(path, |request| {
        Ok(match serve(request) {
            Ok(execution) => Answer::Ok(execution),
            Err(failure) => Answer::Error(failure.into()),
        })
    })
}

/// A failure and what was being done.
pub(super) struct Failure {
    pub doing: &'static str,
    pub exception: &'static str,
    pub message: String,
}

impl Failure {
    pub fn new(doing: &'static str, exception: &'static str, message: impl ToString) -> Self {
        Self {
            doing,
            exception,
            message: message.to_string(),
        }
    }
}

impl From<Failure> for JobError {
    fn from(failure: Failure) -> Self {
        JobError {
            exception: failure.exception.to_owned(),
            message: failure.message,
            doing: failure.doing.to_owned(),
            ..JobError::default()
        }
    }
}

/// Names the runtime's own errors.
pub(super) fn runtime(doing: &'static str) -> impl Fn(ort::Error) -> Failure {
    move |error| Failure::new(doing, "OnnxRuntimeError", error)
}

fn serve(request: &Request) -> Result<Execution, Failure> {
    if let Job::Generate {
        backend,
        artefact: Some(artefact),
        inputs,
        repeats,
        ..
    } = &request.job
    {
        return chain::generate(
            *backend,
            request,
            &runtime_of(request, *backend)?,
            artefact,
            inputs,
            *repeats,
        );
    }
    let Job::Execute {
        backend,
        artefact: Some(artefact),
        inputs,
        corners,
        repeats,
        reloads,
        ..
    } = &request.job
    else {
        return Err(Failure::new(
            "load",
            "RequestError",
            "this worker only executes an artefact",
        ));
    };
    let environment = runtime_of(request, *backend)?;
    let loader = Loader::of(request, *backend, &environment, artefact);
    let mut sessions = Sessions::new(&loader, &request.work);
    let sets = inputs
        .iter()
        .map(|path| Ok((Path::new(path), read_inputs(Path::new(path))?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    let Some((_, example)) = sets.first() else {
        return Err(Failure::new("execute", "RequestError", "no input set"));
    };
    sessions.count(example)?;
    let began = Instant::now();
    sessions.session(example)?;
    let load_seconds = began.elapsed().as_secs_f64();
    let mut outputs = Vec::with_capacity(sets.len());
    for (path, inputs) in &sets {
        let produced = sessions.run(inputs)?;
        outputs.push(write_outputs(&request.work, path, &produced)?);
    }
    let mut refused = BTreeMap::new();
    for path in corners.iter().map(Path::new) {
        let inputs = read_inputs(path)?;
        match sessions.run(&inputs) {
            Ok(produced) => outputs.push(write_outputs(&request.work, path, &produced)?),
            Err(failure) => {
                refused.insert(set_name(path), failure.message);
            }
        }
    }
    let mut latency_seconds = Vec::new();
    let session = sessions.session(example)?;
    for _ in 0..*repeats {
        let feeds = feeds(session, example)?;
        let began = Instant::now();
        session.run(feeds).map_err(runtime("execute"))?;
        latency_seconds.push(began.elapsed().as_secs_f64());
    }
    let mut reload_resident_bytes = Vec::new();
    for _ in 0..*reloads {
        sessions.release()?;
        sessions.run(example)?;
        reload_resident_bytes.push(resident_bytes()?);
    }
    let Placed { nodes, elsewhere } = sessions.finish()?;
    Ok(Execution {
        device: provider::device(&backend.spec().provider).to_owned(),
        nodes,
        elsewhere,
        versions: versions(request, *backend),
        load_seconds,
        latency_seconds,
        reload_resident_bytes,
        outputs,
        refused,
    })
}

/// The name of the set in a file.
fn set_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// Loads the runtime's library, after a look at whether the request is meant for this worker.
fn runtime_of(request: &Request, backend: Backend) -> Result<Environment, Failure> {
    if request.protocol != PROTOCOL {
        return Err(Failure::new(
            "load",
            "RequestError",
            format!("protocol {} is not {PROTOCOL}", request.protocol),
        ));
    }
    let environment = ort::init_from(&request.library)
        .map_err(|error| Failure::new("load", "LibraryError", error))?
        .with_telemetry(false)
        .build()
        .map_err(runtime("load"))?;
    if let Some(plugin) = &request.plugin {
        provider::register(&environment, &backend.spec().provider, plugin)?;
    }
    Ok(environment)
}

/// The versions of what runs.
pub(super) fn versions(request: &Request, backend: Backend) -> BTreeMap<String, String> {
    let own = ("onnxruntime".to_owned(), version(&request.library));
    let plugin = request.plugin.as_ref();
    let plugin = plugin.map(|plugin| (backend.to_string(), plugin.version.clone()));
    plugin.into_iter().chain([own]).collect()
}

pub(super) fn optimization(level: &str) -> Result<GraphOptimizationLevel, Failure> {
    match level {
        "disable" => Ok(GraphOptimizationLevel::Disable),
        "basic" => Ok(GraphOptimizationLevel::Level1),
        "extended" => Ok(GraphOptimizationLevel::Level2),
        "all" => Ok(GraphOptimizationLevel::All),
        other => Err(Failure::new(
            "load",
            "RequestError",
            format!("`{other}` is no optimisation level; they are disable, basic, extended, all"),
        )),
    }
}

/// The inputs that the graph has, by its own names. One that the exporter dropped because nothing uses it is not
/// fed: the judge sees by its probe whether nothing should have.
fn feeds<'a>(
    session: &Session,
    inputs: &'a Tensors,
) -> Result<Vec<(String, SessionInputValue<'a>)>, Failure> {
    session
        .inputs()
        .iter()
        .map(|input| {
            let name = input.name();
            let plain = name.strip_prefix("input.").unwrap_or(name);
            let tensor = inputs.get(plain).ok_or_else(|| {
                Failure::new(
                    "execute",
                    "InputError",
                    format!("the artefact wants an input `{name}` that the plan does not have"),
                )
            })?;
            Ok((name.to_owned(), values::feed(tensor)?))
        })
        .collect()
}

pub(super) fn run(session: &mut Session, inputs: &Tensors) -> Result<Tensors, Failure> {
    let feeds = feeds(session, inputs)?;
    let outputs = session.run(feeds).map_err(runtime("execute"))?;
    outputs
        .iter()
        .map(|(name, value)| Ok((name.to_owned(), values::fetch(name, &value)?)))
        .collect()
}

pub(super) fn read_inputs(path: &Path) -> Result<Tensors, Failure> {
    let failed = |error: String| Failure::new("read inputs", "InputError", error);
    let content = fs::read(path).map_err(|error| failed(format!("{}: {error}", path.display())))?;
    tensor::parse(&content, path).map_err(|error| failed(error.to_string()))
}

pub(super) fn write_outputs(
    work: &Path,
    input: &Path,
    outputs: &Tensors,
) -> Result<String, Failure> {
    let failed = |error: String| Failure::new("write outputs", "OutputError", error);
    let name = input
        .file_name()
        .ok_or_else(|| failed(format!("{} names no file", input.display())))?;
    let relative = Path::new(OUTPUTS_FOLDER).join(name);
    fs::create_dir_all(work.join(OUTPUTS_FOLDER)).map_err(|error| failed(error.to_string()))?;
    tensor::write(outputs, &work.join(&relative)).map_err(|error| failed(error.to_string()))?;
    Ok(relative.to_string_lossy().into_owned())
}

/// This process's resident memory, after what is unused was given back to the system.
fn resident_bytes() -> Result<u64, Failure> {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called at any time, takes a number and touches only memory that is free.
    unsafe {
        libc::malloc_trim(0);
    }
    let failed = |error: String| Failure::new("reload", "MemoryError", error);
    let text = fs::read_to_string("/proc/self/statm").map_err(|error| failed(error.to_string()))?;
    let pages: u64 = text
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .ok_or_else(|| failed(format!("`{}` tells no size", text.trim())))?;
    // SAFETY: a plain question to the C library, without a pointer.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Ok(pages * u64::try_from(page).unwrap_or(4096))
}

/// The version that the library carries in its file name, e.g. `1.31.1` in `libonnxruntime.so.1.31.1`.
fn version(library: &Path) -> String {
    let path = library
        .canonicalize()
        .unwrap_or_else(|_| library.to_owned());
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    match name.find(|c: char| c.is_ascii_digit()) {
        Some(at) => name[at..].trim_end_matches(".dylib").to_owned(),
        None => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_librarys_name() {
        assert_eq!(version(Path::new("/x/libonnxruntime.so.1.31.1")), "1.31.1");
        assert_eq!(
            version(Path::new("/x/libonnxruntime.1.31.1.dylib")),
            "1.31.1"
        );
        assert_eq!(version(Path::new("/x/libonnxruntime.so")), "unknown");
    }

    #[test]
    fn a_request_that_is_none_is_refused_without_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("request.json");
        assert_eq!(worker_main(&path), 2);
        fs::write(&path, "{}").unwrap();
        assert_eq!(worker_main(&path), 2);
    }

    #[test]
    fn an_unknown_optimisation_level_names_the_known_ones() {
        let failure = optimization("turbo").err().unwrap();
        assert!(failure.message.contains("extended"));
    }

    #[test]
    fn resident_memory_is_a_size() {
        assert!(resident_bytes().is_ok_and(|bytes| bytes > 1 << 16));
    }
}
