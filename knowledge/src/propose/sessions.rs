//! What a tracker's session is made from: the frames of a video, and the points that show an object on the first of them.

use portwright_core::plan::{Axis, Dtype, InputSpec, Session, Values};

use super::inputs::{Inputs, Small, float, image};

/// The frame that is prompted; those after it would be other calls.
const FRAMES: u64 = 1;
/// One object of one video.
const ONE: Axis = Axis::Fixed(1);
/// Points of an object: enough that drawing their labels anew seldom draws the same.
const POINTS: Axis = Axis::Fixed(4);

/// Adds the input of this name if the session is made from it.
pub fn add(session: &Session, name: &str, small: &Small, inputs: &mut Inputs) -> bool {
    if name == session.frames {
        let mut frames = image(name, small);
        frames.shape[0] = Axis::Fixed(FRAMES);
        frames.modality = "video".into();
        inputs.specs.push(frames);
    } else if session.prompts.iter().any(|prompt| prompt == name) {
        inputs.specs.push(prompt(name, small));
    } else {
        return false;
    }
    true
}

/// Labels say of each point whether it lies on the object; anything else is its two coordinates, in pixels.
fn prompt(name: &str, small: &Small) -> InputSpec {
    if name.contains("label") {
        return InputSpec {
            name: name.into(),
            dtype: Dtype::Int64,
            shape: vec![ONE, ONE, POINTS],
            values: Values::Integer { low: 0, high: 2 },
            modality: "control".into(),
        };
    }
    let side = match image(name, small).shape.last() {
        Some(Axis::Fixed(side)) => *side as f64,
        _ => 1.0,
    };
    let mut points = float(name, vec![ONE, ONE, POINTS, Axis::Fixed(2)], "control");
    points.values = Values::Uniform {
        low: 0.0,
        high: side,
    };
    points
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Map, json};

    use super::*;
    use crate::propose::{tokens::TokenMap, tree::Node};

    #[test]
    fn a_session_is_made_from_one_frame_and_points_on_it() {
        let session: Session = serde_json::from_value(json!({
            "parameter": "session", "class": "Session", "frames": "video",
            "method": "add_point_inputs", "prompts": ["point_labels", "point_coords"],
        }))
        .unwrap();
        let nodes: Vec<Node> = Vec::new();
        let tokens = TokenMap::new(&nodes);
        let small = Small {
            nodes: &nodes,
            config: &Map::new(),
            tokens: &tokens,
        };
        let mut inputs = Inputs::default();
        for name in session.inputs() {
            assert!(add(&session, name, &small, &mut inputs));
        }
        assert!(!add(&session, "reverse", &small, &mut inputs));
        let shapes: BTreeMap<_, _> = inputs
            .specs
            .iter()
            .map(|spec| (spec.name.as_str(), json!(spec.shape)))
            .collect();
        assert_eq!(shapes["video"], json!([1, 3, 64, 64]));
        assert_eq!(shapes["point_labels"], json!([1, 1, 4]));
        assert_eq!(shapes["point_coords"], json!([1, 1, 4, 2]));
        assert_eq!(inputs.specs[0].modality, "video");
    }
}
