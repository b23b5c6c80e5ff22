//! What `forward` is given: the inputs that matter, their shapes and how their values are drawn.

use std::collections::BTreeMap;

use portwright_core::{
    card::{InterfaceCard, ModelClass},
    plan::{Axis, Dim, Dtype, InputSpec, Values},
};
use serde_json::{Map, Value};

use super::{
    senses, sizes,
    tokens::TokenMap,
    tree::{Node, get, join},
};

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
        let own = |node: &&Node| words.iter().any(|word| node.path.contains(word));
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
    for parameter in &class.inputs {
        let main = parameter.required || parameter.name == class.main_input;
        add(card, class, &parameter.name, main, small, &mut inputs);
    }
    senses::placeholders::place(class, small, &mut inputs);
    inputs
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
    let takes = |name: &str| class.inputs.iter().any(|input| input.name == name);
    if senses::add(card, class, name, main, small, inputs) {
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
        "input_values" => inputs.wave(name, small),
        "input_features" | "audio_input_features" => inputs.spectrogram(card, name, small),
        "past_values" => inputs.series(name, small),
        "past_time_features" | "future_time_features" | "past_observed_mask" if main => {
            inputs.series(name, small);
        }
        _ if main => inputs.guess(card, name, small),
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
                // Long enough for the strides of a feature encoder to leave several frames.
                self.dims.insert("samples".into(), dim(4000, Some(5000)));
                match small.number(&["audio_channels"]) {
                    Some(channels) => vec![named("batch"), Axis::Fixed(channels), named("samples")],
                    None => vec![named("batch"), named("samples")],
                }
            }
        };
        self.specs.push(float(name, shape, "audio"));
    }

    /// A spectrogram; its frames are twice the encoder's positions where the encoder halves them.
    fn spectrogram(&mut self, card: &InterfaceCard, name: &str, small: &Small) {
        let mel = small
            .number(&[
                "num_mel_bins",
                "feature_size",
                "input_feat_per_channel",
                "n_mels",
            ])
            .unwrap_or(80);
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

    fn series(&mut self, name: &str, small: &Small) {
        let length = small
            .number(&["context_length"])
            .or_else(|| small.number(&["prediction_length"]))
            .unwrap_or(32);
        let lag = match small.value("lags_sequence") {
            Some(Value::Array(lags)) => lags.iter().filter_map(Value::as_u64).max().unwrap_or(0),
            _ => 0,
        };
        let channels = small
            .number(&["num_input_channels", "input_size"])
            .unwrap_or(1);
        let mut shape = vec![named("batch"), Axis::Fixed(length + lag)];
        if channels > 1 {
            shape.push(Axis::Fixed(channels));
        }
        self.specs.push(float(name, shape, "time-series"));
    }

    /// An input that no convention names: its shape follows from the words of its name.
    fn guess(&mut self, card: &InterfaceCard, name: &str, small: &Small) {
        if name.ends_with("mask") {
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
            let width = small.number(&["hidden_size"]).unwrap_or(sizes::WIDTH);
            self.dims.insert("sequence".into(), dim(8, Some(11)));
            let modality = card.modalities.first().map_or("component", String::as_str);
            let shape = vec![named("batch"), named("sequence"), Axis::Fixed(width)];
            self.specs.push(float(name, shape, modality));
        }
    }
}

pub(super) fn image(name: &str, small: &Small) -> InputSpec {
    let channels = small
        .number(&["num_channels", "in_channels", "in_chans"])
        .unwrap_or(3);
    let side = |place: usize| {
        let value = ["image_size", "img_size"]
            .iter()
            .find_map(|n| small.value(n));
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

fn token_values(small: &Small) -> Values {
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
