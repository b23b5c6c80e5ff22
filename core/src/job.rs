//! What a sandboxed job is asked and what it answers: the versioned protocol between Rust and Python.
//!
//! Requests go to the Python fork server as JSON lines. A job answers with measurements and files; nothing it says
//! is a verdict.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    backend::Backend,
    ids::ModelType,
    plan::{Export, Method, PortPlan, Session},
};

/// The version of the protocol; both sides refuse any other.
pub const PROTOCOL: u32 = 1;

/// The status of a job that was ended because of what its files took of the disk.
pub const OUT_OF_DISK: &str = "limit on disk";

/// Which code a model type's classes come from. Paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum ModelSource {
    /// The installed Transformers.
    Library,
    /// A local folder with `config.json` (with `auto_map`) and modelling code.
    Folder { path: String },
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Job {
    /// Reads every model type of the installed library. Answers with an [`Inventory`](crate::Inventory).
    Catalogue,
    /// Reads one type's classes and defaults. Answers with an [`Introspection`].
    Introspect {
        model_type: ModelType,
        source: ModelSource,
    },
    /// Instantiates the plan's class, draws its weights, and writes a checkpoint folder `checkpoint/` below the work
    /// folder.
    Materialise {
        plan: Box<PortPlan>,
        source: ModelSource,
    },
    /// Runs the pristine library's model, eager attention, on each input file, writing a file of the same name below
    /// `outputs/`.
    Reference {
        plan: Box<PortPlan>,
        source: ModelSource,
        /// A folder with `config.json` and weights.
        checkpoint: String,
        /// Safetensors files, one per input set.
        inputs: Vec<String>,
        /// More such files, which the model may refuse with an error.
        #[serde(default)]
        corners: Vec<String>,
        /// Whether to look, on a model of its own, at which branches of the modelling code the sets take.
        #[serde(default)]
        branches: bool,
    },
    /// Imports the skillset's module and has it make a backend's artefact below `artefact/`. Answers with an
    /// [`Artefact`].
    Build {
        skillset: String,
        backend: Backend,
        checkpoint: String,
        /// The ONNX file that this attempt has made already, for a backend that converts it.
        #[serde(default)]
        onnx: Option<String>,
    },
    /// Runs a backend on each input file. Answers with an [`Execution`].
    Execute {
        backend: Backend,
        /// The skillset's folder, where the module itself is what runs (`torch-cpu`).
        skillset: Option<String>,
        /// The artefact's main file.
        artefact: Option<String>,
        checkpoint: String,
        inputs: Vec<String>,
        /// More such files, which the artefact may refuse with an error.
        #[serde(default)]
        corners: Vec<String>,
        /// Timed repetitions on the first input set.
        repeats: u32,
        /// Loads and unloads over which the memory slope is fitted.
        reloads: u32,
    },
    /// Runs the library's model and an ONNX file on one input file, and answers with a [`Divergence`]: the first module
    /// whose values the file does not give.
    Diverge {
        plan: Box<PortPlan>,
        source: ModelSource,
        checkpoint: String,
        /// The ONNX file.
        artefact: String,
        inputs: Vec<String>,
    },
    /// Exports the plan's class as a prefill and a decode step with the cache as inputs and outputs, below `artefact/`.
    /// Answers with a [`CachedArtefact`].
    BuildGeneration {
        plan: Box<PortPlan>,
        source: ModelSource,
        checkpoint: String,
        export: Export,
        /// Files of step inputs in the example's and in other sizes: what is traced, and which axes are free.
        inputs: Vec<String>,
    },
    /// Runs a prefill and the decode steps after it on each file of step inputs, each step given the cache that the
    /// one before it left. Writes each step's logits. Answers with an [`Execution`] whose latencies are of whole chains.
    Generate {
        backend: Backend,
        plan: Box<PortPlan>,
        source: ModelSource,
        checkpoint: String,
        /// The artefacts; absent where the library's own class is what runs (`torch-cpu`).
        artefact: Option<Cached>,
        inputs: Vec<String>,
        /// Timed repetitions on the first input set.
        repeats: u32,
    },
    /// Runs the skillset's own tests with pytest. Answers with a [`TestReport`].
    Pytest { skillset: String },
}

impl Job {
    /// What the job is for, e.g. `build onnxruntime`.
    pub fn step(&self) -> String {
        match self {
            Job::Catalogue => "catalogue".to_owned(),
            Job::Introspect { .. } => "introspect".to_owned(),
            Job::Materialise { .. } => "materialise".to_owned(),
            Job::Reference { .. } => "reference".to_owned(),
            Job::Build { backend, .. } => format!("build {}", backend.reads()),
            Job::Execute { backend, .. } => format!("run {backend}"),
            Job::Diverge { .. } => "diverge".to_owned(),
            Job::Pytest { .. } => "test".to_owned(),
            Job::BuildGeneration { .. } => "build generation".to_owned(),
            Job::Generate { backend, .. } => format!("generate {backend}"),
        }
    }
}

/// A type as the library shows it. Paths of files are absolute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Introspection {
    pub model_type: ModelType,
    /// The type whose classes and configuration these are, where the type is a part that no class takes by itself.
    #[serde(default)]
    pub whole: Option<ModelType>,
    pub library_version: String,
    pub config_class: IntrospectedClass,
    /// The default configuration's fields as JSON.
    pub defaults: serde_json::Map<String, Value>,
    pub attribute_map: BTreeMap<String, String>,
    pub sub_configs: BTreeMap<String, IntrospectedSubConfig>,
    pub classes: Vec<IntrospectedModel>,
    /// Fields of nested configurations, by dotted path, whose values are the parent's choice and not the default of
    /// their own class.
    #[serde(default)]
    pub inherited: Vec<String>,
    /// Processor-like configurations found for the type (image processor, feature extractor), by class name.
    #[serde(default)]
    pub processors: BTreeMap<String, Value>,
    /// What those processors made of one small synthetic image, video or waveform, by the name of the tensor.
    #[serde(default)]
    pub processed: BTreeMap<String, Processed>,
}

/// A tensor that a processor returned for one sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Processed {
    /// The element type by its name in NumPy.
    pub dtype: String,
    pub shape: Vec<u64>,
    /// `image`, `video` or `audio`: what the processor was given.
    pub modality: String,
}

/// A class and where it is defined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntrospectedClass {
    pub name: String,
    pub module: String,
    pub file: String,
}

/// A nested configuration as introspection shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntrospectedSubConfig {
    pub class: String,
    pub defaults: serde_json::Map<String, Value>,
    pub attribute_map: BTreeMap<String, String>,
}

/// A model class as introspection shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntrospectedModel {
    pub name: String,
    pub module: String,
    pub file: String,
    /// Auto classes that map to it, e.g. `AutoModelForCausalLM`.
    pub auto_classes: Vec<String>,
    pub main_input: String,
    /// Parameters of `forward`: name, whether required, default as text.
    pub parameters: Vec<IntrospectedParameter>,
    /// The methods that are called instead, where the class has no `forward`; `parameters` are then theirs.
    #[serde(default)]
    pub methods: Vec<Method>,
    /// The object that `forward` takes in place of tensors, where it takes one; `parameters` are then what it is made from.
    #[serde(default)]
    pub session: Option<Session>,
    /// `input_modalities` where the class declares them.
    #[serde(default)]
    pub modalities: Vec<String>,
    /// Whether the class can generate: it has the library's generation mix-in.
    #[serde(default)]
    pub generates: bool,
    /// Whether its module does not have the configuration class under its name.
    #[serde(default)]
    pub ignores_config: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntrospectedParameter {
    pub name: String,
    pub required: bool,
    #[serde(default)]
    pub default: Option<String>,
}

/// A built artefact. Paths are relative to the job's work folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Artefact {
    /// The main file, e.g. `artefact/model.onnx`.
    pub main: String,
    /// All its files, the main one included.
    pub files: Vec<String>,
    /// Seconds spent.
    pub seconds: f64,
    /// What the exporter said that a person should know.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Where the exporter made a constant of a value or a size, or a guard on one.
    #[serde(default)]
    pub specialised: Vec<Specialised>,
}

/// A place in modelling code of which a conversion keeps one side or one value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Specialised {
    /// Without the folders of this machine, as in `transformers/models/bert/modeling_bert.py`.
    pub file: String,
    pub line: u32,
    /// What the exporter said of it.
    pub why: String,
}

/// The two artefacts of cached generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cached {
    /// Takes the first tokens; gives their logits and the cache.
    pub prefill: String,
    /// Takes one token and the cache; gives its logits and the cache.
    pub decode: String,
}

/// Built artefacts of cached generation. Paths are relative to the job's work folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CachedArtefact {
    #[serde(flatten)]
    pub main: Cached,
    /// All its files, both artefacts included.
    pub files: Vec<String>,
    /// Seconds spent.
    pub seconds: f64,
}

/// What a backend measured while it ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// The device that executed, as the runtime names it, e.g. `CPU`.
    pub device: String,
    /// Nodes per execution provider (or device); for torch the model's modules per device.
    pub nodes: BTreeMap<String, u64>,
    /// The operators of nodes that ran on another provider than the backend's, and how many there are of each; empty where
    /// the runtime does not name them.
    #[serde(default)]
    pub elsewhere: BTreeMap<String, u64>,
    /// Versions of what ran, e.g. `onnxruntime`.
    pub versions: BTreeMap<String, String>,
    /// Seconds to load the artefact.
    pub load_seconds: f64,
    /// Seconds of each timed repetition.
    pub latency_seconds: Vec<f64>,
    /// Resident bytes after each reload.
    #[serde(default)]
    pub reload_resident_bytes: Vec<u64>,
    /// Output files, one per input set, in the order of the inputs, relative to the work folder.
    pub outputs: Vec<String>,
    /// The corners that were refused, by the name of the set, each with the error.
    #[serde(default)]
    pub refused: BTreeMap<String, String>,
}

/// What pytest said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestReport {
    pub passed: u32,
    pub failed: u32,
    pub skipped: u32,
    /// Names and messages of what failed or was skipped.
    #[serde(default)]
    pub messages: Vec<String>,
}

/// An error that a job met, as Python saw it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobError {
    /// The exception's class, e.g. `KeyError`.
    pub exception: String,
    pub message: String,
    /// The traceback, outermost first.
    #[serde(default)]
    pub frames: Vec<Frame>,
    /// The exceptions that caused it, innermost last, each `Class: message`.
    #[serde(default)]
    pub causes: Vec<String>,
    /// What the job was doing when it failed, e.g. `instantiate`, `forward`, `export`.
    #[serde(default)]
    pub doing: String,
}

/// One line of a traceback.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    pub file: String,
    pub line: u32,
    pub function: String,
    #[serde(default)]
    pub code: String,
    /// The shapes of the tensors among the local variables, of the innermost frames.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tensors: BTreeMap<String, Vec<u64>>,
}

/// Where an artefact first differs from the library's model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// The module, and the lines of the library that computed what differs; absent where every module agrees.
    pub found: Option<JobError>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum JobOutcome {
    /// The job answered; `result` is the typed answer as JSON.
    Done {
        result: Value,
    },
    /// The job met an error and said so.
    Failed {
        error: JobError,
    },
    TimedOut {
        seconds: f64,
    },
    OutOfMemory {
        peak_bytes: u64,
        limit_bytes: u64,
    },
    /// The process died: a signal or an exit without an answer. `log` is the end of what it printed.
    Crashed {
        status: String,
        log: String,
    },
}

/// A finished job: its outcome and what the watchdog saw of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobReport {
    #[serde(flatten)]
    pub outcome: JobOutcome,
    /// The largest resident memory of the whole process tree that was seen, in bytes, and at least that of its largest
    /// process.
    pub peak_resident_bytes: u64,
    pub wall_seconds: f64,
    /// CPU time of the whole process tree, in seconds.
    #[serde(default)]
    pub cpu_seconds: f64,
    /// The isolation it ran under, e.g. `namespaces+landlock+seccomp`.
    pub isolation: String,
}
