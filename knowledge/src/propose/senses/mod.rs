//! What a model sees and hears beside text: tensors of the senses, the small tables that describe them, and the
//! placeholder tokens that stand for their features.
//!
//! Their ranks come from what the type's processors made of a synthetic sample, their sizes from the small
//! configuration.

pub(crate) mod placeholders;
mod tune;
mod vision;

use portwright_core::{
    card::{InterfaceCard, ModelClass},
    plan::{Axis, Dtype, InputSpec, Values},
};

pub(crate) use tune::{layers, tune};
use vision::Vision;

use super::inputs::{Inputs, Small, float, image, named, signed};

/// Regions of an image whose features are given ready-made.
pub(crate) const REGIONS: u64 = 6;

/// Features of a sound, as long as nothing tells how many its encoder leaves.
const SOUNDS: u64 = 4;

/// One `forward` as the senses see it.
struct Senses<'a> {
    card: &'a InterfaceCard,
    class: &'a ModelClass,
    small: &'a Small<'a>,
    vision: Vision,
}

/// Adds the input where it belongs to a sense other than text; `false` where it does not and others decide.
pub fn add(
    card: &InterfaceCard,
    class: &ModelClass,
    name: &str,
    main: bool,
    small: &Small,
    inputs: &mut Inputs,
) -> bool {
    let senses = Senses {
        card,
        class,
        small,
        vision: Vision::of(card, small),
    };
    senses.picture(name, inputs) || senses.table(name, main, inputs) || senses.sound(name, inputs)
}

impl Senses<'_> {
    fn takes(&self, name: &str) -> bool {
        self.class.inputs.iter().any(|input| input.name == name)
    }

    /// The element type of a table: whole numbers, unless the processor makes flags.
    fn dtype(&self, name: &str) -> Dtype {
        match self.card.processed.get(name) {
            Some(seen) if seen.dtype == "bool" => Dtype::Bool,
            _ => Dtype::Int64,
        }
    }

    fn rank(&self, name: &str) -> Option<usize> {
        self.card.processed.get(name).map(|seen| seen.shape.len())
    }

    /// How many axes the documentation gives an input; none where it gives no shape.
    fn documented(&self, name: &str) -> usize {
        let parameter = self.class.inputs.iter().find(|input| input.name == name);
        parameter.map_or(0, |parameter| parameter.shape.len())
    }

    /// Pixels. `false` for a plain batch of images, which needs no more than the sizes of the configuration.
    fn picture(&self, name: &str, inputs: &mut Inputs) -> bool {
        let vision = &self.vision;
        match name {
            // All images side by side, patch after patch in one row.
            "pixel_values" | "pixel_values_videos" if self.takes("target_sizes") => {
                let modality = if name == "pixel_values" {
                    "image"
                } else {
                    "video"
                };
                let row = vision.patches() * vision.patch;
                let shape = vec![
                    Axis::Fixed(1),
                    Axis::Fixed(vision.channels),
                    Axis::Fixed(vision.patch),
                    Axis::Named(format!("{row}*batch")),
                ];
                inputs.specs.push(float(name, shape, modality));
                inputs.feature(modality, vision.merged());
            }
            "pixel_values_videos" if self.takes("video_grid_thw") => {
                self.packed(name, "video", inputs);
            }
            // One frame of patches for every sample.
            "pixel_values_videos" if self.takes("video_position_ids") => {
                self.patches(name, "video", inputs);
            }
            "pixel_values_videos" => {
                let frames = self
                    .small
                    .sense("vision", &["num_frames", "frames_per_clip"]);
                let frames = frames.unwrap_or(2);
                let shape = vision.image(vec![named("batch"), Axis::Fixed(frames)]);
                inputs.specs.push(float(name, shape, "video"));
                inputs.feature("video", vision.features() * frames);
            }
            "pixel_values"
                if self.takes("image_grid_thw")
                    || self.takes("image_grid_hw")
                    || self.rank(name) == Some(2)
                    || self.documented(name) == 2 =>
            {
                self.packed(name, "image", inputs);
            }
            "pixel_values"
                if self.takes("spatial_shapes")
                    || self.takes("image_position_ids")
                    || self.rank(name) == Some(3) =>
            {
                self.patches(name, "image", inputs);
            }
            "image_patches" => self.patches(name, "image", inputs),
            // Two columns of places before the pixels: below 1 they all mean the first place.
            "flattened_patches" if self.takes("width") || self.embedded_patch().is_some() => {
                let width = self.embedded_patch();
                let width = 2 + width.unwrap_or_else(|| vision.patch_width(1));
                let patches = Axis::Fixed(vision.patches());
                let shape = vec![named("batch"), patches, Axis::Fixed(width)];
                let mut spec = float(name, shape, "image");
                spec.values = Values::Uniform {
                    low: 0.0,
                    high: 1.0,
                };
                inputs.specs.push(spec);
                inputs.feature("image", vision.patches());
            }
            "visual_embeds" => {
                let width = self.small.number(&["visual_embedding_dim"]);
                let Some(width) = width else { return false };
                let regions = Axis::Fixed(REGIONS);
                let shape = vec![named("batch"), regions, Axis::Fixed(width)];
                inputs.specs.push(float(name, shape, "image"));
            }
            // Patches of all images, each with its own moments, sides and channels, in this order; one feature each.
            "pixel_values" if vision.cuts_cubes(self.card) => {
                let rows = Axis::Named(format!("{}*batch", vision.patches()));
                let cube = [vision.temporal, vision.patch, vision.patch, vision.channels];
                let mut shape = vec![rows];
                shape.extend(cube.map(Axis::Fixed));
                inputs.specs.push(float(name, shape, "image"));
                inputs.feature("image", vision.patches());
            }
            "pixel_values" | "image_pixel_values" if self.pictures(name).is_some() => {
                let many = self.pictures(name).unwrap_or(1);
                let shape = vision.image(vec![named("batch"), Axis::Fixed(many)]);
                inputs.specs.push(float(name, shape, "image"));
                inputs.feature("image", vision.features() * many);
            }
            "pixel_values" if self.rank(name) == Some(6) => {
                let axes = vec![named("batch"), Axis::Fixed(1), Axis::Fixed(vision.tiles)];
                inputs.specs.push(float(name, vision.image(axes), "image"));
            }
            "pixel_values"
            | "pixel_values_images"
            | "image_pixel_values"
            | "high_res_pixel_values" => {
                inputs.specs.push(image(name, self.small));
                inputs.feature("image", vision.features());
            }
            _ => return false,
        }
        true
    }

    /// The width of a patch where the configuration says it rather than leaving it to the patch's sides.
    fn embedded_patch(&self) -> Option<u64> {
        self.small.sense("vision", &["patch_embed_hidden_size"])
    }

    /// How many tiles or frames one sample has, where it has more than a plain image.
    fn pictures(&self, name: &str) -> Option<u64> {
        let frames = self.small.sense("vision", &["num_frames"]);
        match self.rank(name) {
            Some(5) => Some(self.vision.tiles),
            Some(4) => frames,
            _ => None,
        }
    }

    /// Patches of one image after the other, each image with as many.
    fn patches(&self, name: &str, modality: &str, inputs: &mut Inputs) {
        let vision = &self.vision;
        let sizes = [vision.patches(), vision.patch_width(1)].map(Axis::Fixed);
        let mut shape = vec![named("batch")];
        shape.extend(sizes);
        inputs.specs.push(float(name, shape, modality));
        inputs.feature(modality, vision.merged());
    }

    /// Patches of all images in one long row, which a table of grids divides again.
    fn packed(&self, name: &str, modality: &str, inputs: &mut Inputs) {
        let vision = &self.vision;
        // A video has as many frames as become one feature, so that it has the features of an image.
        let moments = if modality == "video" {
            vision.moments
        } else {
            1
        };
        let rows = Axis::Named(format!("{}*batch", vision.patches() * moments));
        let shape = if self.rank("pixel_values") == Some(4) {
            let patch = Axis::Fixed(vision.patch);
            vec![rows, Axis::Fixed(vision.channels), patch.clone(), patch]
        } else {
            vec![rows, Axis::Fixed(vision.patch_width(vision.temporal))]
        };
        inputs.specs.push(float(name, shape, modality));
        inputs.feature(modality, vision.merged());
    }

    /// Tables of whole numbers and masks that describe pixels; the same for every sample.
    fn table(&self, name: &str, main: bool, inputs: &mut Inputs) -> bool {
        let vision = &self.vision;
        let (rows, columns) = (signed(vision.rows), signed(vision.columns));
        let known = main || self.card.processed.contains_key(name);
        let (axes, values): (&[u64], Vec<i64>) = match name {
            "image_grid_thw" => (&[3], vec![1, rows, columns]),
            "video_grid_thw" => (&[3], vec![signed(vision.moments), rows, columns]),
            "image_grid_hw" | "spatial_shapes" | "target_sizes" | "target_sizes_videos" => {
                (&[2], vec![rows, columns])
            }
            "image_merge_sizes" | "video_merge_sizes" => (&[], vec![signed(vision.merge)]),
            "image_sizes" if known => {
                let (height, width) = vision.whole;
                (&[2], vec![signed(height), signed(width)])
            }
            "image_position_ids" | "video_position_ids" => {
                let places =
                    (0..rows).flat_map(|row| (0..columns).map(move |column| [column, row]));
                (&[vision.patches(), 2], places.flatten().collect())
            }
            "pixel_attention_mask" if self.takes("spatial_shapes") => {
                (&[vision.patches()], vec![1])
            }
            "pixel_attention_mask" if known => {
                (&[vision.tiles, vision.height, vision.width], vec![1])
            }
            "pixel_mask" if known && self.rank("pixel_values") == Some(4) => {
                (&[vision.height, vision.width], vec![1])
            }
            "height" if self.takes("flattened_patches") => (&[], vec![rows]),
            "width" if self.takes("flattened_patches") => (&[], vec![columns]),
            "num_frames_per_video" => (&[], vec![1]),
            // How many features of each sound are taken: as many as have placeholders.
            "audio_embed_sizes" if known => (&[], vec![signed(SOUNDS)]),
            "image_attention_mask" if known => {
                let patch = vision.patch.max(1);
                (
                    &[vision.tiles, vision.height / patch, vision.width / patch],
                    vec![1],
                )
            }
            "visual_attention_mask" | "visual_token_type_ids" => (&[REGIONS], vec![1]),
            "aspect_ratio_ids" => (&[1], vec![1]),
            "aspect_ratio_mask" => (&[1, vision.tiles], vec![1]),
            "batch_num_images" | "num_local_patches" if main => (&[], vec![1]),
            _ => return false,
        };
        let mut shape = vec![named("batch")];
        shape.extend(axes.iter().map(|size| Axis::Fixed(*size)));
        inputs.specs.push(InputSpec {
            name: name.into(),
            dtype: self.dtype(name),
            shape,
            values: Values::Listed { values },
            modality: "control".into(),
        });
        true
    }

    /// Masks over the frames of a spectrogram, whose shape follows from the spectrogram's.
    fn sound(&self, name: &str, inputs: &mut Inputs) -> bool {
        let masks = matches!(name, "input_features_mask" | "feature_attention_mask");
        if matches!(
            name,
            "input_features" | "audio_input_features" | "input_values"
        ) {
            // The number of frames that an encoder leaves is known to its code alone; the search corrects this.
            inputs.feature("audio", SOUNDS);
        }
        let Some(frames) = inputs.frames.clone().filter(|_| masks) else {
            return false;
        };
        inputs.specs.push(InputSpec {
            name: name.into(),
            dtype: self.dtype(name),
            shape: vec![named("batch"), frames],
            values: Values::Constant { value: 1.0 },
            modality: "control".into(),
        });
        true
    }
}
