//! Windows of a time series: the past, the features of its time steps, and the future that is forecast from them.

use portwright_core::plan::{Axis, Dtype, InputSpec, Values};
use serde_json::Value;

use super::{Inputs, Small, float, named};

/// Adds one part of a window; `false` for anything else.
pub fn add(
    takes: &dyn Fn(&str) -> bool,
    name: &str,
    main: bool,
    small: &Small,
    inputs: &mut Inputs,
) -> bool {
    if !takes("past_values") {
        return false;
    }
    let forecasts = takes("past_time_features");
    let future = small.number(&["prediction_length"]);
    match (name, future) {
        ("past_values", _) => push(name, values(past(small), small), inputs),
        ("past_time_features", _) if main => push(name, features(past(small), small), inputs),
        // What is known of the future steers the forecast; some models do without a part of it.
        ("future_values", Some(length)) if forecasts => {
            let shape = values(length, small);
            inputs.specs.push(float(name, shape, "control"));
        }
        ("future_time_features", Some(length)) if forecasts => {
            let shape = features(length, small);
            inputs.specs.push(float(name, shape, "control"));
        }
        ("past_observed_mask", _) if main => constant(name, 1.0, small, inputs),
        ("past_values_padding", _) if main => constant(name, 0.0, small, inputs),
        ("freq", _) if main => {
            let kinds = small.number(&["freq_size"]).unwrap_or(2);
            inputs.specs.push(InputSpec {
                name: name.into(),
                dtype: Dtype::Int64,
                shape: vec![named("batch"), Axis::Fixed(1)],
                values: Values::Integer {
                    low: 0,
                    high: i64::try_from(kinds).unwrap_or(i64::MAX),
                },
                modality: "control".into(),
            });
        }
        _ => return false,
    }
    true
}

/// The length of the past: the context, and before it what the longest lag looks back at.
fn past(small: &Small) -> u64 {
    let length = small
        .number(&["context_length", "prediction_length"])
        .unwrap_or(32);
    let lag = match small.value("lags_sequence") {
        Some(Value::Array(lags)) => lags.iter().filter_map(Value::as_u64).max().unwrap_or(0),
        _ => 0,
    };
    length + lag
}

/// Values have an axis of channels where the configuration counts them as such, or where there are several.
fn values(length: u64, small: &Small) -> Vec<Axis> {
    let mut shape = vec![named("batch"), Axis::Fixed(length)];
    let counted = small.number(&["num_input_channels"]);
    let several = small.number(&["input_size"]).filter(|size| *size > 1);
    shape.extend(counted.or(several).map(Axis::Fixed));
    shape
}

fn features(length: u64, small: &Small) -> Vec<Axis> {
    let width = small.number(&["num_time_features"]).unwrap_or(1);
    vec![named("batch"), Axis::Fixed(length), Axis::Fixed(width)]
}

fn push(name: &str, shape: Vec<Axis>, inputs: &mut Inputs) {
    inputs.specs.push(float(name, shape, "time-series"));
}

/// A mask over the past that hides nothing.
fn constant(name: &str, value: f64, small: &Small, inputs: &mut Inputs) {
    let mut spec = float(name, values(past(small), small), "control");
    spec.values = Values::Constant { value };
    inputs.specs.push(spec);
}
