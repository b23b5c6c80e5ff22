"""What a user of the library does: loads a model, calls it on some inputs, and writes down what it returns."""

import gc

# The libraries make many objects when they are imported, and leave few behind: looking for those takes half a second.
gc.disable()

import importlib  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402

import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import modeling_layers  # noqa: E402, F401
from transformers.exporters.utils import get_leaf_tensors  # noqa: E402

gc.enable()


def classes(task):
    """The model's and the configuration's class: the library's, or those of a folder with code of its own."""
    if task["code"] is None:
        module = importlib.import_module(task["module"])
        config = task["config_class"]
        owners = [task["config_module"], task["module"], task["module"].rpartition(".")[0], "transformers"]
        found = (getattr(importlib.import_module(owner), config, None) for owner in owners if owner)
        return getattr(module, task["class"]), next(cls for cls in found if cls is not None)
    from transformers import AutoConfig
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    cls = get_class_from_dynamic_module(f"{task['module']}.{task['class']}", task["code"])
    return cls, type(AutoConfig.from_pretrained(task["code"], trust_remote_code=True))


def load(task):
    cls, config_class = classes(task)
    config = config_class.from_pretrained(task["checkpoint"])
    model = cls.from_pretrained(
        task["checkpoint"], config=config, attn_implementation="eager", dtype=torch.float32
    ).eval()
    if task["code"] is not None:
        # The library does not know what other people's code makes in `__init__` and does not save: that is taken from
        # a model that was made without loading.
        made = cls._from_config(config, attn_implementation="eager", dtype=torch.float32)
        for name, module in made.named_modules():
            for leaf, value in [*vars(module).items(), *module.named_buffers(recurse=False)]:
                own = vars(model.get_submodule(name)).get(leaf)
                unsaved = leaf in module._non_persistent_buffers_set or (torch.is_tensor(own) and own.is_meta)
                if unsaved and torch.is_tensor(value):
                    setattr(model.get_submodule(name), leaf, value)
    return model


def call(model, task, given):
    if task["methods"]:
        outputs = {}
        for method in task["methods"]:
            taken = {name: given[name] for name in method["parameters"] if name in given}
            outputs[method["name"]] = getattr(model, method["name"])(**taken)
        return outputs
    if task["session"]:
        session = task["session"]
        made = getattr(sys.modules[type(model).__module__], session["class"])
        frames = given[session["frames"]]
        made = made(**{session["frames"]: frames, "dtype": frames.dtype})
        prompts = {name: given[name] for name in session["prompts"]}
        getattr(made, session["method"])(made.obj_id_to_idx(1), 0, prompts)
        made.obj_with_new_inputs = [1]
        rest = {name: value for name, value in given.items() if name not in (session["frames"], *prompts)}
        return model(**{session["parameter"]: made}, frame_idx=0, **rest)
    return model(**given, **task["call"])


def tensors(value):
    """Every tensor by its dotted path, dense and in float32 where it has real numbers."""
    found = {}
    for name, tensor in get_leaf_tensors(value).items():
        tensor = tensor.detach()
        tensor = tensor.to_dense() if tensor.is_sparse else tensor
        tensor = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
        tensor = tensor.float() if tensor.is_floating_point() else tensor
        found[name] = tensor.clone(memory_format=torch.contiguous_format)
    return found


def main(task):
    torch.set_num_threads(task["threads"])
    model = load(task)
    # The first inputs once more at the end: the same outputs, unless the model keeps something of a call.
    for file, written in [*task["files"], (task["files"][0][0], task["again"])]:
        torch.manual_seed(task["seed"])
        with torch.no_grad():
            outputs = call(model, task, load_file(file))
        save_file(tensors(outputs), written)


main(json.loads(TASK))  # noqa: F821
