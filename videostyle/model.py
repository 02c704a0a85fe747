"""A model: the shared network and the bank of styles, read from and written to one file.

File: safetensors with `network.*` (the convolutions), `styles` (S, 2, D) (gammas and betas) and
the `ModelCard` as metadata. Numbers are stored as fp16 and computed with as the device likes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from videostyle.errors import ModelError
from videostyle.model_card import (
    DEFAULT_MODEL,
    ModelCard,
    model_path,
    read_model_card,
)
from videostyle.network import Architecture, StyleNetwork
from videostyle.whole_file import written_whole

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True, slots=True)
class Model:
    """One network and the styles it has learned.

    styles: (S, 2, D) fp32, gamma and beta of every normalised channel; row i is card.styles[i].
    """

    card: ModelCard
    network: StyleNetwork
    styles: Tensor

    def rows(self, mixtures: Sequence[Mapping[str, float]]) -> Tensor:
        """(N, 2, D) for N mixtures: the convex combination of the styles' gammas and betas.

        Weights must already be a convex combination (`normalize_mixture`); paper, section 3.5.
        """
        place = {name: number for number, name in enumerate(self.card.style_names)}
        # Only the styles in a mixture are read: so little does not wake PyTorch's threads, which
        # would stay awake for a while and take the engine's cores.
        rows = [
            sum(
                (weight * self.styles[place[name]] for name, weight in mixture.items() if weight),
                start=torch.zeros_like(self.styles[0]),
            )
            for mixture in mixtures
        ]
        return torch.stack(rows)


def load_model(model: str | Path = DEFAULT_MODEL) -> Model:
    """Load a shipped model by name, or a model file. Raises ModelError on anything amiss."""
    path = model_path(model)
    card = read_model_card(path)
    try:
        architecture = Architecture.from_dict(card.architecture)
        with torch.device("meta"):  # takes no memory before the file is seen to fill it
            shapes = {k: tuple(v.shape) for k, v in StyleNetwork(architecture).state_dict().items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path}: broken architecture ({error})") from error
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: truncated or damaged ({error}); fetch it again") from error
    if strange := next((k for k, v in tensors.items() if v.dtype not in DTYPES), None):
        raise ModelError(f"{path}: tensor {strange!r} holds {tensors[strange].dtype}, no floats")
    tensors = {name: tensor.float() for name, tensor in tensors.items()}
    expected = {f"network.{name}": shape for name, shape in shapes.items()}
    expected["styles"] = (len(card.styles), 2, architecture.row_size)
    _check_tensors(tensors, expected, path)
    styles = tensors.pop("styles")
    network = StyleNetwork(architecture)
    network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items()})
    return Model(card, network.eval().requires_grad_(False), styles)


def save_model(path: Path, card: ModelCard, network: StyleNetwork, styles: Tensor) -> None:
    """Write a model file, complete or not at all."""
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()} | {"styles": styles}
    half = {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in tensors.items()}
    with written_whole(path) as part:
        part.write_bytes(save(half, metadata=card.to_metadata()))


def _check_tensors(
    tensors: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]], path: Path
) -> None:
    for name, shape in expected.items():
        if name not in tensors:
            raise ModelError(f"{path}: tensor {name!r} is missing")
        if tuple(tensors[name].shape) != shape:
            found = tuple(tensors[name].shape)
            raise ModelError(
                f"{path}: tensor {name!r} is {found}, the architecture in the file needs {shape}"
            )
        if not torch.isfinite(tensors[name]).all():
            raise ModelError(f"{path}: tensor {name!r} holds numbers that are not finite")
    if unknown := sorted(set(tensors) - set(expected)):
        raise ModelError(f"{path}: unknown tensors {', '.join(unknown[:3])}")
