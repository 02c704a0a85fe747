"""A model: the shared network and the bank of styles, read from and written to one file.

File: safetensors with `network.*` (the convolutions), `styles` (S, 2, D) (gammas and betas) and
the `ModelCard` as metadata. Numbers are stored as fp16 and computed with as the device likes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from videostyle.checks import given_path
from videostyle.errors import ModelError
from videostyle.network.architecture import Architecture, Numbers
from videostyle.network.model_card import DEFAULT_MODEL, ModelCard, model_path, read_model_card
from videostyle.whole_file import written_whole
from videostyle.wording import counted

if TYPE_CHECKING:
    from torch import Tensor

    from videostyle.network.network import StyleNetwork

# What a file may hold numbers as. numpy has no bf16: its bits are the first half of an fp32.
_FLOATS = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8"}


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """One network and the styles it has learned. Equal to itself alone.

    weights: those of the network, {name: fp32 array}, of the architecture's `shapes`. styles:
    (S, 2, D) fp32, gamma and beta of every normalised channel; row i is card.styles[i].
    """

    card: ModelCard
    architecture: Architecture
    weights: Mapping[str, Numbers]
    styles: Numbers

    def __repr__(self) -> str:
        count = len(self.card.styles)
        return f"<Model {self.card.name!r:.80}, {counted(count, 'style')}>"

    def __getstate__(self) -> dict[str, Any]:
        """Without the network in PyTorch, which a process that wants it makes for itself."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of(cls, card: ModelCard, network: StyleNetwork, styles: Tensor) -> Model:
        """From a network in PyTorch and its rows (S, 2, D)."""
        weights = {name: _numbers(tensor) for name, tensor in network.state_dict().items()}
        return cls(card, network.architecture, weights, _numbers(styles))

    @cached_property
    def network(self) -> StyleNetwork:
        """The network in PyTorch, on the CPU and for inference, made when it is asked for."""
        import torch

        from videostyle.network.network import StyleNetwork

        network = StyleNetwork(self.architecture)
        network.load_state_dict({k: torch.tensor(v) for k, v in self.weights.items()})
        return network.eval().requires_grad_(False)

    def rows(self, mixtures: Sequence[Mapping[str, float]]) -> Numbers:
        """(N, 2, D) for N mixtures: the convex combination of the styles' gammas and betas.

        Weights must already be a convex combination (`normalize_mixture`); paper, section 3.5.
        """
        place = {name: number for number, name in enumerate(self.card.style_names)}
        rows = np.zeros((len(mixtures), *self.styles.shape[1:]), np.float32)
        for row, mixture in zip(rows, mixtures, strict=True):
            for name, weight in mixture.items():
                if weight:
                    row += np.float32(weight) * self.styles[place[name]]
        return rows


def load_model(model: str | Path = DEFAULT_MODEL) -> Model:
    """Load a shipped model by name, or a model file. Raises ModelError on anything amiss."""
    path = model_path(model)
    card = read_model_card(path)
    try:
        architecture = Architecture.from_dict(card.architecture)
        expected = {f"network.{name}": shape for name, shape in architecture.shapes.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path}: broken architecture ({error})") from error
    try:
        stored = dict(deserialize(path.read_bytes()))  # type: ignore[no-untyped-call]
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: truncated or damaged ({error}); fetch it again") from error
    expected["styles"] = (len(card.styles), 2, architecture.row_size)
    tensors = _checked(stored, expected, path)
    styles = tensors.pop("styles")
    weights = {name.removeprefix("network."): values for name, values in tensors.items()}
    return Model(card, architecture, weights, styles)


def save_model(path: str | Path, model: Model) -> None:
    """Write a model file, complete or not at all. Raises ModelError for numbers beyond fp16."""
    path = given_path("path", path)
    tensors = {f"network.{k}": v for k, v in model.weights.items()} | {"styles": model.styles}
    with np.errstate(over="ignore"):
        half = {name: values.astype(np.float16) for name, values in tensors.items()}
    if broken := [name for name, values in half.items() if not np.isfinite(values).all()]:
        raise ModelError(f"{path}: not written, as {broken[0]} holds numbers beyond fp16")
    with written_whole(path) as part:
        part.write_bytes(save(half, metadata=model.card.to_metadata()))


def _numbers(tensor: Tensor) -> Numbers:
    numbers: Numbers = tensor.detach().cpu().float().numpy().copy()
    return numbers


def _checked(
    stored: Mapping[str, Mapping[str, Any]], expected: Mapping[str, tuple[int, ...]], path: Path
) -> dict[str, Numbers]:
    """Every tensor that is expected, from what `deserialize` gives."""
    tensors = {}
    for name, shape in expected.items():
        if name not in stored:
            raise ModelError(f"{path}: tensor {name!r} is missing")
        found, kind = tuple(stored[name]["shape"]), stored[name]["dtype"]
        if kind not in _FLOATS:
            raise ModelError(f"{path}: tensor {name!r} holds {kind}, no floats")
        if found != shape:
            raise ModelError(
                f"{path}: tensor {name!r} is {found}, the architecture in the file needs {shape}"
            )
        values = np.frombuffer(stored[name]["data"], _FLOATS[kind]).reshape(shape)
        if kind == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        with np.errstate(over="ignore"):  # of an fp64, which is then not finite
            tensors[name] = values.astype(np.float32)
        if not np.isfinite(tensors[name]).all():
            raise ModelError(f"{path}: tensor {name!r} holds numbers that are not finite")
    if unknown := sorted(set(stored) - set(expected)):
        raise ModelError(f"{path}: unknown tensors {', '.join(unknown[:3])}")
    return tensors
