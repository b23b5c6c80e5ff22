//! Small models in local folders: one layer over embedded tokens, which costs next to nothing to export.

use std::{fs, path::PathBuf};

use super::Place;

const CONFIG: &str = r#"
from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class NAMEConfig(PreTrainedConfig):
    model_type = "TYPE"

    vocab_size: int = 64
    hidden_size: int = 32


__all__ = ["NAMEConfig"]
"#;

/// `CHECK` stands where a model may look at the values of its inputs.
const MODEL: &str = r#"
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from .configuration_TYPE import NAMEConfig


class NAMEMixer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states, attention_mask):
        kept = attention_mask.to(hidden_states.dtype)[..., None]
        mean = (hidden_states * kept).sum(dim=1, keepdim=True) / kept.sum(dim=1, keepdim=True)
        return hidden_states + torch.tanh(self.dense(hidden_states + mean))


class NAMEModel(PreTrainedModel):
    config_class = NAMEConfig
    base_model_prefix = "model"

    def __init__(self, config: NAMEConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.mixer = NAMEMixer(config)
        self.post_init()

    def forward(
        self,
        input_ids: torch.LongTensor,
        attention_mask: torch.Tensor,
        **kwargs,
    ) -> BaseModelOutput:
        r"""
        input_ids (`torch.LongTensor` of shape `(batch_size, sequence_length)`):
            Tokens.
        attention_mask (`torch.Tensor` of shape `(batch_size, sequence_length)`):
            Which tokens count.
        """
CHECK
        hidden_states = self.mixer(self.embed_tokens(input_ids), attention_mask)
        return BaseModelOutput(last_hidden_state=hidden_states)


__all__ = ["NAMEModel"]
"#;

/// A check of the tokens, as many models have one: no graph can ask it, and a tracer passes it by.
const CHECK: &str = r#"
        if (input_ids < 0).any():
            raise ValueError("the id of a token is not negative")
"#;

/// Another way for a batch of one: what exports it keeps the way that the example took, and only fixed axes make that true.
const LONELY: &str = r#"
        if input_ids.shape[0] == 1:
            input_ids = input_ids.flip(1)
"#;

impl Place {
    /// The folder of a model of this name; `checked` ones look at the values of their tokens.
    pub fn toy(&self, name: &str, checked: bool) -> PathBuf {
        self.toy_with(name, if checked { CHECK } else { "" })
    }

    /// The folder of a model of this name that treats a batch of one otherwise.
    pub fn lonely_toy(&self, name: &str) -> PathBuf {
        self.toy_with(name, LONELY)
    }

    pub fn toy_with(&self, name: &str, check: &str) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir_all(&folder).unwrap();
        let class = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
        let write = |file: &str, text: &str| {
            let text = text
                .replace("CHECK", check)
                .replace("NAME", &class)
                .replace("TYPE", name);
            fs::write(folder.join(file), text.trim_start()).unwrap();
        };
        write(&format!("configuration_{name}.py"), CONFIG);
        write(&format!("modeling_{name}.py"), MODEL);
        write(
            "config.json",
            r#"{
  "architectures": ["NAMEModel"],
  "auto_map": {
    "AutoConfig": "configuration_TYPE.NAMEConfig",
    "AutoModel": "modeling_TYPE.NAMEModel"
  },
  "model_type": "TYPE",
  "vocab_size": 64,
  "hidden_size": 32
}
"#,
        );
        folder
    }
}
