//! Pictures that a model puts on top of each other: the sides that its configuration gives an image are those of all of them.

use portwright_core::{
    card::ModelClass,
    plan::{Axis, InputSpec},
};

/// Gives each required picture its part of an image that is as many times as high as it is wide as there are pictures.
pub fn split(class: &ModelClass, specs: &mut [InputSpec]) {
    let required = |spec: &InputSpec| {
        let takes = |input: &&portwright_core::card::InputParam| input.name == spec.name;
        class.inputs.iter().find(takes).is_some_and(|i| i.required)
    };
    let picture = |spec: &&InputSpec| {
        spec.name.ends_with("pixel_values") && spec.shape.len() == 4 && required(spec)
    };
    let many = specs.iter().filter(picture).count() as u64;
    for spec in specs.iter_mut().filter(|spec| required(spec)) {
        if let [_, _, Axis::Fixed(height), Axis::Fixed(width)] = spec.shape.as_mut_slice()
            && many > 1
            && *height == many * *width
        {
            *height = *width;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::propose::inputs::{float, named};

    fn heights(names: &[&str], height: u64) -> Vec<Axis> {
        let source = json!({"file": "any.py", "line": 1});
        let inputs: Vec<_> = names
            .iter()
            .map(|name| json!({"name": name, "required": true, "source": source}))
            .collect();
        let class: ModelClass = serde_json::from_value(json!({
            "name": "AnyModel", "module": "any", "task": "base", "source": source, "main_input": "pixel_values",
            "inputs": inputs
        }))
        .unwrap();
        let axes = |height| [3, height, 16].map(Axis::Fixed);
        let shape = |height| [vec![named("batch")], axes(height).to_vec()].concat();
        let spec = |name: &&str| float(name, shape(height), "image");
        let mut specs: Vec<InputSpec> = names.iter().map(spec).collect();
        split(&class, &mut specs);
        specs.iter().map(|spec| spec.shape[2].clone()).collect()
    }

    #[test]
    fn each_of_two_pictures_is_half_of_an_image_that_is_twice_as_high_as_wide() {
        let two = ["pixel_values", "prompt_pixel_values", "prompt_masks"];
        assert_eq!(heights(&two, 32), [16, 16, 16].map(Axis::Fixed));
        // One picture has the sides that the configuration says, whatever they are.
        assert_eq!(heights(&["pixel_values"], 32), [Axis::Fixed(32)]);
        assert_eq!(heights(&two, 48), [48, 48, 48].map(Axis::Fixed));
    }
}
