//! What an input carries, read from the name of the parameter: the library uses the same few names for all its models.

/// Parameters that hold images, besides those whose names begin with `pixel_values`.
const IMAGES: [&str; 8] = [
    "image",
    "images",
    "image_patches",
    "image_pixel_values",
    "high_res_pixel_values",
    "flattened_patches",
    "visual_feats",
    "visual_embeds",
];
const AUDIO: [&str; 6] = [
    "input_values",
    "input_features",
    "audio_input_ids",
    "audio_input_features",
    "audio_values",
    "audio_mel",
];
const SERIES: [&str; 2] = ["past_values", "timesteps"];

/// The modality that a parameter of a `forward` carries: `text`, `image`, `audio` or `time`. A video is a row of images.
/// Token ids that only a decoder reads carry none of their own.
pub fn carried(parameter: &str) -> Option<&'static str> {
    if SERIES.contains(&parameter) {
        Some("time")
    } else if AUDIO.contains(&parameter) {
        Some("audio")
    } else if parameter.starts_with("pixel_values") || IMAGES.contains(&parameter) {
        Some("image")
    } else if parameter == "input_ids"
        || parameter.ends_with("_input_ids") && !parameter.starts_with("decoder")
    {
        Some("text")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_a_parameter_carries() {
        for (name, carries) in [
            ("input_ids", Some("text")),
            ("qformer_input_ids", Some("text")),
            ("decoder_input_ids", None),
            ("pixel_values_videos", Some("image")),
            ("input_features", Some("audio")),
            ("past_values", Some("time")),
            ("attention_mask", None),
        ] {
            assert_eq!(carried(name), carries, "{name}");
        }
    }
}
