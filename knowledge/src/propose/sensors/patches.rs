//! Images that are given as rows of patches, with the tables that say where each patch lies.

use portwright_core::plan::{Axis, Dtype, InputSpec, Values};

use super::{Inputs, Small, float, named};

/// Patches of one small image and what they are made of.
struct Patches {
    side: u64,
    merge: u64,
    width: u64,
}

impl Patches {
    fn of(small: &Small) -> Self {
        let merge = small
            .number(&[
                "spatial_merge_size",
                "merge_size",
                "merge_kernel_size",
                "pooling_kernel_size",
                "downsample_factor",
            ])
            .unwrap_or(1)
            .max(1);
        let channels = small
            .number(&["num_channels", "in_channels", "in_chans"])
            .unwrap_or(3);
        let frames = small.number(&["temporal_patch_size"]).unwrap_or(1);
        let patch = small.number(&["patch_size"]).unwrap_or(16);
        Self {
            side: 2 * merge.max(2),
            merge,
            width: channels * frames * patch * patch,
        }
    }

    fn count(&self) -> u64 {
        self.side * self.side
    }
}

/// Adds rows of patches and their tables; `false` where the class takes whole images.
pub fn add(
    takes: &dyn Fn(&str) -> bool,
    name: &str,
    main: bool,
    small: &Small,
    inputs: &mut Inputs,
) -> bool {
    let patches = Patches::of(small);
    let side = i64::try_from(patches.side).unwrap_or(i64::MAX);
    let rows = || Axis::Fixed(patches.count());
    match name {
        // The patches of all images follow each other, and a grid for each says where it ends.
        "pixel_values" | "hidden_states" if takes("grid_thw") => {
            let all = Axis::Named(format!("{}*batch", patches.count()));
            let shape = vec![all, Axis::Fixed(patches.width)];
            inputs.specs.push(float(name, shape, "image"));
        }
        "grid_thw" => inputs
            .specs
            .push(table(name, vec![Axis::Fixed(3)], vec![1, side, side])),
        "merge_sizes" if takes("grid_thw") => {
            let merge = i64::try_from(patches.merge).unwrap_or(i64::MAX);
            inputs.specs.push(table(name, Vec::new(), vec![merge]));
        }
        "pixel_values" if takes("spatial_shapes") || takes("pixel_position_ids") => {
            let shape = vec![named("batch"), rows(), Axis::Fixed(patches.width)];
            inputs.specs.push(float(name, shape, "image"));
        }
        "spatial_shapes" if main => {
            inputs
                .specs
                .push(table(name, vec![Axis::Fixed(2)], vec![side, side]));
        }
        "pixel_attention_mask" if takes("spatial_shapes") => {
            inputs.specs.push(table(name, vec![rows()], vec![1]));
        }
        "pixel_position_ids" => {
            let places = (0..side).flat_map(|row| (0..side).flat_map(move |column| [column, row]));
            let axes = vec![rows(), Axis::Fixed(2)];
            inputs.specs.push(table(name, axes, places.collect()));
        }
        _ => return false,
    }
    true
}

/// Whole numbers that are the same for every image.
fn table(name: &str, axes: Vec<Axis>, values: Vec<i64>) -> InputSpec {
    let mut shape = vec![named("batch")];
    shape.extend(axes);
    InputSpec {
        name: name.into(),
        dtype: Dtype::Int64,
        shape,
        values: Values::Listed { values },
        modality: "control".into(),
    }
}
