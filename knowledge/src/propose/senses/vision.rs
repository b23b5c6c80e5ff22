//! The sizes of one small image, as the vision part of the configuration has them.

use portwright_core::{card::InterfaceCard, plan::Axis};
use serde_json::Value;

use super::{Small, tune::pinpoints};

/// One image.
pub struct Vision {
    pub channels: u64,
    pub patch: u64,
    /// Frames in one patch.
    pub temporal: u64,
    /// Frames of a video whose places become one feature.
    pub moments: u64,
    /// Patches that become one feature, along one side.
    pub merge: u64,
    /// Pixels of a tile.
    pub height: u64,
    pub width: u64,
    /// Patches of an image that is given as a list of patches.
    pub rows: u64,
    pub columns: u64,
    /// Tiles of one image, the overview included.
    pub tiles: u64,
    /// Pixels of the image that was cut into tiles.
    pub whole: (u64, u64),
}

impl Vision {
    pub fn of(card: &InterfaceCard, small: &Small) -> Self {
        let number = |names: &[&str]| small.sense("vision", names);
        let channels = number(&["num_channels", "in_channels", "in_chans"]).unwrap_or(3);
        let patch = number(&["patch_size"]).unwrap_or(16);
        let merge = number(&[
            "spatial_merge_size",
            "merge_size",
            "merge_kernel_size",
            "pooling_kernel_size",
            "downsample_factor",
            "scale_factor",
            "pixel_shuffle_factor",
        ])
        .unwrap_or(1)
        .max(1);
        let side = |place: usize| {
            let value = small.sense_value("vision", &["image_size", "img_size"])?;
            match value {
                Value::Array(items) => items
                    .get(place.min(items.len().saturating_sub(1)))?
                    .as_u64(),
                value => value.as_u64(),
            }
        };
        let (height, width) = (side(0).unwrap_or(64), side(1).unwrap_or(64));
        let mut vision = Self {
            channels,
            patch,
            temporal: 1,
            moments: number(&["temporal_merge_size"]).unwrap_or(1).max(1),
            merge,
            height,
            width,
            rows: 2 * merge.max(2),
            columns: 2 * merge.max(2),
            tiles: 1,
            whole: (height, width),
        };
        vision.temporal = number(&["temporal_patch_size"]).unwrap_or_else(|| vision.frames(card));
        if vision.merges_first(card) {
            vision.patch *= merge;
            vision.merge = 1;
            (vision.rows, vision.columns) = (4, 4);
        }
        let pinpoint = pinpoints(small)
            .into_iter()
            .min_by_key(|(height, width)| height * width);
        if let Some((tall, wide)) = pinpoint {
            vision.tiles = (tall * wide) / (height * width).max(1) + 1;
            vision.whole = (tall, wide);
        } else if let Some(tiles) = number(&["max_num_tiles", "max_num_frames"]) {
            vision.tiles = tiles.min(4);
        } else if let Some(seen) = ["pixel_values", "image_pixel_values"]
            .iter()
            .find_map(|name| card.processed.get(*name))
        {
            vision.tiles = seen.shape.get(1).copied().unwrap_or(1).clamp(1, 2);
        }
        vision
    }

    /// Frames in one patch by the width of the rows that the processor makes, where no field says it.
    fn frames(&self, card: &InterfaceCard) -> u64 {
        let width = width(card, 2);
        let area = default(card, "patch_size").map(|patch| self.channels * patch * patch);
        match (width, area) {
            (Some(width), Some(area)) if area > 0 && width % area == 0 => (width / area).max(1),
            _ => 1,
        }
    }

    /// Whether the processor puts the patches that become one feature into one row already.
    fn merges_first(&self, card: &InterfaceCard) -> bool {
        let sides = default(card, "patch_size").zip(default(card, "pooling_kernel_size"));
        sides.is_some_and(|(patch, merge)| {
            merge > 1 && width(card, 3) == Some(self.channels * (patch * merge).pow(2))
        })
    }

    /// Whether the processor cuts images into patches with moments and sides of their own, and the channels last.
    pub fn cuts_cubes(&self, card: &InterfaceCard) -> bool {
        let patch = default(card, "patch_size");
        card.processed.get("pixel_values").is_some_and(|seen| {
            matches!(seen.shape[..], [_, _, tall, wide, channels]
                if Some(tall) == patch && Some(wide) == patch && channels == self.channels)
        })
    }

    pub fn patches(&self) -> u64 {
        self.rows * self.columns
    }

    /// Features of an image that is given as a list of patches.
    pub fn merged(&self) -> u64 {
        (self.patches() / (self.merge * self.merge)).max(1)
    }

    /// Features of a tile, as far as the sizes tell.
    pub fn features(&self) -> u64 {
        let patches = (self.height / self.patch.max(1)) * (self.width / self.patch.max(1));
        (patches / (self.merge * self.merge)).max(1)
    }

    pub fn patch_width(&self, frames: u64) -> u64 {
        self.channels * frames * self.patch * self.patch
    }

    /// The axes before those of an image, and then those.
    pub fn image(&self, mut axes: Vec<Axis>) -> Vec<Axis> {
        axes.extend([self.channels, self.height, self.width].map(Axis::Fixed));
        axes
    }
}

/// The width of the rows that the processor makes of an image, where it makes rows of this rank.
fn width(card: &InterfaceCard, rank: usize) -> Option<u64> {
    let seen = card.processed.get("pixel_values")?;
    seen.shape
        .last()
        .copied()
        .filter(|_| seen.shape.len() == rank)
}

/// The library's default of a field of the vision part.
fn default(card: &InterfaceCard, name: &str) -> Option<u64> {
    card.sub_configs
        .iter()
        .filter(|(path, _)| path.contains("vis"))
        .flat_map(|(_, config)| &config.fields)
        .filter(|field| field.name == name)
        .find_map(|field| field.default.as_u64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn patches_with_moments_and_channels_of_their_own_are_known_by_what_the_processor_makes() {
        let card = |shape: [u64; 5]| {
            fixtures::card(json!({
                "sub_configs": {"vision_config": {"class": "AnyVisionConfig", "attribute_map": {}, "fields": [
                    {"name": "patch_size", "default": 40}]}},
                "processed": {"pixel_values": {"dtype": "float32", "shape": shape, "modality": "image"}},
            }))
        };
        let small = Small {
            nodes: &[],
            config: &serde_json::Map::new(),
            tokens: &crate::propose::tokens::TokenMap::new(&[]),
        };
        let cubes = card([24, 2, 40, 40, 3]);
        assert!(Vision::of(&cubes, &small).cuts_cubes(&cubes));
        let tiles = card([1, 5, 3, 40, 40]);
        assert!(!Vision::of(&tiles, &small).cuts_cubes(&tiles));
    }
}
