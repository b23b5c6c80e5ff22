//! Torch patches from end to end: one that is right makes a port pass, one that is wrong never does.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use serde_json::Value;
use support::{Place, source};

const PLAN: &str = r#"
schema = 2
model_type = "elm"
family = "encoder-only"
library_version = "VERSION"
class = "ElmModel"
module = "modeling_elm"
config_class = "ElmConfig"
task = "base"
backends = ["torch-cpu", "onnxruntime"]
config = { vocab_size = 64, hidden_size = 32 }
weights = { seed = 0, gain = 1.0 }

[dims]
batch = { example = 2, other = 3 }
sequence = { example = 8, other = 11 }

[[inputs]]
name = "input_ids"
dtype = "int64"
shape = ["batch", "sequence"]
values = { kind = "integer", low = 3, high = 64 }
modality = "text"

[[inputs]]
name = "attention_mask"
dtype = "int64"
shape = ["batch", "sequence"]
values = { kind = "mask" }
modality = "control"

[export.onnx]
strategy = "transformers"
dynamic = true
optimize = true
attention = "eager"

[[adaptations]]
provenance = { source = "person", name = "somebody", answers = "nothing", reason = "to see what becomes of it" }

[adaptations.kind]
is = "torch-patch"
target = "modeling_elm.ElmMixer.forward"
source = '''
def forward(self, hidden_states, attention_mask):
BODY
'''
"#;

/// The verdict on ONNX Runtime of the toy whose layer's body is replaced.
fn patched(place: &Place, body: &str) -> Value {
    let folder = place.toy("elm", false);
    let lines: Vec<String> = body
        .trim()
        .lines()
        .map(|line| format!("    {}", line.trim()))
        .collect();
    let plan = PLAN
        .replace("BODY", &lines.join("\n"))
        .replace("VERSION", &support::transformers());
    fs::write(place.path("plan.toml"), plan).unwrap();
    let folder = folder.to_str().unwrap();
    let args = [
        folder,
        "--plan",
        "plan.toml",
        "--backend",
        "onnxruntime",
        "--attempts",
        "0",
        "--no-commit",
    ];
    let (_, document) = place.run(&args);
    document["verdicts"][0].clone()
}

#[test]
fn a_patch_that_computes_the_same_passes() {
    let body = "
        kept = attention_mask.to(hidden_states.dtype).unsqueeze(-1)
        total = torch.einsum('bsd,bs->bd', hidden_states, kept[..., 0])[:, None]
        mean = total / kept.sum(dim=1, keepdim=True)
        return torch.tanh(self.dense(mean + hidden_states)) + hidden_states
    ";
    let verdict = patched(&Place::new(), body);
    assert_eq!(verdict["verdict"], "pass", "{verdict:#}");
}

/// Clean code that no guard can tell from honest work, and none of it is: the judge's part of the hostile suite.
const WRONG: [(&str, &str); 6] = [
    ("returns its argument", "return hidden_states"),
    (
        "ignores an input",
        "mean = hidden_states.mean(dim=1, keepdim=True)
        return hidden_states + torch.tanh(self.dense(hidden_states + mean))",
    ),
    (
        "a constant in disguise",
        "nothing = hidden_states - 1.0 * hidden_states
        return nothing + attention_mask[..., None] * nothing",
    ),
    (
        "leaves the layer's weights out",
        "kept = attention_mask.to(hidden_states.dtype)[..., None]
        mean = (hidden_states * kept).sum(dim=1, keepdim=True) / kept.sum(dim=1, keepdim=True)
        return hidden_states + torch.tanh(hidden_states + mean)",
    ),
    (
        "takes another row's values",
        "kept = attention_mask.to(hidden_states.dtype)[..., None]
        mean = (hidden_states * kept).sum(dim=1, keepdim=True) / kept.sum(dim=1, keepdim=True)
        return hidden_states.flip(0) + torch.tanh(self.dense(hidden_states + mean))",
    ),
    (
        "is right to two digits",
        "kept = attention_mask.to(hidden_states.dtype)[..., None]
        mean = (hidden_states * kept).sum(dim=1, keepdim=True) / kept.sum(dim=1, keepdim=True)
        return 1.01 * (hidden_states + torch.tanh(self.dense(hidden_states + mean)))",
    ),
];

#[test]
fn clean_code_that_computes_something_else_never_passes() {
    let place = Place::new();
    for (name, body) in WRONG {
        let verdict = patched(&place, body);
        assert_eq!(verdict["verdict"], "fail", "{name}: {verdict:#}");
        // The guards let it through; what the judge is told of the artefact is what it fails by.
        assert_ne!(
            verdict["finding"]["stage"], "generate",
            "{name}: {verdict:#}"
        );
    }
}

#[test]
fn what_a_guard_refuses_never_runs_and_says_line_and_cure() {
    let place = Place::new();
    let verdict = patched(&place, "return torch.load('reference.pt')");
    assert_eq!(verdict["verdict"], "fail");
    let finding = &verdict["finding"];
    assert_eq!(finding["stage"], "generate");
    assert_eq!(finding["signature"], "the patch is refused: attributes");
    assert!(
        finding["message"].as_str().unwrap().contains("line 2"),
        "{finding:#}"
    );
    assert!(
        finding["hint"].as_str().unwrap().contains("tensors"),
        "{finding:#}"
    );
}

#[test]
fn a_type_that_no_exporter_takes_passes_with_a_persons_patch() {
    let plan = source().join("evals/repairs/longformer.toml");
    let place = Place::new();
    let args = ["--backend", "onnxruntime", "--attempts", "0", "--no-commit"];
    let (_, without) = place.run(&[&["longformer"][..], &args].concat());
    assert_eq!(
        without["verdicts"][0]["finding"]["stage"], "export",
        "{without:#}"
    );
    let plan = ["longformer", "--plan", plan.to_str().unwrap()];
    let (code, document) = place.run(&[&plan[..], &args].concat());
    assert_eq!(document["verdicts"][0]["verdict"], "pass", "{document:#}");
    assert_eq!(code, 0);
}
