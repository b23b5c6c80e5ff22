//! What a configuration field is, by the words of its name and never by the model it belongs to.

/// The part that a number plays in a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Vocabulary,
    Token,
    /// The size of a hidden state.
    Width,
    FeedForward,
    Heads,
    KeyValueHeads,
    HeadSize,
    /// The rotary or positional part of a head, where it is counted apart.
    RotarySize,
    Depth,
    Positions,
    /// What a head writes by itself at most, token by token: each is a turn of a loop.
    Steps,
    Window,
    Experts,
    ExpertsPerToken,
    ExpertGroups,
    ExpertGroupsPerToken,
    Rank,
    Image,
    Patch,
    Queries,
    /// Nothing that has to shrink.
    Other,
}

const WIDTHS: [&str; 25] = [
    "hidden_size",
    "hidden_dim",
    "hidden_channels",
    "embed_dim",
    "embed_size",
    "embedding_size",
    "embedding_dim",
    "emb_dim",
    "d_model",
    "d_embed",
    "n_embd",
    "n_embed",
    "model_dim",
    "projection_dim",
    "proj_dim",
    "proj_dims",
    "projection_size",
    "proj_size",
    "pooler_output_size",
    "output_size",
    "output_dim",
    "fusion_hidden_size",
    "text_dim",
    "vision_dim",
    "cross_dim",
];

const FEED_FORWARD: [&str; 14] = [
    "intermediate_size",
    "intermediate_dim",
    "ffn_dim",
    "ffn_size",
    "ffn_hidden_size",
    "d_ff",
    "ff_dim",
    "d_inner",
    "n_inner",
    "mlp_dim",
    "mlp_hidden_size",
    "dim_feedforward",
    "feedforward_dim",
    "feed_forward_size",
];

const HEAD_SIZES: [&str; 10] = [
    "head_dim",
    "head_size",
    "d_kv",
    "d_head",
    "dim_head",
    "kv_channels",
    "head_width",
    "dim_per_head",
    "key_length",
    "attention_dim",
];

/// The role of a field by its common name.
pub fn role(name: &str) -> Role {
    let name = name.trim_start_matches('_');
    let ends = |words: &[&str]| words.iter().any(|word| ends_with_words(name, word));
    let has = |part: &str| name.contains(part);

    if ends(&["token_id", "token_ids", "token_index", "patch_id"])
        || matches!(
            name,
            "bos_index" | "eos_index" | "pad_index" | "unk_index" | "mask_index" | "sep_index"
        )
    {
        return Role::Token;
    }
    let vocabulary = ends(&["vocab_size", "vocabulary_size", "n_vocab"]) || has("vocab_size_per");
    if vocabulary && !has("type_vocab") {
        return Role::Vocabulary;
    }
    if has("expert") {
        if ends(&[
            "experts_per_tok",
            "experts_per_token",
            "moe_topk",
            "num_selected_experts",
        ]) {
            return Role::ExpertsPerToken;
        }
        if ends(&FEED_FORWARD) {
            return Role::FeedForward;
        }
        if ends(&["experts", "expert_num"]) && !has("shared") {
            return Role::Experts;
        }
    }
    if matches!(name, "moe_topk" | "moe_k" | "router_top_k") {
        return Role::ExpertsPerToken;
    }
    match name {
        "n_group" => return Role::ExpertGroups,
        "topk_group" => return Role::ExpertGroupsPerToken,
        "rotary_dim" | "qk_rope_head_dim" => return Role::RotarySize,
        "q_lora_rank" | "kv_lora_rank" | "o_lora_rank" => return Role::Rank,
        // What is proposed in the first of two stages is what the second one asks about.
        "num_queries" | "two_stage_num_proposals" => return Role::Queries,
        _ => {}
    }
    if ends(&HEAD_SIZES) {
        return Role::HeadSize;
    }
    if ends(&["heads", "n_head", "n_head_kv", "num_head"]) || has("attention_heads") {
        let grouped = ["key_value", "kv_", "_kv", "key_heads"];
        return if grouped.iter().any(|part| has(part)) {
            Role::KeyValueHeads
        } else {
            Role::Heads
        };
    }
    if ends(&FEED_FORWARD) {
        return Role::FeedForward;
    }
    if ends(&["image_size", "img_size", "input_resolution"]) {
        return Role::Image;
    }
    if ends(&["patch_size"]) && !has("temporal") {
        return Role::Patch;
    }
    if name == "max_text_length" {
        return Role::Steps;
    }
    if is_positions(name) {
        return Role::Positions;
    }
    if ends(&[
        "sliding_window",
        "sliding_window_size",
        "local_attention",
        "attention_window",
    ]) {
        return Role::Window;
    }
    if is_depth(name) {
        return Role::Depth;
    }
    if ends(&WIDTHS) || matches!(name, "dim" | "width") {
        return Role::Width;
    }
    Role::Other
}

fn is_positions(name: &str) -> bool {
    (name.contains("position") && (name.contains("max") || name.contains("num_position")))
        || matches!(
            name,
            "n_positions"
                | "n_ctx"
                | "context_length"
                | "max_seq_len"
                | "max_seq_length"
                | "max_sequence_length"
                | "seq_length"
                | "max_context_length"
                | "max_text_len"
        )
}

fn is_depth(name: &str) -> bool {
    // Counts of something else that merely lies in layers.
    const NOT: [&str; 9] = [
        "feat_extract",
        "window",
        "shared",
        "denois",
        "adapter",
        "feature_level",
        "nextn",
        "dense",
        "skip",
    ];
    if NOT.iter().any(|part| name.contains(part)) {
        return false;
    }
    matches!(name, "depth" | "layers" | "n_layer" | "n_layers")
        || ends_with_words(name, "layers")
        || ends_with_words(name, "n_layer")
        || ends_with_words(name, "depth")
}

/// Whether `name` is `words` or ends with `_words`.
fn ends_with_words(name: &str, words: &str) -> bool {
    name.strip_suffix(words)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_known_by_the_words_of_its_name() {
        for (name, expected) in [
            ("hidden_size", Role::Width),
            ("encoder_hidden_size", Role::Width),
            ("intermediate_size", Role::FeedForward),
            ("decoder_ffn_dim", Role::FeedForward),
            ("moe_intermediate_size", Role::FeedForward),
            ("num_attention_heads", Role::Heads),
            ("decoder_attention_heads", Role::Heads),
            ("n_head", Role::Heads),
            ("num_key_value_heads", Role::KeyValueHeads),
            ("num_kv_heads", Role::KeyValueHeads),
            ("head_dim", Role::HeadSize),
            ("d_kv", Role::HeadSize),
            ("num_hidden_layers", Role::Depth),
            ("encoder_layers", Role::Depth),
            ("num_feat_extract_layers", Role::Other),
            ("max_position_embeddings", Role::Positions),
            ("max_text_length", Role::Steps),
            ("vocab_size", Role::Vocabulary),
            ("type_vocab_size", Role::Other),
            ("pad_token_id", Role::Token),
            ("image_patch_id", Role::Token),
            ("vocab_size_per_layer_input", Role::Vocabulary),
            ("num_local_experts", Role::Experts),
            ("zero_expert_num", Role::Experts),
            ("num_experts_per_tok", Role::ExpertsPerToken),
            ("n_shared_experts", Role::Other),
            ("image_size", Role::Image),
            ("patch_size", Role::Patch),
            ("sliding_window", Role::Window),
            ("two_stage_num_proposals", Role::Queries),
            ("attention_head_dim", Role::HeadSize),
            ("layer_norm_eps", Role::Other),
        ] {
            assert_eq!(role(name), expected, "{name}");
        }
    }
}
