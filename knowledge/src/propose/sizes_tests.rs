use serde_json::json;

use super::{
    super::{tokens::TokenMap, tree::node},
    *,
};

fn solved(nodes: &[Node]) -> Value {
    Value::Object(solve(nodes, &TokenMap::new(nodes)))
}

#[test]
fn the_width_in_which_scaled_channels_meet_a_text_stays() {
    let found = solved(&[
        node("", &[("projection_dim", json!(640))]),
        node("text", &[("hidden_size", json!(768))]),
        node("vision", &[("width_coefficient", json!(2.0))]),
    ]);
    assert_eq!(
        found,
        json!({"text": {"model_type": "inner", "hidden_size": 64}})
    );
}

#[test]
fn a_width_and_the_lists_of_it_stay_what_a_named_backbone_makes() {
    let found = solved(&[
        node(
            "",
            &[
                ("d_model", json!(256)),
                ("decoder_in_channels", json!([256, 256, 256])),
            ],
        ),
        node("inner", &[("architecture", json!("a_named_one"))]),
    ]);
    assert_eq!(found, json!({}));
}

#[test]
fn maps_of_features_shrink_with_the_image_that_is_seen() {
    let found = solved(&[
        node(
            "prompt",
            &[("image_size", json!(1024)), ("patch_size", json!(16))],
        ),
        node(
            "vision",
            &[
                ("image_size", json!(1024)),
                ("backbone_feature_sizes", json!([[256, 256], [64, 64]])),
            ],
        ),
    ]);
    // Four patches of 8 there; here a side of 64, without patches.
    assert_eq!(found["prompt"]["image_size"], 32);
    assert_eq!(found["vision"]["image_size"], 64);
    assert_eq!(
        found["vision"]["backbone_feature_sizes"],
        json!([[16, 16], [4, 4]])
    );
}

#[test]
fn a_head_whose_size_is_that_of_its_rotary_part_stays_as_large_as_it() {
    let found = solved(&[node(
        "",
        &[
            ("head_dim", json!(64)),
            ("qk_rope_head_dim", json!(64)),
            ("qk_nope_head_dim", json!(128)),
        ],
    )]);
    assert_eq!(
        found,
        json!({"head_dim": 8, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16})
    );
}

#[test]
fn a_head_of_which_little_is_rotated_has_room_for_every_axis() {
    let table = json!({"mrope_section": [11, 11, 10], "partial_rotary_factor": 0.25});
    let found = solved(&[node(
        "",
        &[("head_dim", json!(256)), ("rope_parameters", table)],
    )]);
    assert_eq!(found["head_dim"], json!(32));
    assert_eq!(found["rope_parameters"]["mrope_section"], json!([1, 1, 2]));
}
