//! The port plan: the one editable recipe of a port.
//!
//! Code is rendered from it and never edited by hand. It is a small TOML file; [`PortPlan::from_toml`] refuses
//! unknown keys and contradictions with the line they stand on.

mod adaptation;
mod generation;
mod input;
mod parse;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use adaptation::{Adaptation, AdaptationKind, PatchTarget, Provenance, Source, TorchPatch};
pub use generation::{Feed, GenerationPlan, step_name};
pub use input::{Axis, Dim, Dtype, InputSpec, Run, Values};
pub use parse::PlanError;

use crate::{backend::Backend, digest::Digest, family::Family, format::Format, ids::ModelType};

/// The version of the plan's TOML form.
pub const SCHEMA: u32 = 2;

/// The recipe of a port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortPlan {
    pub schema: u32,
    pub model_type: ModelType,
    pub family: Family,
    /// The release of Transformers on which the plan was found.
    pub library_version: String,
    /// The model class, e.g. `BertModel`.
    pub class: String,
    /// Its module, e.g. `transformers.models.bert.modeling_bert`; for a local folder the file's stem, e.g.
    /// `modeling_palm`.
    pub module: String,
    pub config_class: String,
    /// The module that defines the configuration class, where that of the model class does not import it, e.g.
    /// `transformers.models.gemma3n.configuration_gemma3n`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_module: Option<String>,
    /// The task of the class, e.g. `base` or `causal-lm`.
    pub task: String,
    /// The backends that the port is for; it has an artefact of the format of each.
    pub backends: Vec<Backend>,
    /// What is called of a class that has no `forward`, e.g. `encode` and `decode` of a vector-quantiser; empty for every
    /// other class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Method>,
    /// What holds the frames and the prompts, where the class's `forward` takes an object for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// Keyword arguments of every `forward` that are not tensors, e.g. `use_cache = false`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub call: Map<String, Value>,
    pub weights: Weights,
    /// Overrides of the configuration's defaults.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// Named sizes, e.g. `batch` and `sequence`.
    #[serde(default)]
    pub dims: BTreeMap<String, Dim>,
    pub inputs: Vec<InputSpec>,
    /// Whether a row of a batch does not give alone what it gives among the others, e.g. where the model averages over its
    /// batch. It is measured on the reference.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mixes_rows: bool,
    /// How the artefact of each format is made.
    #[serde(default)]
    pub export: BTreeMap<Format, Export>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adaptations: Vec<Adaptation>,
}

/// A method that is called of a class without a `forward`. Its outputs have its name before their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    pub name: String,
    /// Its parameters; those of them that are inputs of the plan are given to it.
    pub parameters: Vec<String>,
}

/// The object that a tracker's `forward` takes in place of tensors: it holds the frames of a video and the prompts that
/// say which object to follow. One is made for each call, with one object that is prompted on the first frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The parameter of `forward`, e.g. `inference_session`.
    pub parameter: String,
    /// Its class, which the model's own module defines.
    pub class: String,
    /// The parameter of its constructor that takes the frames, e.g. `video`; an input of the plan has this name.
    pub frames: String,
    /// The method that adds the prompts of an object, e.g. `add_point_inputs`.
    pub method: String,
    /// The names of the prompts, e.g. `point_coords`; the inputs of the plan with these names are given as one table.
    pub prompts: Vec<String>,
}

impl Session {
    /// The names of what a session is made from.
    pub fn inputs(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.frames).chain(&self.prompts)
    }
}

/// How the weights of the small model are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    pub seed: u64,
    /// The standard deviation of a matrix times the square root of its fan-in; 1 keeps the size of a signal from
    /// layer to layer.
    pub gain: f64,
}

/// How an artefact is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    pub strategy: Strategy,
    /// Whether the axes whose [`Dim`] is dynamic stay free in the artefact.
    pub dynamic: bool,
    /// The ONNX opset; the exporter's default where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opset: Option<u32>,
    /// Whether the exporter's own graph optimiser runs.
    pub optimize: bool,
    /// The attention implementation under which the model is traced: `eager` or `sdpa`.
    pub attention: String,
    /// ONNX Runtime's graph optimisation level, or absent for the runtime's default: `disable`, `basic`, `extended`,
    /// `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_optimization: Option<String>,
    /// What is rewritten in the ONNX graph after the export, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewrites: Vec<Rewrite>,
}

/// A change of an ONNX graph that leaves its values as they are, and writes what some runtimes lack, or compute wrongly, in
/// another way.
/// Each is a template of the skillset's `rewrites.py`, in a file of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rewrite {
    /// `Pow(x, 2)` as `Mul(x, x)`.
    SquareToMul,
    /// `Reciprocal(x)` as `Div(1, x)`.
    ReciprocalToDiv,
    /// A `GatherND` that takes everything in order as `Unsqueeze`, e.g. that of an attention mask.
    GatherNdToUnsqueeze,
    /// The floor of a quotient of whole numbers without `Mod` and `Sign`.
    FloorDivisionToDiv,
    /// A mask that is added before a `Softmax` as a choice between score and filler.
    FillerSumToWhere,
    /// A sum with what all rows share, on its way to a `LayerNormalization`, as a difference.
    SharedSumToDifference,
    /// `GatherElements` along the last axis as `Gather`.
    GatherElementsToGather,
    /// `Clip` of whole numbers as `Max` and `Min`.
    ClipToMaxMin,
    /// `Mod` of whole numbers with `Div`.
    ModToDiv,
    /// `Conv` over frames without overlap as one of two axes.
    #[serde(rename = "conv-3d-to-2d")]
    Conv3dTo2d,
    /// `TopK` along a short last axis by the rank of each value.
    TopKToRanks,
}

impl Rewrite {
    pub const ALL: [Rewrite; 11] = [
        Rewrite::SquareToMul,
        Rewrite::ReciprocalToDiv,
        Rewrite::GatherNdToUnsqueeze,
        Rewrite::FloorDivisionToDiv,
        Rewrite::FillerSumToWhere,
        Rewrite::SharedSumToDifference,
        Rewrite::GatherElementsToGather,
        Rewrite::ClipToMaxMin,
        Rewrite::ModToDiv,
        Rewrite::Conv3dTo2d,
        Rewrite::TopKToRanks,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Rewrite::SquareToMul => "square-to-mul",
            Rewrite::ReciprocalToDiv => "reciprocal-to-div",
            Rewrite::GatherNdToUnsqueeze => "gather-nd-to-unsqueeze",
            Rewrite::FloorDivisionToDiv => "floor-division-to-div",
            Rewrite::FillerSumToWhere => "filler-sum-to-where",
            Rewrite::SharedSumToDifference => "shared-sum-to-difference",
            Rewrite::GatherElementsToGather => "gather-elements-to-gather",
            Rewrite::ClipToMaxMin => "clip-to-max-min",
            Rewrite::ModToDiv => "mod-to-div",
            Rewrite::Conv3dTo2d => "conv-3d-to-2d",
            Rewrite::TopKToRanks => "top-k-to-ranks",
        }
    }
}

/// Who makes the artefact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// `transformers.exporters` for this backend's format.
    Transformers,
    /// `torch.onnx.export(dynamo=True)`.
    TorchDynamo,
    /// `torch.onnx.export(dynamo=False)`: the TorchScript tracer.
    TorchScript,
    /// Read the ONNX file that the `onnx` entry makes.
    FromOnnx,
}

impl Strategy {
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Transformers => "transformers",
            Strategy::TorchDynamo => "torch-dynamo",
            Strategy::TorchScript => "torch-script",
            Strategy::FromOnnx => "from-onnx",
        }
    }

    /// What it makes an artefact from.
    pub fn reads(self) -> Format {
        match self {
            Strategy::Transformers | Strategy::TorchDynamo | Strategy::TorchScript => {
                Format::Module
            }
            Strategy::FromOnnx => Format::Onnx,
        }
    }
}

impl PortPlan {
    /// Reads a plan; the error names the file's line, the key and the cure.
    pub fn from_toml(text: &str) -> Result<Self, PlanError> {
        parse::from_toml(text)
    }

    /// Writes the plan as TOML.
    pub fn to_toml(&self) -> Result<String, PlanError> {
        parse::to_toml(self)
    }

    /// Checks what the types cannot say.
    pub fn validate(&self) -> Result<(), PlanError> {
        parse::validate(self)
    }

    /// The plan's identity.
    pub fn digest(&self) -> Result<Digest, PlanError> {
        Ok(Digest::of(self.to_toml()?))
    }

    /// Fixes the axes of what is made from an artefact whose axes are fixed.
    pub fn follow_sources(&mut self) {
        let fixed: Vec<Format> = (self.export.iter())
            .filter(|(_, export)| !export.dynamic)
            .map(|(format, _)| *format)
            .collect();
        for export in self.export.values_mut() {
            export.dynamic &= !fixed.contains(&export.strategy.reads());
        }
    }

    /// How the artefact that a backend reads is made; nothing for one that runs the module itself.
    pub fn export_for(&self, backend: Backend) -> Option<&Export> {
        self.export.get(&backend.reads())
    }

    /// The formats that have to be made for an artefact of one, in their order, and it at last; none for the module.
    pub fn made_on_the_way_to(&self, format: Format) -> Vec<Format> {
        let mut way = Vec::new();
        let mut next = format;
        while next != Format::Module
            && !way.contains(&next)
            && let Some(export) = self.export.get(&next)
        {
            way.push(next);
            next = export.strategy.reads();
        }
        way.reverse();
        way
    }

    /// Makes the port for these backends too, where it has an artefact of the format that they read.
    pub fn add_backends(&mut self, backends: &[Backend]) {
        let made = |backend: &Backend| backend.runs_module() || self.export_for(*backend).is_some();
        let mut all: Vec<Backend> = backends.iter().copied().filter(made).collect();
        all.append(&mut self.backends);
        all.sort_unstable();
        all.dedup();
        self.backends = all;
    }

    /// Has the ONNX graph rewritten as these backends need it, beside what is rewritten already.
    pub fn rewrite_for(&mut self, backends: &[Backend]) {
        if let Some(export) = self.export.get_mut(&Format::Onnx) {
            let needed = backends.iter().flat_map(|backend| &backend.spec().rewrites);
            let missing = |rewrite: &&Rewrite| !export.rewrites.contains(rewrite);
            let missing: BTreeSet<Rewrite> = needed.filter(missing).copied().collect();
            export.rewrites.extend(missing);
        }
    }

    /// Keeps these backends, and the artefacts that they need.
    pub fn keep_backends(&mut self, backends: &[Backend]) {
        self.backends = backends.to_vec();
        let formats = backends.iter().map(|backend| backend.reads());
        let needed: BTreeSet<Format> = formats
            .flat_map(|format| self.made_on_the_way_to(format))
            .collect();
        self.export.retain(|format, _| needed.contains(format));
    }

    /// Forgets the sizes that no axis of an input has: they would count as axes that are free in the artefact.
    pub fn forget_unused_dims(&mut self) {
        let axes = self.inputs.iter().flat_map(|input| &input.shape);
        let used: BTreeSet<&str> = axes.filter_map(|axis| Some(axis.named()?.0)).collect();
        self.dims.retain(|name, _| used.contains(name.as_str()));
    }

    pub fn input(&self, name: &str) -> Option<&InputSpec> {
        self.inputs.iter().find(|input| input.name == name)
    }

    /// The inputs of listed values, with their values: an artefact with fixed axes holds them as constants.
    pub fn tables(&self) -> impl Iterator<Item = (&InputSpec, &[i64])> {
        self.inputs.iter().filter_map(|input| match &input.values {
            Values::Listed { values } => Some((input, values.as_slice())),
            _ => None,
        })
    }
}
