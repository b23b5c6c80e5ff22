//! An input whose shape the library documents: its axes are named sizes, numbers, or fields of the configuration.

use portwright_core::{
    card::InputParam,
    plan::{Axis, Dim, Dtype, InputSpec, Values},
};

use super::{
    inputs::{Inputs, SAMPLES, Small, image, token_values},
    senses::REGIONS,
};

/// A size that nothing tells.
const UNKNOWN: u64 = 4;
/// Positions along an axis that may have any length.
const LENGTH: Dim = Dim {
    example: 8,
    other: Some(11),
};
/// A square grid, such as a map of features.
const SIDE: u64 = 4;

/// Names under which configurations keep the number of codebooks.
const CODEBOOKS: [&str; 4] = ["num_codebooks", "n_codebooks", "num_channels", "codebooks"];

/// Whether ids are documented in another shape than one row of positions for each element of the batch.
pub fn has_unusual_ids(parameter: &InputParam) -> bool {
    let shape = &parameter.shape;
    shape.len() > 2 || shape.first().is_some_and(|axis| axis.contains('*'))
}

/// Adds the input as documented; `false` where the documentation gives no shape.
pub fn add(inputs: &mut Inputs, parameter: &InputParam, modality: &str, small: &Small) -> bool {
    // An image has the sides that the configuration gives it, which the names of its axes do not say.
    if parameter.shape.is_empty() || parameter.name.starts_with("pixel") {
        return false;
    }
    if ends_of_wave(&parameter.name) {
        inputs.specs.push(InputSpec {
            name: parameter.name.clone(),
            dtype: Dtype::Int64,
            shape: vec![Axis::Named("batch".into()), Axis::Fixed(1)],
            values: Values::Constant {
                value: SAMPLES as f64,
            },
            modality: "control".into(),
        });
        return true;
    }
    let shape: Vec<Axis> = if is_picture(&parameter.shape) {
        image(&parameter.name, small).shape
    } else {
        let axes = parameter.shape.iter();
        axes.map(|axis| resolve(axis, inputs, small)).collect()
    };
    let ids = parameter.name.ends_with("input_ids");
    let dtype = if ids { Dtype::Int64 } else { dtype(parameter) };
    inputs.specs.push(InputSpec {
        name: parameter.name.clone(),
        dtype,
        values: if ids {
            token_values(small)
        } else {
            values(&parameter.name, dtype, &parameter.shape)
        },
        shape,
        modality: if dtype.is_float() {
            modality
        } else {
            "control"
        }
        .into(),
    });
    true
}

/// Whether an input says where each of a sample's waves ends. A sample has one wave, which ends with the samples.
fn ends_of_wave(name: &str) -> bool {
    name.strip_prefix("input_values_")
        .is_some_and(|rest| ["cutoffs", "ends", "lengths"].contains(&rest))
}

/// Whether a shape is that of a batch of pictures, such as the mask of an image in colours. They are as large as the images
/// that the configuration is for.
fn is_picture(shape: &[String]) -> bool {
    let [_, channels, height, width] = shape else {
        return false;
    };
    channels.contains("channels") && height.contains("height") && width.contains("width")
}

fn resolve(axis: &str, inputs: &mut Inputs, small: &Small) -> Axis {
    let axis = axis.trim_matches(['(', ')']).trim();
    if let Ok(size) = axis.parse() {
        return Axis::Fixed(size);
    }
    let name = axis.trim_start_matches("config.");
    if matches!(name, "batch_size" | "batch" | "bsz" | "bs" | "B") {
        return Axis::Named("batch".into());
    }
    if let Some(size) = product(name, small) {
        return Axis::Fixed(size);
    }
    // A batch of several rows for each element, such as one for each codebook.
    if let Some((batch, rows)) = name.split_once('*')
        && batch.trim() == "batch_size"
    {
        // Where nothing tells how many rows, one each is as good a number as any.
        return Axis::Named(match product(rows.trim(), small) {
            Some(rows) if rows > 1 => format!("{rows}*batch"),
            _ => "batch".into(),
        });
    }
    if name.contains("height") && name.contains("width") {
        return Axis::Fixed(SIDE * SIDE);
    }
    let word = |part: &str| name.contains(part);
    if word("height") || word("width") {
        return Axis::Fixed(SIDE);
    }
    let any_length = ["length", "len", "sequence", "tokens", "positions", "frames"];
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain && any_length.iter().any(|part| word(part)) {
        let own = match name {
            "sequence_length" | "seq_length" | "seq_len" | "src_len" | "source_sequence_length" => {
                "sequence"
            }
            "target_sequence_length" | "target_length" | "tgt_len" | "target_len" => "target",
            other => other,
        };
        inputs.dims.entry(own.into()).or_insert(LENGTH);
        return Axis::Named(own.into());
    }
    // The regions of an image, which several inputs share.
    if word("visual") {
        return Axis::Fixed(REGIONS);
    }
    Axis::Fixed(UNKNOWN)
}

/// A product of numbers, of fields that some configuration has, and of the lengths of its lists, e.g.
/// `hidden_size * len(config.layer_ids)`.
fn product(text: &str, small: &Small) -> Option<u64> {
    let mut size = 1u64;
    for factor in text.split('*') {
        let factor = factor.trim();
        let listed = factor
            .strip_prefix("len(")
            .map(|list| list.trim_end_matches(')'));
        let name = listed.unwrap_or(factor).trim_start_matches("config.");
        let last = name.rsplit('.').next().unwrap_or(name);
        if listed.is_some() {
            let length = small.value(last)?.as_array()?.len();
            size = size.checked_mul(u64::try_from(length).ok()?)?;
            continue;
        }
        let value = last
            .parse()
            .ok()
            .or_else(|| small.number(&[last]))
            // Beside another factor a bare dimension is that of the hidden states.
            .or_else(|| {
                let plain = matches!(last, "dim" | "hidden_dim" | "embed_dim");
                plain.then(|| small.number(&["hidden_size"]))?
            })
            .or_else(|| {
                last.contains("codebook")
                    .then(|| small.number(&CODEBOOKS))?
            })?;
        size = size.checked_mul(value)?;
    }
    Some(size)
}

fn dtype(parameter: &InputParam) -> Dtype {
    let annotation = parameter.annotation.as_deref().unwrap_or_default();
    let name = parameter.name.as_str();
    let ends = |parts: &[&str]| parts.iter().any(|part| name.ends_with(part));
    // Hidden states are real numbers, whatever an annotation says that was copied from the ids beside them.
    if annotation.contains("FloatTensor") || ends(&["hidden_state", "hidden_states"]) {
        Dtype::Float32
    } else if annotation.contains("BoolTensor") {
        Dtype::Bool
    } else if annotation.contains("LongTensor")
        || annotation.contains("IntTensor")
        || ends(&[
            "_ids", "mask", "index", "indices", "_idx", "_shapes", "labels", "_thw",
        ])
    {
        Dtype::Int64
    } else {
        Dtype::Float32
    }
}

fn values(name: &str, dtype: Dtype, shape: &[String]) -> Values {
    if name.ends_with("mask") && !dtype.is_float() {
        return Values::Mask;
    }
    match dtype {
        Dtype::Float32 => Values::Normal {
            mean: 0.0,
            std: 1.0,
        },
        // Sizes of a grid are all alike, and positions count up.
        _ if name.ends_with("_shapes") => Values::Constant { value: SIDE as f64 },
        _ if name.contains("position") && shape.len() <= 2 => Values::Range,
        // One whole number a sample counts something of it, such as the rows that belong to it; every sample has one.
        _ if shape.len() == 1 && shape[0] == "batch_size" && !name.ends_with("labels") => {
            Values::Constant { value: 1.0 }
        }
        _ => Values::Integer { low: 0, high: 2 },
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::card::SourceSpan;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::propose::{
        tokens::TokenMap,
        tree::{Field, Node},
    };

    fn parameter(name: &str, annotation: &str, shape: &[&str]) -> InputParam {
        InputParam {
            name: name.into(),
            required: true,
            annotation: Some(annotation.into()),
            default: None,
            shape: shape.iter().map(|axis| (*axis).to_owned()).collect(),
            source: SourceSpan {
                file: String::new(),
                line: 1,
            },
        }
    }

    #[test]
    fn an_axis_counts_the_entries_of_a_list() {
        let field = |name: &str, default: Value| Field {
            name: name.into(),
            common: name.into(),
            default,
            computed: false,
            inherited: false,
        };
        let nodes = [Node {
            path: String::new(),
            model_type: None,
            fields: vec![
                field("hidden_size", json!(64)),
                field("layer_ids", json!([1, 4, 7])),
            ],
        }];
        let small = Small {
            nodes: &nodes,
            config: &Map::new(),
            tokens: &TokenMap::new(&nodes),
        };
        assert_eq!(product("dim * len(config.layer_ids)", &small), Some(192));
        assert_eq!(product("dim * len(config.others)", &small), None);
    }

    #[test]
    fn a_picture_is_as_large_as_an_image_and_a_count_is_one_a_sample() {
        let nodes = [Node {
            path: String::new(),
            model_type: None,
            fields: vec![Field {
                name: "image_size".into(),
                common: "image_size".into(),
                default: json!(32),
                computed: false,
                inherited: false,
            }],
        }];
        let small = Small {
            nodes: &nodes,
            config: &Map::new(),
            tokens: &TokenMap::new(&nodes),
        };
        let mut inputs = Inputs::default();
        let axes = ["batch_size", "num_channels", "height", "width"];
        let picture = parameter("some_masks", "torch.FloatTensor", &axes);
        let counts = parameter("rows", "torch.LongTensor", &["batch_size"]);
        assert!(add(&mut inputs, &picture, "image", &small));
        assert!(add(&mut inputs, &counts, "image", &small));
        assert_eq!(
            serde_json::to_value(&inputs.specs[0].shape).unwrap(),
            json!(["batch", 3, 32, 32])
        );
        assert_eq!(inputs.specs[1].values, Values::Constant { value: 1.0 });
    }

    #[test]
    fn axes_are_named_sizes_numbers_and_fields() {
        let nodes = [Node {
            path: String::new(),
            model_type: None,
            fields: vec![Field {
                name: "width".into(),
                common: "hidden_size".into(),
                default: json!(64),
                computed: false,
                inherited: false,
            }],
        }];
        let tokens = TokenMap::new(&nodes);
        let config = Map::from_iter([("width".to_owned(), json!(32))]);
        let small = Small {
            nodes: &nodes,
            config: &config,
            tokens: &tokens,
        };
        let mut inputs = Inputs::default();
        let states = parameter(
            "states",
            "torch.FloatTensor",
            &[
                "batch_size",
                "text_len",
                "2 * hidden_size",
                "7",
                "num_visual_features",
            ],
        );
        assert!(add(&mut inputs, &states, "text", &small));
        assert_eq!(
            serde_json::to_value(&inputs.specs[0].shape).unwrap(),
            json!(["batch", "text_len", 64, 7, REGIONS])
        );
        assert_eq!(inputs.dims["text_len"].other, Some(11));
        let axes = ["batch_size", "max_num_audio"];
        let ends = parameter("input_values_cutoffs", "torch.Tensor | None", &axes);
        assert!(add(&mut Inputs::default(), &ends, "audio", &small));
        assert!(!ends_of_wave("input_values"));
        let mask = parameter(
            "some_mask",
            "torch.Tensor | None",
            &["batch_size", "text_len"],
        );
        assert!(add(&mut inputs, &mask, "text", &small));
        assert_eq!(inputs.specs[1].values, Values::Mask);
        assert_eq!(Value::from("control"), inputs.specs[1].modality);
        let state = parameter(
            "last_hidden_state",
            "torch.LongTensor | None",
            &["batch_size", "text_len", "hidden_size"],
        );
        assert!(add(&mut inputs, &state, "text", &small));
        assert_eq!(inputs.specs[2].dtype, Dtype::Float32);
    }
}
