//! The interface card: what an analyst has read of a model type, each fact with the place it was read from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    family::Family,
    ids::ModelType,
    job::Processed,
    plan::{Method, Session},
};

/// The version of the card's JSON form.
pub const SCHEMA: u32 = 1;

/// The analyst's typed record of a model type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceCard {
    pub schema: u32,
    pub model_type: ModelType,
    /// The type whose classes and configuration are read, where this one is a part that no class takes by itself: a port
    /// of it is one of the whole, whose reference calls the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<ModelType>,
    /// The release of Transformers that was read, e.g. `5.20.2`.
    pub library_version: String,
    pub family: Family,
    pub config_class: ClassFact,
    /// Fields of the configuration, in the order of their definition.
    pub config_fields: Vec<ConfigField>,
    /// Common names to the names this configuration uses, e.g. `hidden_size` to `n_embd`.
    pub attribute_map: BTreeMap<String, String>,
    /// Nested configurations, by field name.
    pub sub_configs: BTreeMap<String, SubConfig>,
    /// Model classes of this type, those with an auto class first.
    pub classes: Vec<ModelClass>,
    /// What the inputs of the classes carry, e.g. `text`, `image`, `audio`.
    pub modalities: Vec<String>,
    /// What the type's processors make of one synthetic sample, by the name of the tensor.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub processed: BTreeMap<String, Processed>,
    /// Equalities that the configuration classes check: without them they refuse to be made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<Demand>,
    /// Fields of the configuration, declared or not, by which the modelling source chooses a way for exporters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub export_switches: Vec<String>,
    /// Tables of token ids by name that the modelling source reads from the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vocabularies: Vec<Vocabulary>,
}

/// A field of the configuration with token ids by name, and the names that are looked up in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabulary {
    /// The field, e.g. `vocabulary_map`.
    pub field: String,
    /// Single names, e.g. `<image>`.
    pub ids: Vec<String>,
    /// Names of the codes of a codebook.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<CodeNames>,
}

/// How the codes of a codebook are named: a text, the code's number, and some characters more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeNames {
    /// What stands before the number, e.g. `<|visual token`.
    pub before: String,
    /// The least number of digits.
    pub digits: usize,
    /// How many characters follow the number.
    pub after: usize,
}

/// An equality between a field and a value or another field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// The field's dotted path from the type's own configuration.
    pub path: String,
    pub equals: Demanded,
}

/// What a field must equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demanded {
    Value(Value),
    /// Another field, by its dotted path.
    Field(String),
}

/// A class and the place of its definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassFact {
    pub name: String,
    /// The dotted module, e.g. `transformers.models.bert.modeling_bert`.
    pub module: String,
    pub source: SourceSpan,
}

/// Where a fact was read: a path below the library's root (or below the local folder), and a line counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSpan {
    pub file: String,
    pub line: u32,
}

/// One field of a configuration class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigField {
    pub name: String,
    /// The default as the instantiated configuration holds it; JSON `null` where there is none.
    pub default: Value,
    /// The annotation in the source, e.g. `int | None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<String>,
    /// The default as the source writes it, e.g. `None`; it differs from `default` where the class computes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// Whether the default is the choice of the configuration that this one is nested in, and not of its own class.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inherited: bool,
    /// Where it is defined; `None` for a field that only introspection shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceSpan>,
}

/// A nested configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubConfig {
    /// The configuration class, e.g. `CLIPTextConfig`; `AutoConfig` where any type fits.
    pub class: String,
    /// Its default fields.
    pub fields: Vec<ConfigField>,
    pub attribute_map: BTreeMap<String, String>,
}

/// A model class, its task and what its `forward` takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelClass {
    pub name: String,
    pub module: String,
    /// The auto class that leads to it, e.g. `AutoModelForCausalLM`; `None` for a class without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_class: Option<String>,
    /// The `modular_*.py` file that the class's file is generated from, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modular: Option<String>,
    /// The task, e.g. `base`, `causal-lm`, `seq2seq-lm`, `image-classification`.
    pub task: String,
    pub source: SourceSpan,
    /// `main_input_name` of the class, e.g. `pixel_values`.
    pub main_input: String,
    /// Whether the class can generate token by token.
    #[serde(default, skip_serializing_if = "is_false")]
    pub generates: bool,
    /// Whether its module does not have the configuration class, which is then imported from where it is defined.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignores_config: bool,
    /// The methods that are called instead of a `forward`, where the class has none; `inputs` are then theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Method>,
    /// The object that `forward` takes in place of tensors, where it takes one; `inputs` are then what it is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    pub inputs: Vec<InputParam>,
    /// Names of the output fields that the return annotation or docstring declares; empty where neither does.
    #[serde(default)]
    pub outputs: Vec<String>,
}

/// One parameter of a `forward`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputParam {
    pub name: String,
    pub required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<String>,
    /// The default written in the signature, as source text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The axes that the documentation gives it, e.g. `batch_size`; empty where it gives none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shape: Vec<String>,
    pub source: SourceSpan,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

impl ModelClass {
    /// Whether it has no `forward` of its own, so that its methods are called, if anything.
    pub fn lacks_forward(&self) -> bool {
        self.inputs.is_empty() || !self.methods.is_empty()
    }
}

impl InterfaceCard {
    /// The class with this name.
    pub fn class(&self, name: &str) -> Option<&ModelClass> {
        self.classes.iter().find(|class| class.name == name)
    }

    /// The configuration field with this name, following the attribute map.
    pub fn field(&self, name: &str) -> Option<&ConfigField> {
        let name = self.attribute_map.get(name).map_or(name, String::as_str);
        self.config_fields.iter().find(|field| field.name == name)
    }
}
