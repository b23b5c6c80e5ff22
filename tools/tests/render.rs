//! What the rendered skillsets look like, checked by the tools that their readers use.
#![allow(clippy::unwrap_used)]

mod samples;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use portwright_core::{Backend, Format, PortPlan, plan::Strategy};
use portwright_sandbox::environment::Environment;
use portwright_tools::render::{Files, RenderError, render_code};
use samples::{
    ATTENTION, BERT, SELF_OUTPUT, antialias, by_methods, by_session, patch, plans, variants,
};

fn plan(model_type: &str) -> PortPlan {
    plans()
        .into_iter()
        .find(|plan| plan.model_type.as_str() == model_type)
        .unwrap()
}

fn write(files: &Files, folder: &Path) {
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// The Python of the locked environment, which holds pytest and ruff.
fn python() -> PathBuf {
    Environment::locked().unwrap().python
}

/// The Transformers package of that environment.
fn library() -> PathBuf {
    Environment::locked()
        .unwrap()
        .site_packages
        .join("transformers")
}

fn run(arguments: &[&str], folder: &Path) {
    let output = Command::new(python())
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn a_class_without_a_forward_gets_one_that_calls_its_methods() {
    for plan in plans() {
        let plan = by_methods(&plan);
        let code = render_code(&plan, None, &library())
            .unwrap()
            .remove("skillset.py")
            .unwrap();
        let (model, input) = (
            format!("class Called{0}({0}):", plan.class),
            &plan.inputs[0].name,
        );
        assert!(code.contains(&model), "{code}");
        let called =
            format!("\"decode\": self.decode(\n                {input}={input},\n            ),");
        assert!(code.contains(&called), "{code}");
        assert!(
            !code.contains("codes"),
            "what is no input is given to no method"
        );
    }
}

#[test]
fn a_tracker_gets_a_forward_that_makes_its_session() {
    for plan in plans() {
        let code = render_code(&by_session(&plan), None, &library())
            .unwrap()
            .remove("skillset.py")
            .unwrap();
        let frames = &plan.inputs[0].name;
        let model = format!("class Tracking{0}({0}):", plan.class);
        assert!(code.contains(&model), "{code}");
        let made = format!(
            "AnyInferenceSession(\n            {frames}={frames},\n            dtype={frames}.dtype,\n"
        );
        assert!(code.contains(&made), "{code}");
        for rest in &plan.inputs[1..] {
            let given = format!("            {0}={0},\n", rest.name);
            assert!(code.contains(&given), "{code}");
        }
    }
}

#[test]
fn an_image_follows_the_configuration_only_where_one_size_can_be_meant() {
    let clip = plans()
        .into_iter()
        .find(|plan| plan.model_type.as_str() == "clip");
    let mut plan = clip.unwrap();
    let follows = |plan: &PortPlan| {
        let code = render_code(plan, None, &library()).unwrap();
        code["skillset.py"].contains("config.vision_config.image_size")
    };
    assert!(follows(&plan));
    let nested = plan.config["vision_config"].clone();
    plan.config.insert("patch_config".into(), nested);
    assert!(!follows(&plan));
}

#[test]
fn resizes_are_products_only_where_the_plan_asks_for_it() {
    for mut plan in plans() {
        let plain = render_code(&plan, None, &library()).unwrap();
        assert!(!plain["skillset.py"].contains("_antialiased"));
        plan.adaptations.push(antialias());
        let asked = render_code(&plan, None, &library()).unwrap();
        assert!(asked["skillset.py"].contains(", _antialiased():"));
    }
}

#[test]
fn functions_are_spelled_out_for_the_tracer_alone() {
    for plan in variants() {
        let traced = plan
            .export
            .values()
            .any(|export| export.strategy == Strategy::TorchScript);
        let code = render_code(&plan, None, &library()).unwrap();
        assert_eq!(code["skillset.py"].contains("with spelled():"), traced);
        assert_eq!(code.contains_key("spelled.py"), traced);
    }
}

#[test]
fn a_program_is_decomposed_where_needed_for_what_is_made_through_it() {
    for plan in variants() {
        let exported = plan.export.iter().any(|(format, export)| {
            export.strategy == Strategy::TorchDynamo
                || export.strategy == Strategy::Transformers && *format == Format::Onnx
        });
        let code = render_code(&plan, None, &library()).unwrap();
        assert_eq!(code["skillset.py"].contains("with decomposed():"), exported);
        assert_eq!(code.contains_key("decomposed.py"), exported);
    }
}

#[test]
fn ruff_has_nothing_to_say_about_any_family_or_strategy() {
    let folder = tempfile::tempdir().unwrap();
    for (index, plan) in variants().iter().enumerate() {
        let name = format!("{}_{index}", plan.model_type.slug());
        write(
            &render_code(plan, None, &library()).unwrap(),
            &folder.path().join(name),
        );
    }
    run(
        &["-m", "ruff", "check", "--isolated", "--no-cache", "."],
        folder.path(),
    );
    run(
        &[
            "-m",
            "ruff",
            "format",
            "--isolated",
            "--no-cache",
            "--check",
            "--diff",
            ".",
        ],
        folder.path(),
    );
}

#[test]
fn the_module_draws_the_weights_that_the_worker_draws() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &render_code(&plan("bert"), None, &library()).unwrap(),
        folder.path(),
    );
    let worker = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../sandbox/python/portwright_worker/weights.py");
    fs::copy(worker, folder.path().join("of_the_worker.py")).unwrap();
    let script = "
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D
import of_the_worker, weights

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 4, padding_idx=1)
        self.layers = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), Conv1D(3, 6), nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4))
        self.table = nn.Parameter(torch.randn(1, 5, 4))
        self.scale = nn.Parameter(1e-6 * torch.ones(4))
        self.decay = nn.Parameter(torch.arange(1.0, 7.0))
        self.quiet = nn.GroupNorm(2, 4)
        nn.init.normal_(self.quiet.weight, std=0.02)
        self.unfilled = nn.Parameter(torch.full((2, 3, 4), float('nan')))
        self.normed = nn.utils.parametrizations.weight_norm(nn.Conv1d(2, 4, 3), dim=2)
        self.register_buffer('codes', torch.zeros(3, 4))
        self.fixed = nn.Parameter(torch.randn(3, 3), requires_grad=False)

def model():
    torch.manual_seed(1)
    return Model()

theirs, ours = model(), model()
of_the_worker.draw(theirs, 7, 1.5)
weights.draw_weights(ours, 7, 1.5)
theirs, ours = theirs.state_dict(), ours.state_dict()
assert theirs.keys() == ours.keys()
assert all(torch.equal(theirs[name], ours[name]) for name in ours)
assert ours['codes'].any() and ours['quiet.weight'].mean() > 0.5
assert not torch.equal(ours['words.weight'], model().state_dict()['words.weight'])
";
    run(&["-c", script], folder.path());
}

#[test]
fn a_patch_is_a_file_of_its_own_and_in_place_while_the_model_is_exported() {
    let mut plan = plan("bert");
    plan.adaptations = vec![
        patch(&format!("{BERT}.BertSelfOutput.forward"), SELF_OUTPUT),
        patch(&format!("{BERT}.eager_attention_forward"), ATTENTION),
    ];
    let files = render_code(&plan, None, &library()).unwrap();
    insta::assert_snapshot!("patches", files["patches/__init__.py"]);
    insta::assert_snapshot!("patch_of_attention", files["patches/patch_2.py"]);
    assert!(files["skillset.py"].contains("redirect_stdout(sys.stderr), patched():"));
    // Where nothing is exported, nothing is patched.
    plan.keep_backends(&[Backend::TORCH_CPU]);
    let files = render_code(&plan, None, &library()).unwrap();
    assert!(!files["skillset.py"].contains("patched"));
    assert!(!files.keys().any(|path| path.starts_with("patches")));
}

#[test]
fn a_patch_that_a_guard_refuses_is_never_rendered() {
    let mut plan = plan("bert");
    let source = SELF_OUTPUT.replace("self.dense(hidden_states)", "torch.load('x')");
    let target = format!("{BERT}.BertSelfOutput.forward");
    plan.adaptations = vec![patch(&target, &source)];
    let error = render_code(&plan, None, &library()).unwrap_err();
    assert!(error.to_string().contains("line 3"), "{error}");
    assert!(error.hint().contains("tensors"), "{}", error.hint());
    // Without the library's source there is no original, and so no patch.
    plan.adaptations = vec![patch(&target, SELF_OUTPUT)];
    assert!(render_code(&plan, None, Path::new("")).is_err());
}

#[test]
fn the_tests_of_a_patched_skillset_hold_in_pytorch() {
    let mut plan = plan("bert");
    plan.adaptations = vec![patch(
        &format!("{BERT}.BertSelfOutput.forward"),
        SELF_OUTPUT,
    )];
    let folder = tempfile::tempdir().unwrap();
    let files = render_code(&plan, None, &library()).unwrap();
    write(&files, &folder.path().join("bert"));
    let select = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "patch",
        "bert",
    ];
    run(&select, folder.path());
    // The same test fails for a patch that computes something else.
    let path = folder.path().join("bert/patches/patch_1.py");
    let wrong = files["patches/patch_1.py"].replace("input_tensor +", "2 * input_tensor +");
    fs::write(path, wrong).unwrap();
    let output = Command::new(python())
        .args(select)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        !output.status.success() && printed.contains("differs by"),
        "{printed}"
    );
}

#[test]
fn a_module_holds_only_what_its_plan_needs() {
    let mut plan = plan("bert");
    assert!(render_code(&plan, None, &library()).unwrap()["skillset.py"].contains("openvino"));
    plan.keep_backends(&[Backend::TORCH_CPU]);
    let module = &render_code(&plan, None, &library()).unwrap()["skillset.py"];
    for word in [
        "openvino",
        "onnxruntime",
        "_traced",
        "tempfile",
        "functools",
    ] {
        assert!(!module.contains(word), "{word}");
    }
}

#[test]
fn a_configuration_of_another_type_is_imported_from_where_it_is_defined() {
    let mut plan = plan("bert");
    plan.config_module = Some("transformers.models.another.configuration_another".into());
    let module = &render_code(&plan, None, &library()).unwrap()["skillset.py"];
    for line in [
        "from transformers.models.another.configuration_another import BertConfig\n",
        "from transformers.models.bert.modeling_bert import BertModel\n",
        // The class of the model would read its own type's configuration from the checkpoint.
        "config_of(BertConfig, checkpoint, MODEL_TYPE)\n",
    ] {
        assert!(module.contains(line), "{line}");
    }
}

#[test]
fn no_part_of_portwright_is_named_in_the_code() {
    for plan in plans() {
        for (path, text) in render_code(&plan, None, &library()).unwrap() {
            assert!(
                !text.to_lowercase().contains("portwright"),
                "{path} of {}",
                plan.model_type
            );
        }
    }
}

#[test]
fn the_plan_beside_the_module_is_the_plan_it_was_rendered_from() {
    let plan = plan("clip");
    let files = render_code(&plan, None, &library()).unwrap();
    assert_eq!(PortPlan::from_toml(&files["plan.toml"]).unwrap(), plan);
}

#[test]
fn code_hidden_in_a_text_of_the_plan_is_refused() {
    let mut plan = plan("bert");
    plan.task = "base\"\"\"\nimport os".into();
    let error = render_code(&plan, None, &library()).unwrap_err();
    assert!(
        matches!(&error, RenderError::Text { key, .. } if key == "task"),
        "{error}"
    );
}

fn local_files() -> BTreeMap<String, String> {
    [
        ("configuration_palm.py", "class PalmConfig(PreTrainedConfig):\n    pass\n"),
        ("modeling_palm.py", "from .configuration_palm import PalmConfig\n\n\nclass PalmForCausalLM(PreTrainedModel):\n    pass\n"),
        ("config.json", r#"{"model_type": "palm", "depth": 3, "hidden_size": 64, "auto_map": {}}"#),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into()
}

fn local_plan() -> PortPlan {
    let mut plan = plan("llama");
    plan.module = "modeling_palm".into();
    plan.class = "PalmForCausalLM".into();
    plan.config_class = "PalmConfig".into();
    plan
}

#[test]
fn a_local_folders_files_come_along_and_its_configuration_lies_below_the_plans() {
    let files = render_code(&local_plan(), Some(&local_files()), &library()).unwrap();
    let module = &files["skillset.py"];
    assert!(module.contains("from .modeling.configuration_palm import PalmConfig\n"));
    assert!(module.contains("from .modeling.modeling_palm import PalmForCausalLM\n"));
    assert!(module.contains("\"depth\": 3,") && module.contains("\"hidden_size\": 32,"));
    assert!(!module.contains("auto_map"));
    assert!(
        files.contains_key("modeling/modeling_palm.py")
            && files.contains_key("modeling/__init__.py")
    );
}

#[test]
fn a_local_plan_without_its_files_says_what_is_missing() {
    let error = render_code(&local_plan(), None, &library()).unwrap_err();
    assert!(matches!(error, RenderError::NoModelling { .. }), "{error}");
    let mut files = local_files();
    files.remove("configuration_palm.py");
    let error = render_code(&local_plan(), Some(&files), &library()).unwrap_err();
    assert!(matches!(error, RenderError::NoClass { .. }), "{error}");
}

#[test]
fn the_module_and_tests_of_bert() {
    let files = render_code(&plan("bert"), None, &library()).unwrap();
    insta::assert_snapshot!("bert_skillset", files["skillset.py"]);
    insta::assert_snapshot!("bert_test_skillset", files["test_skillset.py"]);
}

#[test]
fn the_tests_ask_for_rows_that_stand_alone_only_of_models_whose_rows_do() {
    let asks = |plan: &PortPlan| {
        let files = render_code(plan, None, &library()).unwrap();
        files["test_skillset.py"].contains("test_a_row_alone_gives_what_it_gives_in_a_batch")
    };
    let mut plan = plan("bert");
    assert!(asks(&plan));
    plan.mixes_rows = true;
    assert!(!asks(&plan));
}

#[test]
fn an_artefact_with_fixed_axes_holds_its_tables_of_sizes_and_refuses_others() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &render_code(&plan("qwen3_5_vision"), None, &library()).unwrap(),
        &folder.path().join("port"),
    );
    let script = "
import numpy as np
import onnxruntime
from port import load
from port.skillset import build

made = build('onnxruntime', 'artefact')
session = onnxruntime.InferenceSession('artefact/' + made['main'], providers=['CPUExecutionProvider'])
assert [node.name for node in session.get_inputs()] == ['hidden_states']
with load('torch-cpu') as model, load('onnxruntime', artefact='artefact/' + made['main']) as port:
    inputs = port.example_inputs(seed=3)
    expected, found = model.infer(**inputs), port.infer(**inputs)
    assert all(np.allclose(expected[name], found[name], atol=1e-4) for name in expected)
    inputs['grid_thw'] = np.array([[1, 2, 8], [1, 4, 4]])
    model.infer(**inputs)
    try:
        port.infer(**inputs)
    except ValueError as error:
        assert 'holds [1, 4, 4] as every row' in str(error), error
    else:
        raise AssertionError('other tables were taken')
";
    run(&["-c", script], folder.path());
}
