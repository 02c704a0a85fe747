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
        self._owners = dict[str, torch.optim.Optimizer]()
        if matrices:
            muon = torch.optim.Muon(
                matrices.values(), kernel_rate, weight_decay=0, adjust_lr_fn="match_rms_adamw"
            )
            self._owners |= dict.fromkeys(matrices, muon)
        # On a GPU it must count its steps there, or no graph could hold them.
        self._on_gpu = all(value.is_cuda for value in others.values())
        adam = torch.optim.Adam(others.values(), other_rate, capturable=self._on_gpu)
        self._owners |= dict.fromkeys(others, adam)

    @torch.no_grad()
    def step(self, share: Tensor) -> None:
        """Go down the gradients, with so much of the learning rates, and forget the gradients.

        share: one number in [0, 1], where the parameters are.
        """
        for name, kernel in self._kernels.items():
            assert kernel.grad is not None
            self._parameters[name].grad = kernel.grad.permute(0, 2, 3, 1).flatten(1)
            kernel.grad = None
        values: list[Tensor] = list(self._parameters.values())
        before = [value.clone() for value in values]
        for optimizer in set(self._owners.values()):
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        # Both steps are linear in their rate, and Muon takes it as a plain number only, which a
        # recorded graph could not change.
        torch._foreach_sub_(values, before)
        torch._foreach_mul_(values, share)
        torch._foreach_add_(values, before)

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
            if "step" in kept and not self._on_gpu:
                kept["step"] = kept["step"].cpu()
            owner.state[self._parameters[name]] = kept
