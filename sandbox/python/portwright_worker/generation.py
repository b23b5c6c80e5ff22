"""Generation with a cache: a prefill of the first tokens, then one step for each further token.

A step's inputs are the judge's. What goes from one step to the next is found in the model's own output, never by its
name: every field that `forward` also takes, such as `past_key_values`, `cache_params` or `state`. Two more are carried
by the library's own generation: an encoder's output, and the next position of a class that counts them its own way.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

#: The output that is compared.
LOGITS = "logits"
POSITIONS = "position_ids"

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
        from transformers.generation.utils import ALL_CACHE_NAMES

        self.model = model
        #: Whether every layer keeps all of its past, instead of the cache that the library would make.
        self.whole_cache = whole_cache
        self.forward = model.forward
        self.parameters = inspect.signature(model.forward).parameters
        takes_any = any(p.kind is p.VAR_KEYWORD for p in self.parameters.values())
        #: What can go from one step to the next; what `forward` has no name for, it hands on to the model within.
        self.carries = set(self.parameters) | (set(ALL_CACHE_NAMES) if takes_any else set())
        self.call = dict(call)
        self.call.pop("use_cache", None)
        #: Whether the state is made before the first step instead of within it.
        self.makes_cache = whole_cache
        # Where `forward` does not say it, the configuration does.
        configured = [config for config in self._configs() if hasattr(config, "use_cache")]
        for config in configured:
            config.use_cache = True
        # What an encoder-decoder's `forward` has no name for goes to its encoder too, which may refuse to cache.
        if "use_cache" in self.parameters or (takes_any and not (self.is_encoder_decoder and configured)):
            self.call["use_cache"] = True
        _default_lengths(model)

    @property
    def is_encoder_decoder(self) -> bool:
        return bool(self.model.config.is_encoder_decoder)

    def _configs(self) -> Iterator[Any]:
        """The configurations that may turn the cache on; a decoder may have a copy of its own."""
        yield self.model.config
        yield self.model.config.get_text_config(decoder=True)
        if self.is_encoder_decoder:
            decoder = self.model.get_decoder()
            if config := getattr(decoder, "config", None):
                yield config

    def step(self, **inputs: Any) -> dict[str, Any]:
        """One forward: the logits, and what the next step is given."""
        if self.makes_cache and inputs.get("past_key_values") is None:
            inputs["past_key_values"] = self._empty_cache()
        positions = self._next_positions(inputs)
        with self._watched_encoder() as encoded:
            output = self.forward(**inputs, **self.call)
        if LOGITS not in output:
            raise KeyError(f"{type(self.model).__name__} returns no `{LOGITS}`, only {', '.join(output)}")
        return {LOGITS: output[LOGITS], **self._carried(output, inputs, encoded), **positions}

    def _carried(self, output: Any, inputs: dict[str, Any], encoded: list[Any]) -> dict[str, Any]:
        given = {
            name: value
            for name, value in output.items()
            if value is not None and name != LOGITS and name in self.carries
        }
        if "encoder_outputs" in self.parameters:
            state = output.get("encoder_last_hidden_state")
            if state is None or inputs.get("encoder_outputs") is not None:
                given["encoder_outputs"] = inputs.get("encoder_outputs")
            else:
                given["encoder_outputs"] = _of_encoder(encoded, state)
        return {name: value for name, value in given.items() if value is not None}

    @contextlib.contextmanager
    def _watched_encoder(self) -> Iterator[list[Any]]:
        """What the encoder returns within: its output may have fields that `forward` reads, such as a shorter mask."""
        encoded: list[Any] = []
        encoder = self.model.get_encoder() if self.is_encoder_decoder else None
        if encoder is None or encoder is self.model:
            yield encoded
            return
        handle = encoder.register_forward_hook(lambda _module, _args, output: encoded.append(output))
        try:
            yield encoded
        finally:
            handle.remove()

    def _next_positions(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The position of the next token, where the class counts positions in a way of its own.

        Such positions follow from inputs of the prefill alone, such as the sizes of images. The library's generation
        makes them once and then goes on by one.
        """
        from transformers import GenerationMixin

        usual = GenerationMixin._prepare_position_ids_for_generation
        prepare = getattr(type(self.model), usual.__name__, usual)
        counted = prepare is usual
        if counted or self.is_encoder_decoder or POSITIONS not in self.parameters:
            return {}
        positions = inputs.get(POSITIONS)
        if positions is None and "input_ids" in inputs:
            given = {name: value for name, value in inputs.items() if name != "input_ids"}
            positions = prepare(self.model, inputs["input_ids"], given)
        return {} if positions is None else {POSITIONS: positions[..., -1:] + 1}

    def _empty_cache(self) -> Any:
        from transformers import DynamicCache, EncoderDecoderCache

        def empty() -> Any:
            return DynamicCache() if self.whole_cache else DynamicCache(config=config)

        config = self.model.config.get_text_config(decoder=True)
        if self.is_encoder_decoder:
            return EncoderDecoderCache(empty(), DynamicCache())
        return empty()

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
        given = {**state, **inputs}
        ids = "decoder_input_ids" if self.is_encoder_decoder else "input_ids"
        if not state or ids not in inputs:
            return given
        rest = {name: value for name, value in given.items() if name != ids}
        prepared = self.model.prepare_inputs_for_generation(
            inputs[ids], **rest, use_cache=True, is_first_iteration=False
        )
        withheld = {name for name, value in prepared.items() if value is None} - {ids}
        return {name: value for name, value in given.items() if name not in withheld}


def _of_encoder(encoded: list[Any], state: Any) -> Any:
    """An encoder's output as `forward` would have had it, or its states alone where nothing else was seen."""
    from transformers.modeling_outputs import BaseModelOutput
    from transformers.utils import ModelOutput

    if encoded and isinstance(encoded[-1], ModelOutput):
        return encoded[-1]
    return BaseModelOutput(last_hidden_state=state)


def _default_lengths(model: Any) -> None:
    """The library's own generation fills in what a configuration of generation leaves open, such as a length."""
    config = getattr(model, "generation_config", None)
    if config is not None:
        config.update(**config._get_default_generation_params(), defaults_only=True)


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
