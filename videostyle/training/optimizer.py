"""Steps of the parameters: Muon's for the kernels, Adam's for gammas, betas and a bias.

Muon (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks") turns the
momentum of a matrix into the nearest orthogonal one, so that every direction moves alike; scaled as
in Liu et al. 2025, "Muon is Scalable for LLM Training", section 2.2, a step is as large as Adam's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

_KEPT = {
    torch.optim.Muon: ("momentum_buffer",),
    torch.optim.Adam: ("step", "exp_avg", "exp_avg_sq"),
}


class Optimizer:
    """Steps of named parameters. Kernels (out, in, h, w) must lie channels-last."""

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], *, kernel_rate: float, other_rate: float
    ) -> None:
        """kernel_rate, other_rate: learning rates of Muon and of Adam."""
        self._kernels = {name: value for name, value in parameters.items() if value.ndim == 4}
        # The same memory as (out, h x w x in), because Muon takes matrices.
        matrices = {
            name: nn.Parameter(kernel.detach().permute(0, 2, 3, 1).view(len(kernel), -1))
            for name, kernel in self._kernels.items()
        }
        others = {name: value for name, value in parameters.items() if name not in matrices}
        self._parameters = {**matrices, **others}
        self._rates = dict[torch.optim.Optimizer, float]()
        self._owners = dict[str, torch.optim.Optimizer]()
        if matrices:
            muon = torch.optim.Muon(
                matrices.values(), weight_decay=0, adjust_lr_fn="match_rms_adamw"
            )
            self._rates[muon] = kernel_rate
            self._owners |= dict.fromkeys(matrices, muon)
        adam = torch.optim.Adam(others.values())
        self._rates[adam] = other_rate
        self._owners |= dict.fromkeys(others, adam)

    def step(self, share: float) -> None:
        """Go down the gradients, with so much of the learning rates, and forget the gradients."""
        for name, kernel in self._kernels.items():
            assert kernel.grad is not None
            self._parameters[name].grad = kernel.grad.permute(0, 2, 3, 1).flatten(1)
            kernel.grad = None
        for optimizer, rate in self._rates.items():
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """What it remembers, once it has stepped."""
        return {
            f"{key}.{name}": owner.state[self._parameters[name]][key]
            for name, owner in self._owners.items()
            for key in _KEPT[type(owner)]
        }

    def restore(self, get: Callable[[str], Tensor]) -> None:
        """Go on with a `state`, given by key."""
        for name, owner in self._owners.items():
            kept = {key: get(f"{key}.{name}").clone() for key in _KEPT[type(owner)]}
            if "step" in kept:  # which Adam counts on the host
                kept["step"] = kept["step"].cpu()
            owner.state[self._parameters[name]] = kept
