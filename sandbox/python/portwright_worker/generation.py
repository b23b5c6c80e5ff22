"""Generation with a cache: a prefill of the first tokens, then one step for each further token.

A step's inputs are the judge's. What goes from one step to the next is found in the model's own output, never by its
name: every field that `forward` also takes, such as `past_key_values`, `cache_params` or `state`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

#: The output that is compared.
LOGITS = "logits"

Step = tuple[str, dict[str, Any]]


def steps(tensors: dict[str, Any]) -> list[Step]:
    """A file's tensors by step, in order: `decode.0.input_ids` is the `input_ids` of the step after the prefill."""
    found: dict[str, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        step, _, name = key.rpartition(".")
        found.setdefault(step, {})[name] = tensor
    return sorted(found.items(), key=lambda item: _place(item[0]))


def _place(step: str) -> int:
    return 0 if step == "prefill" else 1 + int(step.removeprefix("decode."))


class Generator:
    """A model that is run step by step."""

    def __init__(self, model: Any, call: dict[str, Any], whole_cache: bool = False) -> None:
        self.model = model
        #: Whether every layer keeps all of its past, instead of the cache that the library would make.
        self.whole_cache = whole_cache
        self.forward = model.forward
        self.parameters = inspect.signature(model.forward).parameters
        takes_any = any(p.kind is p.VAR_KEYWORD for p in self.parameters.values())
        self.call = dict(call)
        self.call.pop("use_cache", None)
        if "use_cache" in self.parameters or takes_any:
            self.call["use_cache"] = True
        # Where `forward` does not say it, the configuration does.
        for config in (model.config, model.config.get_text_config(decoder=True)):
            if getattr(config, "use_cache", None) is False:
                config.use_cache = True

    def step(self, **inputs: Any) -> dict[str, Any]:
        """One forward: the logits, and what the next step is given."""
        if self.whole_cache and inputs.get("past_key_values") is None:
            inputs["past_key_values"] = self._empty_cache()
        output = self.forward(**inputs, **self.call)
        if LOGITS not in output:
            raise KeyError(f"{type(self.model).__name__} returns no `{LOGITS}`, only {', '.join(output)}")
        return {LOGITS: output[LOGITS], **self._carried(output, inputs)}

    def _carried(self, output: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        given = {
            name: value
            for name, value in output.items()
            if value is not None and name != LOGITS and name in self.parameters
        }
        if "encoder_outputs" in self.parameters:
            state = output.get("encoder_last_hidden_state")
            if state is None:
                given["encoder_outputs"] = inputs.get("encoder_outputs")
            else:
                from transformers.modeling_outputs import BaseModelOutput

                given["encoder_outputs"] = BaseModelOutput(last_hidden_state=state)
        return {name: value for name, value in given.items() if value is not None}

    def _empty_cache(self) -> Any:
        from transformers import DynamicCache, EncoderDecoderCache

        if self.model.config.is_encoder_decoder:
            return EncoderDecoderCache(DynamicCache(), DynamicCache())
        return DynamicCache()

    def run(self, of: list[Step]) -> Iterator[tuple[str, dict[str, Any]]]:
        """All steps, each given what the one before it left."""
        state: dict[str, Any] = {}
        for name, inputs in of:
            output = self.step(**self._given(inputs, state))
            yield name, output
            state = {key: value for key, value in output.items() if key != LOGITS}

    def next_inputs(self, of: list[Step]) -> dict[str, Any]:
        """What the first step after the prefill is given: its own inputs and what the prefill left."""
        (_, prefill), (_, decode) = of[0], of[1]
        state = self.step(**prefill)
        del state[LOGITS]
        return self._given(decode, state)

    def _given(self, inputs: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
        """A step's inputs and its state.

        The library's own generation withholds some inputs from a step that has a state, such as a mask from a
        recurrent model, which would take it for one over the step's own tokens.
        """
        given = {**inputs, **state}
        ids = "decoder_input_ids" if self.model.config.is_encoder_decoder else "input_ids"
        if not state or ids not in inputs:
            return given
        rest = {name: value for name, value in given.items() if name != ids}
        prepared = self.model.prepare_inputs_for_generation(
            inputs[ids], **rest, use_cache=True, is_first_iteration=False
        )
        withheld = {name for name, value in prepared.items() if value is None} - {ids}
        return {name: value for name, value in given.items() if name not in withheld}


def keeps_whole_past(cache: Any) -> bool | None:
    """Whether a cache is a list of attention layers that differ from whole ones only by a window; `None` for others."""
    from transformers import DynamicCache, EncoderDecoderCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    if isinstance(cache, EncoderDecoderCache):
        parts = [keeps_whole_past(cache.self_attention_cache), keeps_whole_past(cache.cross_attention_cache)]
        return None if None in parts else all(parts)
    if type(cache) is not DynamicCache:
        return None
    kinds = {type(layer) for layer in cache.layers}
    if not kinds <= {DynamicLayer, DynamicSlidingWindowLayer}:
        return None
    return DynamicSlidingWindowLayer not in kinds


def free_axes(example: Any, other: Any, free: Callable[[], Any]) -> Any:
    """The axes that differ between two values of one structure, in the form in which `torch.export` takes them."""
    import torch
    from torch.utils import _pytree as pytree

    if isinstance(example, torch.Tensor):
        if not isinstance(other, torch.Tensor) or example.dim() != other.dim():
            raise ValueError("the state of two sizes has two structures")
        pairs = enumerate(zip(example.shape, other.shape, strict=True))
        return {axis: free() for axis, (a, b) in pairs if a != b}
    if isinstance(example, dict) and type(example) is dict:
        return {key: free_axes(value, other[key], free) for key, value in example.items()}
    if isinstance(example, list | tuple) and type(example) in (list, tuple):
        return type(example)(free_axes(a, b, free) for a, b in zip(example, other, strict=True))
    node = pytree.SUPPORTED_NODES.get(type(example))
    if node is None:
        return None
    children, others = node.flatten_fn(example)[0], node.flatten_fn(other)[0]
    return [free_axes(a, b, free) for a, b in zip(children, others, strict=True)]
