use super::*;
use crate::{backend::Backend, plan::Strategy};

const PLAN: &str = r#"
schema = 2
model_type = "bert"
family = "encoder-only"
library_version = "5.20.2"
class = "BertModel"
module = "transformers.models.bert.modeling_bert"
config_class = "BertConfig"
task = "base"
backends = ["torch-cpu", "onnxruntime"]

[weights]
seed = 0
gain = 1.0

[config]
hidden_size = 32

[dims.batch]
example = 2
other = 3

[[inputs]]
name = "input_ids"
dtype = "int64"
shape = ["batch", 8]
modality = "text"
values = { kind = "integer", low = 3, high = 99 }

[export.onnx]
strategy = "transformers"
dynamic = true
optimize = true
attention = "eager"
"#;

#[test]
fn a_plan_survives_writing_and_reading() {
    let plan = from_toml(PLAN).unwrap();
    assert_eq!(from_toml(&to_toml(&plan).unwrap()).unwrap(), plan);
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    let error = from_toml(&format!("colour = 1\n{PLAN}")).unwrap_err();
    assert!(error.to_string().contains("colour"), "{error}");
}

#[test]
fn code_in_the_place_of_a_name_is_refused() {
    let error = from_toml(&PLAN.replace("\"BertModel\"", "\"X; import os\"")).unwrap_err();
    assert!(error.to_string().contains("identifier"), "{error}");
}

#[test]
fn a_size_that_no_axis_has_is_forgotten() {
    let mut plan = from_toml(PLAN).unwrap();
    plan.forget_unused_dims();
    assert!(plan.dims.contains_key("batch"));
    plan.inputs[0].shape = vec![crate::plan::Axis::Named("2*batch".into())];
    plan.forget_unused_dims();
    assert!(plan.dims.contains_key("batch"));
    plan.inputs[0].shape = vec![crate::plan::Axis::Fixed(8)];
    plan.forget_unused_dims();
    assert!(plan.dims.is_empty());
}

#[test]
fn a_session_is_made_from_inputs_of_the_plan() {
    let session = |frames: &str| {
        format!(
            "{PLAN}\n[session]\nparameter = \"session\"\nclass = \"Session\"\nframes = \"{frames}\"\n\
             method = \"add_point_inputs\"\nprompts = []\n"
        )
    };
    assert!(from_toml(&session("input_ids")).unwrap().session.is_some());
    let error = from_toml(&session("video")).unwrap_err();
    assert!(error.to_string().contains("`video`"), "{error}");
    let both = format!(
        "{}\n[[methods]]\nname = \"encode\"\nparameters = [\"input_ids\"]\n",
        session("input_ids")
    );
    assert!(
        from_toml(&both)
            .unwrap_err()
            .to_string()
            .contains("`forward`")
    );
}

#[test]
fn an_axis_without_its_size_is_refused() {
    let error =
        from_toml(&PLAN.replace("[\"batch\", 8]", "[\"batch\", \"sequence\"]")).unwrap_err();
    assert!(error.to_string().contains("sequence"), "{error}");
}

#[test]
fn an_input_that_no_method_takes_is_refused() {
    let method = |parameter: &str| {
        format!("{PLAN}\n[[methods]]\nname = \"encode\"\nparameters = [\"{parameter}\"]\n")
    };
    assert_eq!(from_toml(&method("input_ids")).unwrap().methods.len(), 1);
    let error = from_toml(&method("codes")).unwrap_err();
    assert!(error.to_string().contains("`input_ids`"), "{error}");
    let error = from_toml(&method("x: y")).unwrap_err();
    assert!(error.to_string().contains("identifier"), "{error}");
}

#[test]
fn an_unknown_attention_implementation_names_the_known_ones() {
    let error = from_toml(&PLAN.replace("\"eager\"", "\"flash\"")).unwrap_err();
    assert!(error.to_string().contains("sdpa"), "{error}");
}

#[test]
fn free_axes_do_not_come_from_a_file_with_fixed_ones() {
    let openvino = "[export.openvino-ir]\nstrategy = \"from-onnx\"\ndynamic = true\noptimize = true\nattention = \"eager\"\n";
    let text = format!("{PLAN}\n{openvino}");
    let mut plan = from_toml(&text).unwrap();
    let fixed = text.replacen("dynamic = true", "dynamic = false", 1);
    let error = from_toml(&fixed).unwrap_err();
    assert!(
        error.to_string().contains("export.openvino-ir.dynamic"),
        "{error}"
    );
    for export in plan.export.values_mut() {
        export.dynamic = export.strategy == Strategy::FromOnnx;
    }
    plan.follow_sources();
    assert!(validate(&plan).is_ok());
}

#[test]
fn an_artefact_is_made_by_who_can_make_it_from_what_the_plan_makes_too() {
    let error = from_toml(&PLAN.replace("\"transformers\"\ndynamic", "\"from-onnx\"\ndynamic"));
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("export.onnx.strategy") && error.contains("torch-script"),
        "{error}"
    );
    let alone = PLAN.replace("[export.onnx]", "[export.openvino-ir]");
    let alone = alone.replace("\"transformers\"\ndynamic", "\"from-onnx\"\ndynamic");
    let error = from_toml(&alone).unwrap_err().to_string();
    assert!(error.contains("`export.onnx` entry"), "{error}");
    let error = from_toml(&PLAN.replace("[export.onnx]", "[export.openvino-ir]"));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("`onnxruntime` reads onnx"), "{error}");
}

#[test]
fn what_backends_need_is_kept_and_what_others_need_is_not() {
    let openvino = "[export.openvino-ir]\nstrategy = \"from-onnx\"\ndynamic = true\noptimize = true\nattention = \"eager\"\n";
    let plan = from_toml(&format!("{PLAN}\n{openvino}")).unwrap();
    let kept = |backends: &[Backend]| {
        let mut plan = plan.clone();
        plan.keep_backends(backends);
        assert!(plan.validate().is_ok());
        plan.export.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(
        kept(&[Backend::OPENVINO]),
        [Format::Onnx, Format::OpenvinoIr]
    );
    assert_eq!(kept(&[Backend::ONNXRUNTIME]), [Format::Onnx]);
    assert_eq!(kept(&[Backend::TORCH_CPU]), []);
    let mut more = plan.clone();
    more.keep_backends(&[Backend::ONNXRUNTIME]);
    more.add_backends(&Backend::all().collect::<Vec<_>>());
    assert!(!more.backends.contains(&Backend::OPENVINO));
    assert!(
        more.backends
            .iter()
            .filter(|it| it.reads() == Format::Onnx)
            .count()
            > 1
    );
}

#[test]
fn another_schema_is_refused() {
    let error = from_toml(&PLAN.replace("schema = 2", "schema = 9")).unwrap_err();
    assert!(matches!(error, PlanError::Schema { found: 9 }));
}

#[test]
fn listed_values_need_a_number() {
    let error = from_toml(&PLAN.replace(
        "{ kind = \"integer\", low = 3, high = 99 }",
        "{ kind = \"listed\", values = [] }",
    ))
    .unwrap_err();
    assert!(error.to_string().contains("at least one"), "{error}");
}

#[test]
fn placeholders_survive_writing_and_reading() {
    let text = PLAN.replace(
        "{ kind = \"integer\", low = 3, high = 99 }",
        "{ kind = \"tokens\", low = 3, high = 99, runs = [{ id = 2, at = 1, count = 4, marks = \"image\" }] }",
    );
    let plan = from_toml(&text).unwrap();
    assert_eq!(from_toml(&to_toml(&plan).unwrap()).unwrap(), plan);
}

const PATCH: &str = r#"
[[adaptations]]
kind = { is = "torch-patch", target = "transformers.models.bert.modeling_bert.BertSelfAttention.forward", source = "def forward(self): ..." }
provenance = { source = "person", name = "x", answers = "y", reason = "z" }
"#;

#[test]
fn a_patch_survives_writing_and_reading_and_its_target_has_parts() {
    let plan = from_toml(&format!("{PLAN}{PATCH}")).unwrap();
    assert_eq!(from_toml(&to_toml(&plan).unwrap()).unwrap(), plan);
    let AdaptationKind::TorchPatch(patch) = &plan.adaptations[0].kind else {
        panic!("it is a patch");
    };
    let parts = patch.parts().unwrap();
    assert_eq!(parts.module, "transformers.models.bert.modeling_bert");
    assert_eq!(parts.class, Some("BertSelfAttention"));
    assert_eq!(parts.function, "forward");
}

#[test]
fn a_patch_of_no_function_and_a_second_patch_of_one_are_refused() {
    let bad = |target: &str| {
        let patch = PATCH.replace(
            "transformers.models.bert.modeling_bert.BertSelfAttention.forward",
            target,
        );
        from_toml(&format!("{PLAN}{patch}"))
            .unwrap_err()
            .to_string()
    };
    assert!(bad("forward").contains("with dots"));
    assert!(bad("os;system.x").contains("identifier"));
    let twice = from_toml(&format!("{PLAN}{PATCH}{PATCH}")).unwrap_err();
    assert!(twice.to_string().contains("two patches"), "{twice}");
}

#[test]
fn values_that_do_not_fit_the_dtype_are_refused() {
    let error = from_toml(&PLAN.replace("\"int64\"", "\"float32\"")).unwrap_err();
    assert!(error.to_string().contains("integer dtype"), "{error}");
}
