//! The lines that draw example inputs.

use portwright_core::plan::{Axis, Dtype, InputSpec, PortPlan, Values};
use serde_json::{Map, Value};

use super::python::{Literal, string};

/// The axes of an input as text, e.g. `batch, 3, 30, 30`.
pub fn axes(input: &InputSpec) -> String {
    let axes: Vec<String> = input
        .shape
        .iter()
        .map(|axis| match axis {
            Axis::Fixed(size) => size.to_string(),
            Axis::Named(name) => name.clone(),
        })
        .collect();
    let comma = if axes.len() == 1 { "," } else { "" };
    axes.join(", ") + comma
}

/// How an input is drawn, in words.
pub fn drawn(values: &Values) -> String {
    match values {
        Values::Integer { low, high } => format!("whole numbers from {low} to {}", high - 1),
        Values::Tokens { low, high, runs } => {
            let runs: Vec<String> = runs
                .iter()
                .map(|run| {
                    format!(
                        "{} times {} ({}) from position {}",
                        run.count, run.id, run.marks, run.at
                    )
                })
                .collect();
            format!(
                "whole numbers from {low} to {}, and {}",
                high - 1,
                runs.join(", ")
            )
        }
        Values::Listed { values } => {
            let shown: Vec<String> = values.iter().take(8).map(i64::to_string).collect();
            let more = if values.len() > shown.len() {
                ", …"
            } else {
                ""
            };
            format!("{}{more}, again and again", shown.join(", "))
        }
        Values::Mask => "ones, then zeros where a row is padded".into(),
        Values::Normal { mean, std } => format!("normal, mean {mean}, deviation {std}"),
        Values::Uniform { low, high } => format!("uniform from {low} to {high}"),
        Values::Range => "0, 1, 2, … along the last axis".into(),
        Values::Constant { value } => format!("{value} everywhere"),
    }
}

/// Whether two seeds can give two values of this input.
pub fn is_random(input: &InputSpec, batch: u64) -> bool {
    match input.values {
        Values::Integer { low, high } | Values::Tokens { low, high, .. } => high - low > 1,
        Values::Normal { .. } | Values::Uniform { .. } => true,
        Values::Mask => batch > 1,
        Values::Range | Values::Listed { .. } | Values::Constant { .. } => false,
    }
}

/// The function that draws the inputs.
pub fn function(plan: &PortPlan, batch: u64) -> String {
    let mut lines = vec![
        "def _example_inputs(".to_owned(),
        format!("    config: {},", plan.config_class),
        "    batch: int,".to_owned(),
        "    seed: int,".to_owned(),
        ") -> Arrays:".to_owned(),
        "    \"\"\"Draws every input; sizes and ids stay within the configuration.\"\"\""
            .to_owned(),
    ];
    if plan.dims.get("batch").is_none_or(|dim| dim.other.is_none()) {
        lines.push(format!("    if batch != {batch}:"));
        lines.push(format!(
            "        raise ValueError(f\"this port takes batches of {batch}, not {{batch}}\")"
        ));
    }
    lines.push("    rng = np.random.default_rng(seed)".into());
    lines.push("    inputs: Arrays = {}".into());
    for input in &plan.inputs {
        draw(plan, input, &mut lines);
    }
    lines.push("    return inputs".into());
    lines.join("\n")
}

fn draw(plan: &PortPlan, input: &InputSpec, lines: &mut Vec<String>) {
    let shape = Literal::Tuple(
        input
            .shape
            .iter()
            .map(|axis| Literal::Source(size(plan, input, axis)))
            .collect(),
    );
    lines.push(format!("    {}", shape.after(4, "shape = ", "")));
    let float = |value: f64| format!("{value:?}");
    let (expression, drawn_as) = match &input.values {
        Values::Integer { low, high } | Values::Tokens { low, high, .. } => {
            let high = match config_path(&plan.config, "vocab_size", None) {
                Some(path) if input.modality == "text" => format!("min({high}, {path})"),
                _ => high.to_string(),
            };
            (
                format!("rng.integers({low}, {high}, shape)"),
                Some(Dtype::Int64),
            )
        }
        Values::Normal { mean, std } => (
            format!("rng.normal({}, {}, shape)", float(*mean), float(*std)),
            None,
        ),
        Values::Uniform { low, high } => (
            format!("rng.uniform({}, {}, shape)", float(*low), float(*high)),
            None,
        ),
        Values::Listed { values } => {
            let row = values
                .iter()
                .map(|value| Literal::Source(value.to_string()))
                .collect();
            lines.push(format!("    {}", Literal::List(row).after(4, "row = ", "")));
            ("np.resize(row, shape)".into(), Some(Dtype::Int64))
        }
        Values::Mask => ("np.ones(shape)".into(), None),
        Values::Range => ("np.broadcast_to(np.arange(shape[-1]), shape)".into(), None),
        Values::Constant { value } => (format!("np.full(shape, {})", float(*value)), None),
    };
    lines.push(format!("    values = {expression}"));
    if let Values::Tokens { runs, .. } = &input.values {
        for run in runs {
            let end = run.at + run.count;
            lines.push(format!("    values[..., {}:{end}] = {}", run.at, run.id));
        }
    }
    if input.values == Values::Mask {
        lines.push("    for row in values[1:]:".into());
        lines.push("        half = len(row) // 2".into());
        lines.push("        row[len(row) - rng.integers(min(1, half), half + 1) :] = 0".into());
    }
    let cast = if drawn_as == Some(input.dtype) {
        String::new()
    } else {
        format!(".astype({})", numpy(input.dtype))
    };
    lines.push(format!(
        "    inputs[{}] = values{cast}",
        string(&input.name)
    ));
}

fn numpy(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bool => "np.bool_",
        Dtype::Int32 => "np.int32",
        Dtype::Int64 => "np.int64",
        Dtype::Float32 => "np.float32",
    }
}

/// An axis as an expression. A fixed size that the plan also gives to the configuration follows the loaded
/// configuration.
fn size(plan: &PortPlan, input: &InputSpec, axis: &Axis) -> String {
    let keys: &[&str] = match input.modality.as_str() {
        "image" => &["image_size", "num_channels"],
        "audio" => &["num_mel_bins"],
        _ => &[],
    };
    match (axis, axis.named()) {
        (Axis::Fixed(fixed), _) => keys
            .iter()
            .find_map(|key| config_path(&plan.config, key, Some(*fixed)))
            .unwrap_or_else(|| fixed.to_string()),
        (_, Some((name, factor))) => {
            let size = if name == "batch" {
                "batch".to_owned()
            } else {
                format!("SIZES[{}]", string(name))
            };
            if factor == 1 {
                size
            } else {
                format!("{factor} * {size}")
            }
        }
        // `PortPlan::validate` refuses an axis that is neither a size, a name nor a multiple.
        (Axis::Named(text), None) => text.clone(),
    }
}

/// Where the overrides set `key`, at the top or one level down, as an attribute of the configuration.
fn config_path(config: &Map<String, Value>, key: &str, value: Option<u64>) -> Option<String> {
    let is = |map: &Map<String, Value>| {
        map.get(key)
            .and_then(Value::as_u64)
            .is_some_and(|found| value.is_none_or(|value| value == found))
    };
    if is(config) {
        return Some(format!("config.{key}"));
    }
    // Of several nested configurations with such a size the input follows one, or all of them to one multiple: which
    // cannot be told from the plan.
    let has = |nested: &&Value| nested.get(key).is_some_and(Value::is_u64);
    if value.is_some() && config.values().filter(has).count() > 1 {
        return None;
    }
    config.iter().find_map(|(name, nested)| {
        nested
            .as_object()
            .filter(|map| is_word(name) && is(map))
            .map(|_| format!("config.{name}.{key}"))
    })
}

/// Whether a text can stand as an attribute in the source.
pub fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
