//! A small card and findings for the agents' tests, and the driver's part in a reduction.

pub mod endpoint;

use portwright_core::{Backend, Finding, InterfaceCard, Signature, Stage};
use serde_json::json;

use crate::protocol::{Action, Agent, Observation};

/// Answers what a reduction asks, until the agent does something else.
pub fn reduced<A: Agent>(
    agent: &mut A,
    mut action: Action<A::Finished>,
    met: bool,
) -> Action<A::Finished> {
    while let Action::Reproduce { .. } = action {
        action = agent.step(Observation::Reproduced { met });
    }
    action
}

/// A card with one encoder of three inputs.
pub fn card() -> InterfaceCard {
    let source = json!({ "file": "models/tiny/modeling_tiny.py", "line": 1 });
    let input = |name: &str| json!({ "name": name, "required": false, "annotation": "torch.LongTensor | None", "source": source });
    let field = |name: &str, default: u64| json!({ "name": name, "default": default });
    let card = json!({
        "schema": 1,
        "model_type": "tiny",
        "library_version": "5.20.2",
        "family": "encoder-only",
        "config_class": { "name": "TinyConfig", "module": "transformers.models.tiny.configuration_tiny", "source": source },
        "config_fields": [
            field("vocab_size", 30522), field("hidden_size", 768), field("num_hidden_layers", 12),
            field("num_attention_heads", 12), field("intermediate_size", 3072), field("max_position_embeddings", 512),
        ],
        "attribute_map": {},
        "sub_configs": {},
        "classes": [{
            "name": "TinyModel", "module": "transformers.models.tiny.modeling_tiny", "auto_class": "AutoModel", "task": "base",
            "source": source, "main_input": "input_ids", "inputs": [input("input_ids"), input("attention_mask")],
        }],
        "modalities": ["text"],
    });
    serde_json::from_value(card).unwrap()
}

pub fn finding(stage: Stage, backend: Option<Backend>, phrase: &str) -> Box<Finding> {
    Box::new(Finding {
        stage,
        backend,
        signature: Signature::phrase(phrase),
        message: phrase.to_owned(),
        error: None,
        hint: None,
    })
}
