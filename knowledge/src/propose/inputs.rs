//! What `forward` is given: the inputs that matter, their shapes and how their values are drawn.

use std::collections::BTreeMap;

use portwright_core::{
    card::{InterfaceCard, ModelClass},
    plan::{Axis, Dim, Dtype, InputSpec, Values},
};
use serde_json::{Map, Value};

use super::{
    documented, senses, sensors, sessions, sizes, stacked,
    tokens::TokenMap,
    tree::{Node, get, join},
};

/// Bins of a spectrogram where no field counts them.
const MEL_BINS: u64 = 128;
/// Samples of a wave: long enough for the strides of a feature encoder to leave several frames.
pub(super) const SAMPLES: u64 = 4000;
/// A sound as its samples, and as what was computed of them.
const WAVE: &str = "input_values";
const FEATURES: &str = "input_features";

/// Inputs with the sizes they name.
#[derive(Debug, Default)]
pub struct Inputs {
    pub specs: Vec<InputSpec>,
    pub dims: BTreeMap<String, Dim>,
    /// How many features each sense is thought to give, for its placeholders.
    features: BTreeMap<String, u64>,
    /// The axis of a spectrogram's frames.
    pub(super) frames: Option<Axis>,
}

/// The small configuration: defaults with the overrides on top.
pub struct Small<'a> {
    pub nodes: &'a [Node],
    pub config: &'a Map<String, Value>,
    pub tokens: &'a TokenMap,
}

impl Small<'_> {
    /// The value of a field by its own or its common name, the outermost configuration that has it first.
    pub fn value(&self, name: &str) -> Option<Value> {
        self.nodes.iter().find_map(|node| self.of(node, name))
    }

    fn of(&self, node: &Node, name: &str) -> Option<Value> {
        let field = node.field(name)?;
        let set = get(self.config, &join(&node.path, &field.name));
        let value = set.unwrap_or(&field.default);
        (!value.is_null()).then(|| value.clone())
    }

    /// The value of a field, from the configurations of one sense first.
    pub fn sense_value(&self, sense: &str, names: &[&str]) -> Option<Value> {
        let words: &[&str] = match sense {
            "vision" => &["vis", "image"],
            _ => &["audio", "speech"],
        };
        // A configuration that cuts patches sees, whatever it is called.
        let sees = |node: &Node| sense == "vision" && node.field("patch_size").is_some();
        let own = |node: &&Node| {
            !node.path.is_empty()
                && (sees(node) || words.iter().any(|word| node.path.contains(word)))
        };
        let of = |node: &Node| names.iter().find_map(|name| self.of(node, name));
        self.nodes
            .iter()
            .filter(own)
            .find_map(of)
            .or_else(|| self.nodes.iter().find_map(of))
    }

    /// The number in a field, from the configurations of one sense first.
    pub fn sense(&self, sense: &str, names: &[&str]) -> Option<u64> {
        match self.sense_value(sense, names)? {
            Value::Array(items) => items.first()?.as_u64(),
            value => value.as_u64(),
        }
    }

    pub fn number(&self, names: &[&str]) -> Option<u64> {
        names.iter().find_map(|name| match self.value(name)? {
            Value::Array(items) => items.first()?.as_u64(),
            value => value.as_u64(),
        })
    }
}

/// The inputs of a class.
pub fn inputs(card: &InterfaceCard, class: &ModelClass, small: &Small) -> Inputs {
    let mut inputs = Inputs::default();
    inputs.dims.insert("batch".into(), dim(2, Some(3)));
    let either = either_sound(class);
    for parameter in &class.inputs {
        if either && parameter.name == FEATURES {
            continue;
        }
        let leads = if either { WAVE } else { &class.main_input };
        let main = parameter.required || parameter.name == leads;
        add(card, class, &parameter.name, main, small, &mut inputs);
    }
    senses::placeholders::place(class, small, &mut inputs);
    stacked::split(class, &mut inputs.specs);
    inputs
}

/// Whether a class whose main input is called no more than that takes either of two sounds in its place, each under its
/// own name. The wave is given: unlike the bins of a spectrogram it has no size that another configuration must know.
fn either_sound(class: &ModelClass) -> bool {
    let optional = |name: &str| class.inputs.iter().any(|i| i.name == name && !i.required);
    class.main_input == "inputs" && [WAVE, FEATURES, "inputs"].iter().all(|n| optional(n))
}

/// One input by its name, as if it were required.
pub fn one(card: &InterfaceCard, class: &ModelClass, name: &str, small: &Small) -> Option<Inputs> {
    let mut inputs = Inputs::default();
    inputs.dims.insert("batch".into(), dim(2, Some(3)));
    inputs.dims.insert("sequence".into(), dim(8, Some(11)));
    add(card, class, name, true, small, &mut inputs);
    (!inputs.specs.is_empty()).then_some(inputs)
}

fn add(
    card: &InterfaceCard,
    class: &ModelClass,
    name: &str,
    main: bool,
    small: &Small,
    inputs: &mut Inputs,
) {
    let session = class.session.as_ref();
    if session.is_some_and(|session| sessions::add(session, name, small, inputs)) {
        return;
    }
    if sensors::add(class, name, main, small, inputs) {
        return;
    }
    let takes = |name: &str| class.inputs.iter().any(|input| input.name == name);
    if senses::add(card, class, name, main, small, inputs) {
        return;
    }
    let parameter = class.inputs.iter().find(|input| input.name == name);
    let ids = parameter.filter(|it| name.ends_with("input_ids") && documented::has_unusual_ids(it));
    if let Some(ids) = ids.filter(|_| main || name == "decoder_input_ids")
        && documented::add(inputs, ids, "text", small)
    {
        return;
    }
    match name {
        "input_ids" => {
            inputs.dims.insert("sequence".into(), dim(8, Some(11)));
            inputs.push(
                name,
                Dtype::Int64,
                &["batch", "sequence"],
                token_values(small),
                "text",
            );
        }
        "decoder_input_ids" => {
            inputs.dims.insert("target".into(), dim(6, Some(9)));
            inputs.push(
                name,
                Dtype::Int64,
                &["batch", "target"],
                token_values(small),
                "text",
            );
        }
        "attention_mask" if takes("input_ids") => {
            inputs.push(
                name,
                Dtype::Int64,
                &["batch", "sequence"],
                Values::Mask,
                "control",
            );
        }
        "decoder_attention_mask" if takes("decoder_input_ids") => {
            inputs.push(
                name,
                Dtype::Int64,
                &["batch", "target"],
                Values::Mask,
                "control",
            );
        }
        "token_type_ids" if takes("input_ids") => {
            let kinds = small.number(&["type_vocab_size"]).unwrap_or(0);
            if kinds >= 2 {
                let values = Values::Integer {
                    low: 0,
                    high: signed(kinds),
                };
                inputs.push(
                    name,
                    Dtype::Int64,
                    &["batch", "sequence"],
                    values,
                    "control",
                );
            }
        }
        "bbox" => {
            let spec = InputSpec {
                name: name.into(),
                dtype: Dtype::Int64,
                shape: vec![named("batch"), named("sequence"), Axis::Fixed(4)],
                values: Values::Constant { value: 1.0 },
                modality: "control".into(),
            };
            inputs.specs.push(spec);
        }
        // Noise that orders the patches of an image.
        "noise" if main && takes("pixel_values") => {
            let patch = small.number(&["patch_size"]).unwrap_or(1).max(1);
            let sides = image(name, small).shape;
            let patches = sides.iter().skip(2).map(|axis| match axis {
                Axis::Fixed(size) => size / patch,
                Axis::Named(_) => 1,
            });
            let shape = vec![named("batch"), Axis::Fixed(patches.product())];
            inputs.specs.push(float(name, shape, "control"));
        }
        _ if name.ends_with("mel") && main => inputs.spectrogram(card, name, small),
        // Where text leads, a waveform is a prompt that takes the place of other inputs.
        "input_values" if main || !takes("decoder_input_ids") => inputs.wave(name, small),
        "input_features" | "audio_input_features" => inputs.spectrogram(card, name, small),
        _ if main => {
            let modality = card.modalities.first().map_or("component", String::as_str);
            let known = parameter.is_some_and(|it| documented::add(inputs, it, modality, small));
            if !known {
                let annotation = parameter.and_then(|input| input.annotation.as_deref());
                let flags = annotation.is_some_and(|annotation| annotation.contains("Bool"));
                inputs.guess(card, name, flags, small);
            }
        }
        _ => {}
    }
}

impl Inputs {
    /// Notes the features that an input is thought to give.
    pub(super) fn feature(&mut self, sense: &str, count: u64) {
        self.features.entry(sense.into()).or_insert(count);
    }

    pub(super) fn features(&self, sense: &str) -> Option<u64> {
        self.features.get(sense).copied()
    }

    fn push(&mut self, name: &str, dtype: Dtype, shape: &[&str], values: Values, modality: &str) {
        self.specs.push(InputSpec {
            name: name.into(),
            dtype,
            shape: shape.iter().map(|axis| named(axis)).collect(),
            values,
            modality: modality.into(),
        });
    }

    /// A waveform, or for a model of spectrogram patches the spectrogram that it still calls values.
    fn wave(&mut self, name: &str, small: &Small) {
        let mel = small.number(&["num_mel_bins"]);
        let shape = match (mel, small.number(&["max_length"])) {
            (Some(mel), Some(frames)) => {
                vec![named("batch"), Axis::Fixed(frames), Axis::Fixed(mel)]
            }
            _ => {
                self.dims.insert("samples".into(), dim(SAMPLES, Some(5000)));
                // A codec reconstructs channels, so its waves have an axis of them even where there is one.
                let codec = [
                    "codebook_size",
                    "codebook_dim",
                    "num_codebooks",
                    "downsampling_ratios",
                ]
                .iter()
                .any(|name| small.value(name).is_some());
                let one = codec.then(|| small.number(&["channels"]).unwrap_or(1));
                match small.number(&["audio_channels"]).or(one) {
                    Some(channels) => vec![named("batch"), Axis::Fixed(channels), named("samples")],
                    None => vec![named("batch"), named("samples")],
                }
            }
        };
        self.specs.push(float(name, shape, "audio"));
    }

    /// A spectrogram; its frames are twice the encoder's positions where the encoder halves them.
    fn spectrogram(&mut self, card: &InterfaceCard, name: &str, small: &Small) {
        let counted = small.number(&[
            "num_mel_bins",
            "feature_size",
            "input_feat_per_channel",
            "n_mels",
            "input_feat_size",
        ]);
        let mel = counted.unwrap_or(MEL_BINS);
        let shape = match small.number(&["max_source_positions"]) {
            Some(positions) => {
                self.frames = Some(Axis::Fixed(2 * positions));
                vec![named("batch"), Axis::Fixed(mel), Axis::Fixed(2 * positions)]
            }
            None => {
                self.frames = Some(named("frames"));
                self.dims.insert("frames".into(), dim(64, Some(96)));
                match card.processed.get(name).map(|seen| seen.shape.as_slice()) {
                    // The processor's own order, which the bins tell.
                    Some([_, first, _]) if *first == mel => {
                        vec![named("batch"), Axis::Fixed(mel), named("frames")]
                    }
                    // Its defaults may make other bins than the model takes. What it pads to many frames has its bins
                    // first; bins that are stacked stand last, and so do those beside a few frames.
                    Some([_, first, last])
                        if counted.is_some() && *last > 8 * first && !last.is_multiple_of(mel) =>
                    {
                        vec![named("batch"), Axis::Fixed(mel), named("frames")]
                    }
                    Some([_, _, _, last]) => {
                        vec![
                            named("batch"),
                            Axis::Fixed(1),
                            named("frames"),
                            Axis::Fixed(*last),
                        ]
                    }
                    Some([_, _, last]) => {
                        vec![named("batch"), named("frames"), Axis::Fixed(*last)]
                    }
                    _ => vec![named("batch"), named("frames"), Axis::Fixed(mel)],
                }
            }
        };
        self.specs.push(float(name, shape, "audio"));
    }

    /// An input that no convention names: its shape follows from the words of its name.
    fn guess(&mut self, card: &InterfaceCard, name: &str, flags: bool, small: &Small) {
        if name.ends_with("mel") {
            self.spectrogram(card, name, small);
        } else if name.ends_with("mask") {
            let masked = name.trim_end_matches("mask").trim_end_matches('_');
            let of = self.specs.iter().find(|spec| spec.name == masked);
            if let Some(shape) = of.and_then(|spec| frames(spec, small)) {
                self.specs.push(InputSpec {
                    name: name.into(),
                    dtype: if flags { Dtype::Bool } else { Dtype::Int64 },
                    shape,
                    values: Values::Mask,
                    modality: "control".into(),
                });
                return;
            }
            self.dims
                .entry("sequence".into())
                .or_insert(dim(8, Some(11)));
            self.push(
                name,
                Dtype::Int64,
                &["batch", "sequence"],
                Values::Mask,
                "control",
            );
        } else if name == "inputs" && small.value("conv_stride").is_some() {
            // What strides over its input before anything else listens to a wave.
            self.wave(name, small);
        } else if name.starts_with("pixel") || name.contains("image") {
            self.specs.push(image(name, small));
        } else if name.ends_with("_ids") {
            self.dims.insert("sequence".into(), dim(8, Some(11)));
            self.push(
                name,
                Dtype::Int64,
                &["batch", "sequence"],
                token_values(small),
                "text",
            );
        } else {
            let width = width_of(name, small);
            self.dims.insert("sequence".into(), dim(8, Some(11)));
            let modality = card.modalities.first().map_or("component", String::as_str);
            let shape = vec![named("batch"), named("sequence"), Axis::Fixed(width)];
            self.specs.push(float(name, shape, modality));
        }
    }
}

/// The axes that a mask over the frames of an input has: the samples, and the axis that does not hold the bins.
fn frames(spec: &InputSpec, small: &Small) -> Option<Vec<Axis>> {
    let bins = small.number(&["num_mel_bins", "input_feat_size"]);
    let bins = bins.unwrap_or(MEL_BINS);
    let first = spec.shape.first()?.clone();
    let mut others = spec.shape.iter().skip(1);
    let frames = others.find(|axis| **axis != Axis::Fixed(bins))?;
    Some(vec![first, frames.clone()])
}

/// The width of an input that no convention names: that of a field named after it, such as `state_dim` for `states`
/// or `encoder_hidden_size` for `encoder_hidden_states`, or else the hidden one.
fn width_of(name: &str, small: &Small) -> u64 {
    let own = name
        .strip_suffix("_states")
        .and_then(|stem| small.number(&[&format!("{stem}_size")]))
        .filter(|_| name != "hidden_states");
    let named = || {
        small
            .nodes
            .iter()
            .flat_map(|node| &node.fields)
            .filter_map(|field| field.name.strip_suffix("_dim"))
            .find(|stem| name.starts_with(stem) && stem.len() > 2)
            .and_then(|stem| small.number(&[&format!("{stem}_dim")]))
    };
    own.or_else(named)
        .or_else(|| small.number(&["hidden_size"]))
        .unwrap_or(sizes::WIDTH)
}

pub(super) fn image(name: &str, small: &Small) -> InputSpec {
    let channels = small
        .number(&["num_channels", "in_channels", "in_chans"])
        .unwrap_or(3);
    let side = |place: usize| {
        let names = ["image_size", "img_size"];
        let seeing = small.nodes.iter().filter(|node| sizes::sees(node));
        let seen = seeing
            .flat_map(|node| names.iter().map(move |name| (node, name)))
            .find_map(|(node, name)| small.of(node, name));
        // What cuts its input into patches means an image by it.
        let cut = || {
            let node = small.nodes.iter().find(|n| n.field("patch_size").is_some());
            small.of(node?, "input_size")
        };
        let value = seen.or_else(|| names.iter().find_map(|n| small.value(n)));
        let value = value.or_else(cut);
        match value {
            Some(Value::Array(items)) => items
                .get(place.min(items.len().saturating_sub(1)))?
                .as_u64(),
            Some(value) => value.as_u64(),
            None => None,
        }
    };
    let shape = vec![
        named("batch"),
        Axis::Fixed(channels),
        Axis::Fixed(side(0).unwrap_or(64)),
        Axis::Fixed(side(1).unwrap_or(64)),
    ];
    float(name, shape, "image")
}

pub(super) fn float(name: &str, shape: Vec<Axis>, modality: &str) -> InputSpec {
    InputSpec {
        name: name.into(),
        dtype: Dtype::Float32,
        shape,
        values: Values::Normal {
            mean: 0.0,
            std: 1.0,
        },
        modality: modality.into(),
    }
}

/// Ids that mean nothing special.
pub fn token_values(small: &Small) -> Values {
    let vocabulary = small
        .number(&["vocab_size"])
        .unwrap_or(sizes::VOCABULARY)
        .max(2);
    let (low, high) = small.tokens.ordinary(vocabulary);
    if low < high {
        Values::Integer {
            low: signed(low),
            high: signed(high),
        }
    } else {
        Values::Integer {
            low: 0,
            high: signed(vocabulary),
        }
    }
}

fn dim(example: u64, other: Option<u64>) -> Dim {
    Dim { example, other }
}

pub(super) fn named(name: &str) -> Axis {
    Axis::Named(name.into())
}

pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
