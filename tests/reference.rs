//! What a reference is worth: models whose code looks around, and models that leave memory to chance.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use serde_json::Value;
use support::Place;

const CONFIG: &str = r#"{"model_type": "pebble", "vocab_size": 40, "hidden_size": 8, "auto_map":
    {"AutoConfig": "configuration_pebble.PebbleConfig", "AutoModel": "modeling_pebble.PebbleModel"}}"#;

const CONFIGURATION: &str = "
from transformers import PreTrainedConfig

class PebbleConfig(PreTrainedConfig):
    model_type = 'pebble'
    def __init__(self, vocab_size=40, hidden_size=8, **kwargs):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        super().__init__(**kwargs)
";

/// An encoder with a place for what it looks at, and for what its output is.
fn modelling(watched: &str, output: &str) -> String {
    format!(
        "
import os
import sys
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from .configuration_pebble import PebbleConfig

def frames():
    frame = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back

WATCHED = {watched}

class PebbleModel(PreTrainedModel):
    config_class = PebbleConfig
    base_model_prefix = 'model'
    def __init__(self, config):
        super().__init__(config)
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.out = nn.Linear(config.hidden_size, config.hidden_size)
        self.register_buffer('slopes', 1 + torch.arange(config.hidden_size) / 8, persistent=False)
        self.post_init()
    def forward(self, input_ids):
        hidden = self.out(torch.tanh(self.embed(input_ids)))
        return BaseModelOutput(last_hidden_state={output})
"
    )
}

fn run(place: &Place, name: &str, watched: &str, output: &str) -> Value {
    let folder = place.path(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.json"), CONFIG).unwrap();
    fs::write(folder.join("configuration_pebble.py"), CONFIGURATION).unwrap();
    fs::write(
        folder.join("modeling_pebble.py"),
        modelling(watched, output),
    )
    .unwrap();
    let model = format!("./{name}");
    let args = ["--backend", "torch-cpu", "--no-commit", "--attempts", "0"];
    let (_, document) = place.run(&[&[model.as_str()], &args[..]].concat());
    document["verdicts"][0].clone()
}

#[test]
fn a_model_that_sees_where_it_is_does_not_pass() {
    let place = Place::new();
    for (name, watched) in [
        (
            "modules",
            "any(n.startswith('portwright') for n in sys.modules)",
        ),
        (
            "words",
            "'portwright' in ' '.join([*sys.argv, os.getcwd(), *sys.path, *map('='.join, os.environ.items())]).lower()",
        ),
        (
            "frames",
            "any('worker' in frame.f_code.co_filename for frame in frames())",
        ),
    ] {
        let output = "hidden if WATCHED else hidden.flip(1) * 3 + 1";
        let verdict = run(&place, name, watched, output);
        assert_eq!(verdict["verdict"], "fail", "{name}: {verdict:#}");
        assert_eq!(
            verdict["finding"]["signature"],
            "the reference differs from a plain process: output last_hidden_state",
            "{name}: {verdict:#}"
        );
    }
}

#[test]
fn a_buffer_that_nobody_saves_has_the_values_that_its_model_gives_it() {
    let place = Place::new();
    let verdict = run(&place, "honest", "False", "hidden * self.slopes");
    assert_eq!(verdict["verdict"], "pass", "{verdict:#}");
}
