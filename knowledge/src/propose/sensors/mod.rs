//! Inputs of models that see, hear or forecast and read no text: patches in rows, videos, and windows of a series.

mod patches;
mod series;

use portwright_core::{card::ModelClass, plan::Axis};

use super::inputs::{Inputs, Small, float, image, named};

/// Adds an input that only such models take; `false` where others decide.
pub fn add(class: &ModelClass, name: &str, main: bool, small: &Small, inputs: &mut Inputs) -> bool {
    let takes = |name: &str| class.inputs.iter().any(|input| input.name == name);
    // Beside text they have placeholders, which the senses count.
    if takes("input_ids") {
        return false;
    }
    patches::add(&takes, name, main, small, inputs)
        || series::add(&takes, name, main, small, inputs)
        || video(name, small, inputs)
}

/// Frames of a video, where the configuration counts frames or the name says that it is one.
fn video(name: &str, small: &Small, inputs: &mut Inputs) -> bool {
    let counted = small.number(&["num_frames", "frames_per_clip"]);
    let frames = match (name, counted) {
        ("pixel_values" | "pixel_values_videos", Some(frames)) => frames,
        ("pixel_values_videos", None) => 4,
        _ => return false,
    };
    let mut spec = image(name, small);
    spec.shape.insert(1, Axis::Fixed(frames));
    spec.modality = "video".into();
    inputs.specs.push(spec);
    true
}
