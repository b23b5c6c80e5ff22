"""The job that reads every model type, against the installed library."""

from __future__ import annotations

import pytest
from transformers import BertConfig, CLIPConfig, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from portwright_worker.jobs import catalogue, introspect


@pytest.fixture(scope="module")
def listed(server, tmp_path_factory):
    work = tmp_path_factory.mktemp("catalogue")
    answer = server.run("catalogue", {"kind": "catalogue"}, work)[-1]["answer"]["ok"]
    return {entry["model_type"]: entry for entry in answer["types"]}


class Inner(PreTrainedConfig):
    """A nested configuration that is no model type."""

    sub_configs = {"text_config": BertConfig}


class Outer(PreTrainedConfig):
    model_type = "outer"
    sub_configs = {"inner_config": Inner}


def test_every_model_type_is_listed(listed):
    assert listed.keys() == CONFIG_MAPPING_NAMES.keys()


def test_a_type_has_its_classes_defaults_and_source(listed):
    bert = listed["bert"]
    assert bert["auto_classes"]["AutoModel"] == ["BertModel"]
    assert {"BertModel", "BertForMaskedLM"} <= {cls["name"] for cls in bert["classes"]}
    assert bert["defaults"]["hidden_size"] == 768
    assert all(len(digest) == 64 for digest in bert["sources"].values())
    assert {path.rpartition("/")[2] for path in bert["sources"]} == {"configuration_bert.py", "modeling_bert.py"}


def test_a_composite_names_what_it_nests(listed):
    assert {"clip_text_model", "clip_vision_model"} <= set(listed["clip"]["nested"])
    assert listed["bert"]["nested"] == []


def test_whether_a_type_generates_is_said(listed):
    assert listed["gpt2"]["generative"] and not listed["vit"]["generative"]


def test_a_part_has_the_class_whose_constructor_takes_its_configuration(listed):
    # Their base names the whole's configuration; only the constructor says whose part they are.
    found = [
        entry["model_type"]
        for entry in listed.values()
        if not entry["auto_classes"]
        for cls in entry["classes"]
        if introspect.constructor_config(_imported(cls)) not in (None, _imported(cls).config_class)
    ]
    assert len(found) > 10


def _imported(cls: dict) -> type:
    module = __import__(cls["module"], fromlist=[cls["name"]])
    return getattr(module, cls["name"])


def test_most_types_are_read_without_a_problem(listed):
    assert sum(bool(entry["problems"]) for entry in listed.values()) < len(listed) / 50


def test_a_type_that_does_not_import_costs_itself_only():
    entry = catalogue.entry("no_such_type", "NoSuchConfig", {"AutoModel": ["NoSuchModel"]})
    assert entry["model_type"] == "no_such_type" and entry["auto_classes"] == {"AutoModel": ["NoSuchModel"]}
    assert "no_such_type" in entry["problems"][0] and "classes" not in entry


def test_what_lies_in_a_configuration_that_is_no_type_is_found():
    assert list(catalogue.nested(Outer, None)) == ["bert"]


def test_what_only_the_default_values_hold_is_found():
    class Holder(PreTrainedConfig):
        model_type = "holder"

    config = Holder()
    config.parts = [{"first": CLIPConfig().text_config}]
    assert list(catalogue.nested(Holder, config)) == ["clip_text_model"]
    assert list(catalogue.nested(Holder, Holder())) == []


def test_a_configuration_that_holds_its_own_kind_comes_to_an_end():
    class Endless(PreTrainedConfig):
        model_type = "endless"

    Endless.sub_configs = {"next_config": Endless}
    assert list(catalogue.nested(Endless, None)) == []


def test_a_class_whose_body_names_the_part_is_the_parts_though_its_constructor_names_the_whole():
    config = introspect.library_config_class("clvp_encoder")
    found = introspect.library_classes("clvp_encoder", config, [])
    assert [cls.__name__ for cls in found] == ["ClvpEncoder"]


def test_a_part_that_no_class_takes_has_the_classes_of_its_whole():
    config = introspect.library_config_class("sam_prompt_encoder")
    assert introspect.library_classes("sam_prompt_encoder", config, []) == {}
    found, whole = introspect.classes_of_whole(config, [])
    assert whole.model_type == "sam" and "SamModel" in [cls.__name__ for cls in found]
