//! Sizes in pixels of what lies along the sides of an image, such as a prompt that is laid around it: they shrink as the
//! image does, or nothing would be left between them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::tree::Node;

/// How such fields are called.
const NAMES: [&str; 3] = ["prompt_size", "border_size", "margin_size"];

/// Scales them by the side of the image before and after it shrinks.
pub fn shrink(node: &Node, image: Option<(u64, u64)>, found: &mut BTreeMap<String, Value>) {
    let Some((before, after)) = image.filter(|(before, _)| *before > 0) else {
        return;
    };
    for field in &node.fields {
        let named = NAMES.iter().any(|name| field.name.ends_with(name));
        if let Some(size) = field.default.as_u64().filter(|size| named && *size > 0) {
            found.insert(
                field.name.clone(),
                Value::from((size * after / before).max(1)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::propose::tree::Field;

    #[test]
    fn what_lies_around_an_image_leaves_as_much_of_it_as_before() {
        let field = |name: &str, default: u64| Field {
            name: name.into(),
            common: name.into(),
            default: Value::from(default),
            computed: false,
            inherited: false,
        };
        let node = Node {
            path: String::new(),
            model_type: None,
            fields: vec![field("some_prompt_size", 96), field("others", 96)],
        };
        let mut found = BTreeMap::new();
        shrink(&node, Some((448, 64)), &mut found);
        assert_eq!(found["some_prompt_size"], Value::from(13));
        assert_eq!(found.len(), 1);
    }
}
