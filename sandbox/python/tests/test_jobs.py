"""The jobs by which a small model comes to be and runs, against the real libraries."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from server_process import skillset

LIBRARY = {"from": "library"}


def plan(**changes: object) -> dict:
    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "vocab_size": 50,
    }
    return {
        "model_type": "bert",
        "class": "BertModel",
        "module": "transformers.models.bert.modeling_bert",
        "config_class": "BertConfig",
        "call": {},
        "weights": {"seed": 1, "gain": 1.0},
        "config": sizes,
        "inputs": [{"name": "input_ids", "shape": ["batch", "sequence"]}],
        **changes,
    }


def answer(server, identity: str, job: dict, work):
    work.mkdir(parents=True, exist_ok=True)
    return server.run(identity, job, work)[-1]["answer"]


@pytest.fixture(scope="module")
def checkpoint(server, tmp_path_factory):
    work = tmp_path_factory.mktemp("materialise")
    made = answer(server, "made", {"kind": "materialise", "plan": plan(), "source": LIBRARY}, work)["ok"]
    return made, work / made["checkpoint"]


def reference(server, work, checkpoint, **tensors) -> dict:
    work.mkdir(parents=True, exist_ok=True)
    inputs = work / "set-1.safetensors"
    save_file(tensors, inputs)
    job = {
        "kind": "reference",
        "plan": plan(),
        "source": LIBRARY,
        "checkpoint": str(checkpoint),
        "inputs": [str(inputs)],
    }
    return answer(server, work.name, job, work)


def test_a_plan_becomes_a_checkpoint_with_its_overrides(checkpoint):
    made, folder = checkpoint
    assert made["config"]["hidden_size"] == 16 and made["parameters"] > 1000
    assert (folder / "config.json").is_file() and (folder / "model.safetensors").is_file()


def test_a_plan_makes_the_same_bytes_twice(server, checkpoint, tmp_path):
    made = answer(server, "again", {"kind": "materialise", "plan": plan(), "source": LIBRARY}, tmp_path)["ok"]
    again = (tmp_path / made["checkpoint"] / "model.safetensors").read_bytes()
    assert again == (checkpoint[1] / "model.safetensors").read_bytes()


def test_a_value_that_the_library_refuses_is_an_error_with_its_step(server, tmp_path):
    broken = plan(config={**plan()["config"], "hidden_size": 17})
    error = answer(server, "broken", {"kind": "materialise", "plan": broken, "source": LIBRARY}, tmp_path)["error"]
    assert error["doing"] == "instantiate" and "17" in error["message"]


def test_a_model_that_is_not_small_is_refused_before_it_is_made(server, tmp_path):
    vast = plan(config={**plan()["config"], "vocab_size": 50_000_000})
    error = answer(server, "vast", {"kind": "materialise", "plan": vast, "source": LIBRARY}, tmp_path)["error"]
    assert error["doing"] == "instantiate" and "500,000,000 weights" in error["message"]


def test_an_override_inside_a_nested_configuration_is_applied(server, tmp_path):
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    nested = plan(
        model_type="clip",
        module="transformers.models.clip.modeling_clip",
        config_class="CLIPConfig",
        config={
            "text_config": {**small, "vocab_size": 50},
            "vision_config": {**small, "image_size": 8, "patch_size": 4},
        },
        **{"class": "CLIPModel"},
    )
    made = answer(server, "nested", {"kind": "materialise", "plan": nested, "source": LIBRARY}, tmp_path)["ok"]
    assert made["config"]["text_config"]["vocab_size"] == 50 and made["config"]["vision_config"]["image_size"] == 8


def test_the_reference_is_alive_and_repeatable(server, checkpoint, tmp_path):
    ids = torch.tensor([[1, 2, 3], [4, 5, 6]])
    outputs = []
    for name in ("first", "second"):
        made = reference(server, tmp_path / name, checkpoint[1], input_ids=ids)["ok"]
        outputs.append(load_file(tmp_path / name / made["outputs"][0]))
    assert outputs[0].keys() == {"last_hidden_state", "pooler_output"}
    assert outputs[0]["last_hidden_state"].std() > 0.1
    assert all(torch.equal(value, outputs[1][name]) for name, value in outputs[0].items())
    assert made["mixes_rows"] is False


def test_a_forward_that_fails_says_so(server, checkpoint, tmp_path):
    error = reference(server, tmp_path / "wrong", checkpoint[1], input_ids=torch.tensor([[1, 10_000]]))["error"]
    assert error["doing"] == "forward" and error["exception"] == "IndexError"


def test_a_checkpoint_that_lacks_weights_is_refused(server, checkpoint, tmp_path):
    partial = tmp_path / "partial"
    partial.mkdir()
    (partial / "config.json").write_bytes((checkpoint[1] / "config.json").read_bytes())
    tensors = load_file(checkpoint[1] / "model.safetensors")
    save_file({k: v for k, v in tensors.items() if "pooler" not in k}, partial / "model.safetensors", {"format": "pt"})
    error = reference(server, tmp_path / "lacks", partial, input_ids=torch.tensor([[1, 2]]))["error"]
    assert "lacks 2 weights" in error["message"] and "pooler" in error["message"]


def test_a_class_without_a_forward_is_called_by_its_own_methods(server, tmp_path):
    job = {"kind": "introspect", "model_type": "emu3_vqgan", "source": LIBRARY}
    [model] = answer(server, "methods", job, tmp_path)["ok"]["classes"]
    assert model["methods"] == [
        {"name": "encode", "parameters": ["pixel_values", "image_sizes"]},
        {"name": "decode", "parameters": ["hidden_states"]},
    ]
    assert [parameter["name"] for parameter in model["parameters"]] == ["pixel_values", "image_sizes", "hidden_states"]


def test_a_tracker_is_given_what_its_session_is_made_from(server, tmp_path):
    job = {"kind": "introspect", "model_type": "sam2_video", "source": LIBRARY}
    [model] = answer(server, "session", job, tmp_path)["ok"]["classes"]
    assert model["session"] == {
        "parameter": "inference_session",
        "class": "Sam2VideoInferenceSession",
        "frames": "video",
        "method": "add_point_inputs",
        "prompts": ["point_labels", "point_coords"],
    }
    assert [parameter["name"] for parameter in model["parameters"]] == ["video", "point_labels", "point_coords"]


def test_introspection_reads_classes_and_defaults(server, tmp_path):
    job = {"kind": "introspect", "model_type": "clip", "source": LIBRARY}
    read = answer(server, "clip", job, tmp_path)["ok"]
    model = next(cls for cls in read["classes"] if cls["name"] == "CLIPModel")
    assert "AutoModel" in model["auto_classes"] and model["modalities"] == ["image", "text"]
    assert [p["name"] for p in model["parameters"]][:2] == ["input_ids", "pixel_values"]
    assert read["sub_configs"]["vision_config"]["defaults"]["image_size"] == 224


def test_a_skillset_that_is_called_like_an_absent_library_does_not_pass_for_it(server, tmp_path):
    code = (
        "import importlib.util\n"
        "from . import TYPE\n"
        "def test_absent(): assert TYPE and importlib.util.find_spec('xlstm') is None\n"
    )
    folder = skillset(tmp_path / "xlstm", __init__="TYPE = 'xlstm'\n", test_skillset=code)
    report = answer(server, "absent", {"kind": "pytest", "skillset": str(folder)}, tmp_path)["ok"]
    assert report["passed"] == 1, report["messages"]


def test_pytest_counts_and_keeps_the_messages(server, tmp_path):
    code = (
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert 1 == 2\n"
        "def test_absent(): pytest.skip('no such backend')\n"
    )
    folder = skillset(tmp_path / "tested", test_skillset=code)
    report = answer(server, "pytest", {"kind": "pytest", "skillset": str(folder)}, tmp_path)["ok"]
    assert (report["passed"], report["failed"], report["skipped"]) == (1, 1, 1)
    assert any("no such backend" in message for message in report["messages"])


def test_tests_that_do_not_import_are_failures(server, tmp_path):
    folder = skillset(tmp_path / "unimportable", test_skillset="import no_such_module\n")
    job = {"kind": "pytest", "skillset": str(folder)}
    got = answer(server, "unimportable", job, tmp_path)
    assert "error" in got or got["ok"]["failed"] == 1


def test_an_artefact_that_was_not_written_is_an_error(server, tmp_path):
    code = (
        "def build(backend, out_dir, checkpoint=None):\n    return {'main': 'model.onnx', 'files': [], 'notes': []}\n"
    )
    job = {
        "kind": "build",
        "skillset": str(skillset(tmp_path / "liar", __init__=code)),
        "backend": "onnxruntime",
        "checkpoint": "",
    }
    assert "wrote no such file" in answer(server, "liar", job, tmp_path)["error"]["message"]


def own_model(folder):
    """A local folder with modelling code that the library does not have."""
    folder.mkdir()
    (folder / "config.json").write_text(
        '{"model_type": "own", "hidden_size": 64, "auto_map": '
        '{"AutoConfig": "configuration_own.OwnConfig", "AutoModel": "modeling_own.OwnModel"}}'
    )
    (folder / "configuration_own.py").write_text(
        "from transformers import PretrainedConfig\n"
        "class OwnConfig(PretrainedConfig):\n"
        "    model_type = 'own'\n"
        "    def __init__(self, hidden_size=8, **kwargs):\n"
        "        self.hidden_size = hidden_size\n"
        "        super().__init__(**kwargs)\n"
    )
    (folder / "modeling_own.py").write_text(
        "from torch import nn\n"
        "from transformers import PreTrainedModel\n"
        "from .configuration_own import OwnConfig\n"
        "class OwnModel(PreTrainedModel):\n"
        "    config_class = OwnConfig\n"
        "    def __init__(self, config):\n"
        "        super().__init__(config)\n"
        "        self.embed = nn.Embedding(9, config.hidden_size)\n"
        "        self.post_init()\n"
        "    def forward(self, input_ids):\n"
        "        return (self.embed(input_ids),)\n"
    )
    return {"from": "folder", "path": str(folder)}


@pytest.mark.parametrize(
    ("change", "random"),
    [
        ("self.count = getattr(self, 'count', 0) + 1; hidden = hidden * self.count", False),
        ("import os; hidden = hidden + int.from_bytes(os.urandom(2)) / 9", True),
        ("hidden = hidden * 1", None),
    ],
)
def test_a_model_that_is_random_or_keeps_count_is_told_apart_from_a_steady_one(server, tmp_path, change, random):
    source = own_model(tmp_path / "own")
    code = tmp_path / "own" / "modeling_own.py"
    given = "        return (self.embed(input_ids),)\n"
    changed = f"        hidden = self.embed(input_ids)\n        {change}\n        return (hidden,)\n"
    code.write_text(code.read_text().replace(given, changed))
    own = plan(model_type="own", module="modeling_own", config_class="OwnConfig", config={"hidden_size": 4})
    own["class"] = "OwnModel"
    name = f"steady-{random}"
    made = answer(server, f"made-{name}", {"kind": "materialise", "plan": own, "source": source}, tmp_path / "made")
    save_file({"input_ids": torch.tensor([[1, 2, 3]])}, tmp_path / "set.safetensors")
    job = {
        "kind": "reference",
        "plan": own,
        "source": source,
        "checkpoint": str(tmp_path / "made" / made["ok"]["checkpoint"]),
        "inputs": [str(tmp_path / "set.safetensors")],
    }
    unsteady = answer(server, name, job, tmp_path / name)["ok"]["unsteady"]
    assert unsteady == (None if random is None else {"random": random, "outputs": ["0"]})


def test_a_local_folder_goes_the_same_way(server, tmp_path):
    source = own_model(tmp_path / "own")
    job = {"kind": "introspect", "model_type": "own", "source": source}
    read = answer(server, "own", job, tmp_path / "introspect")["ok"]
    assert read["classes"][0]["module"] == "modeling_own"
    assert read["classes"][0]["file"] == str(tmp_path / "own" / "modeling_own.py")
    own = plan(model_type="own", module="modeling_own", config_class="OwnConfig", config={"hidden_size": 4})
    own["class"] = "OwnModel"
    made = answer(server, "made-own", {"kind": "materialise", "plan": own, "source": source}, tmp_path / "made")["ok"]
    assert made["parameters"] == 9 * 4
    assert (tmp_path / "made" / made["checkpoint"] / "modeling_own.py").is_file()


def test_a_folder_that_raises_at_import_is_an_error_with_its_line(server, tmp_path):
    source = own_model(tmp_path / "own")
    (tmp_path / "own" / "configuration_own.py").write_text("raise RuntimeError('boom at import')\n")
    error = answer(server, "raises", {"kind": "introspect", "model_type": "own", "source": source}, tmp_path)["error"]
    assert error["message"] == "boom at import" and error["frames"][-1]["line"] == 1
