//! The plans that the tests render.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{fs, path::Path};

use portwright_core::{
    Backend, Format, PortPlan,
    plan::{
        Adaptation, AdaptationKind, Dtype, Method, Provenance, Rewrite, Run, Session, Source,
        Strategy, TorchPatch, Values,
    },
};

pub fn plans() -> Vec<PortPlan> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| PortPlan::from_toml(&fs::read_to_string(path).unwrap()).unwrap())
        .collect()
}

pub const BERT: &str = "transformers.models.bert.modeling_bert";

pub const SELF_OUTPUT: &str = "
def forward(self, hidden_states: torch.Tensor, input_tensor: torch.Tensor):
    hidden_states = self.dense(hidden_states)
    return self.LayerNorm(input_tensor + self.dropout(hidden_states))
";

pub const ATTENTION: &str = "
def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs,
):
    if scaling is None:
        scaling = 1 / math.sqrt(query.size(-1))
    scores = torch.matmul(query, key.mT) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    scores = F.softmax(scores, dim=-1)
    output = torch.matmul(scores, value).transpose(1, 2).contiguous()
    return output, scores
";

pub fn patch(target: &str, source: &str) -> Adaptation {
    Adaptation {
        kind: AdaptationKind::TorchPatch(TorchPatch {
            target: target.into(),
            source: source.into(),
        }),
        provenance: Provenance {
            source: Source::Person,
            name: "someone".into(),
            answers: "RuntimeError: no such operator".into(),
            reason: "The sum the other way round, so that the tests have a function which computes the same.".into(),
        },
    }
}

/// Every plan of the fixtures, and each of them with every strategy, static and dynamic.
pub fn variants() -> Vec<PortPlan> {
    let mut variants = Vec::new();
    for plan in plans() {
        for strategy in [
            Strategy::Transformers,
            Strategy::TorchDynamo,
            Strategy::TorchScript,
        ] {
            for dynamic in [true, false] {
                let mut variant = plan.clone();
                for export in variant.export.values_mut() {
                    export.dynamic = dynamic;
                    export.strategy = strategy;
                    export.opset = (!dynamic).then_some(20);
                }
                variants.push(variant);
            }
        }
        let mut variant = plan.clone();
        variant.keep_backends(&[Backend::TORCH_CPU]);
        variants.push(variant);
        let mut variant = plan.clone();
        let made = |backend: &Backend| plan.export.contains_key(&backend.reads());
        variant.backends.extend(Backend::all().filter(made));
        variant.backends.sort_unstable();
        variant.backends.dedup();
        if let Some(export) = variant.export.get_mut(&Format::Onnx) {
            export.rewrites = Rewrite::ALL.to_vec();
        }
        variants.push(variant);
        let mut variant = plan.clone();
        variant.class = "TimeSeriesTransformerForConditionalGeneration".into();
        variant.config_class = "TimeSeriesTransformerConfig".into();
        variant.inputs[0].name = "static_categorical_feature_values".into();
        variant.adaptations = vec![Adaptation {
            kind: AdaptationKind::ExpertsImplementation {
                name: "batched_mm".into(),
            },
            provenance: Provenance {
                source: Source::Rule,
                name: "experts".into(),
                answers: "RuntimeError: no such operator".into(),
                reason: "The exporter has no \"grouped\" product, so each expert's product is one of a batch.".into(),
            },
        }];
        variants.push(variant);
        let mut variant = plan.clone();
        variant.adaptations = vec![antialias()];
        variants.push(variant);
        variants.push(repaired(&plan));
        let mut variant = plan.clone();
        variant.adaptations = vec![
            patch(&format!("{BERT}.BertSelfOutput.forward"), SELF_OUTPUT),
            patch(&format!("{BERT}.eager_attention_forward"), ATTENTION),
        ];
        variants.push(variant);
        let mut variant = plan.clone();
        variant.inputs[0].dtype = Dtype::Int64;
        variant.inputs[0].values = Values::Tokens {
            low: 3,
            high: 99,
            runs: vec![Run {
                id: 2,
                at: 1,
                count: 3,
                marks: "image".into(),
            }],
        };
        let mut table = variant.inputs[0].clone();
        table.name = "places".into();
        table.values = Values::Listed {
            values: (0..72).collect(),
        };
        variant.inputs.push(table);
        variants.push(variant);
        variants.push(by_methods(&plan));
        variants.push(by_session(&plan));
        let mut variant = plan.clone();
        variant.config_module = Some("transformers.models.another.configuration_another".into());
        variants.push(variant);
        variants.push(plan);
    }
    variants
}

/// The plan of a class without a `forward`, of which two methods are called.
pub fn by_methods(plan: &PortPlan) -> PortPlan {
    let method = |name: &str, parameters: Vec<String>| Method {
        name: name.into(),
        parameters,
    };
    let names = plan.inputs.iter().map(|input| input.name.clone()).collect();
    PortPlan {
        methods: vec![
            method("encode", names),
            method("decode", vec![plan.inputs[0].name.clone(), "codes".into()]),
        ],
        ..plan.clone()
    }
}

/// The plan of a tracker, whose `forward` takes a session that the first input is the frames of.
pub fn by_session(plan: &PortPlan) -> PortPlan {
    let session = Session {
        parameter: "inference_session".into(),
        class: "AnyInferenceSession".into(),
        frames: plan.inputs[0].name.clone(),
        method: "add_point_inputs".into(),
        prompts: vec![plan.inputs[0].name.clone()],
    };
    PortPlan {
        session: Some(session),
        ..plan.clone()
    }
}

/// The plan with a switch that a repair set.
pub fn repaired(plan: &PortPlan) -> PortPlan {
    let mut plan = plan.clone();
    plan.config.insert("onnx_export".into(), true.into());
    plan.adaptations = vec![Adaptation {
        kind: AdaptationKind::Setting {
            key: "config.onnx_export".into(),
        },
        provenance: Provenance {
            source: Source::Search,
            name: "export-switch".into(),
            answers: "values differ".into(),
            reason: "the code takes a way made for exporters".into(),
        },
    }];
    plan
}

pub fn antialias() -> Adaptation {
    Adaptation {
        kind: AdaptationKind::AntialiasAsProduct,
        provenance: Provenance {
            source: Source::Rule,
            name: "antialias-as-product".into(),
            answers: "values differ".into(),
            reason: "the operator gives other numbers".into(),
        },
    }
}
