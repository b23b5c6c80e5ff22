//! Whether the inputs carry everything that the model is for: a model of images and text that was only shown text has
//! not been tried.

use std::collections::BTreeSet;

use portwright_core::{Finding, modality};
use serde::Deserialize;

use super::{inputs::InputSet, reference};

/// What the pristine class declares, as the job of the reference read it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Declared {
    /// E.g. `image` and `text`.
    pub modalities: Vec<String>,
    /// The parameters of its `forward`.
    pub parameters: Vec<String>,
}

/// Every declared modality that `forward` has a parameter for must reach it in an input that is drawn, because only
/// those are probed. A video is a row of images, and either counts for both.
pub fn check(declared: &Declared, sets: &[InputSet]) -> Result<(), Box<Finding>> {
    let probed: BTreeSet<&str> = sets
        .iter()
        .filter_map(|set| modality::carried(set.probe.as_deref()?))
        .collect();
    for name in &declared.modalities {
        let name = if name == "video" { "image" } else { name };
        let carriers: Vec<&str> = declared
            .parameters
            .iter()
            .map(String::as_str)
            .filter(|parameter| modality::carried(parameter) == Some(name))
            .collect();
        if let (Some(first), false) = (carriers.first(), probed.contains(name)) {
            return Err(reference::finding(
                format!("a modality is not exercised: {name}"),
                format!(
                    "the class takes the modality `{name}`, and no input that is drawn carries it; `{first}` does"
                ),
                "add such an input to the plan, with what belongs to it",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn sets(probes: &[&str]) -> Vec<InputSet> {
        let mut sets = vec![InputSet {
            name: "example".into(),
            probe: None,
            corner: false,
            seed: 0,
            sizes: BTreeMap::new(),
            tensors: BTreeMap::new(),
        }];
        for name in probes {
            sets.push(InputSet {
                name: format!("probe-{name}"),
                probe: Some((*name).to_owned()),
                ..sets[0].clone()
            });
        }
        sets
    }

    fn declared(modalities: &[&str], parameters: &[&str]) -> Declared {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Declared {
            modalities: owned(modalities),
            parameters: owned(parameters),
        }
    }

    #[test]
    fn a_model_of_images_that_saw_none_is_refused() {
        let class = declared(&["image", "text"], &["input_ids", "pixel_values"]);
        let finding = check(&class, &sets(&["input_ids"])).unwrap_err();
        assert_eq!(finding.signature.0, "a modality is not exercised: image");
        assert!(finding.message.contains("`pixel_values`"));
        assert!(check(&class, &sets(&["input_ids", "pixel_values"])).is_ok());
    }

    #[test]
    fn a_video_is_a_row_of_images() {
        let class = declared(
            &["image", "video", "text"],
            &["input_ids", "pixel_values", "pixel_values_videos"],
        );
        assert!(check(&class, &sets(&["input_ids", "pixel_values_videos"])).is_ok());
    }

    #[test]
    fn what_no_parameter_carries_is_not_asked_for() {
        let decoder = declared(&["audio", "text"], &["input_features", "decoder_input_ids"]);
        assert!(check(&decoder, &sets(&["input_features"])).is_ok());
        assert!(check(&Declared::default(), &sets(&[])).is_ok());
    }
}
