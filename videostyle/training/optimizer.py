"""Steps of the parameters: Muon's for the kernels, Adam's for gammas, betas and a bias.

Muon (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks") turns the
momentum of a matrix into the nearest orthogonal one, so that every direction moves alike; scaled as
in Liu et al. 2025, "Muon is Scalable for LLM Training", section 2.2, a step is as large as Adam's.

PyTorch's own Muon takes kernel after kernel, in hundreds of small operations. Here all kernels of a
network lie in one stack of matrices, filled up with zeros, which stay zeros. In fp32: the products
of small matrices are few, and half as many digits would not do for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOMENTUM = 0.95
# Of the iteration that brings all singular values near 1, and its coefficients (Jordan et al.).
ROUNDS, QUINTIC = 5, (3.4445, -4.7750, 2.0315)
ADAM_KEEPS = ("step", "exp_avg", "exp_avg_sq")


class Optimizer:
    """Steps of named parameters; those of four dimensions (out, in, h, w) are kernels."""

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], *, kernel_rate: float, other_rate: float
    ) -> None:
        """kernel_rate, other_rate: learning rates of Muon and of Adam."""
        self._kernels = {name: value for name, value in parameters.items() if value.ndim == 4}
        self._others = {n: value for n, value in parameters.items() if n not in self._kernels}
        some = next(iter(parameters.values()))
        shapes = [_matrix(kernel).shape for kernel in self._kernels.values()]
        largest = [max(sides) for sides in zip(*shapes, strict=True)] or [0, 0]
        self._momenta = some.new_zeros(len(shapes), *largest)
        rates = [0.2 * kernel_rate * math.sqrt(max(shape)) for shape in shapes]
        self._kernel_rates = some.new_tensor(rates)[:, None, None]
        # On a GPU the rate and the count of steps must lie there, or no graph could hold them.
        self._other_rate, self._rate = other_rate, some.new_tensor(other_rate)
        self._adam = torch.optim.Adam(self._others.values(), self._rate, capturable=some.is_cuda)

    @torch.no_grad()
    def step(self, share: Tensor) -> None:
        """Go down the gradients, with so much of the learning rates, and forget the gradients.

        share: one number in [0, 1], where the parameters are.
        """
        self._rate.copy_(share * self._other_rate)
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        if self._kernels:
            self._step_kernels(share)

    def _step_kernels(self, share: Tensor) -> None:
        rows, columns = self._momenta.shape[1:]
        gradients = []
        for kernel in self._kernels.values():
            assert kernel.grad is not None
            matrix = _matrix(kernel.grad)
            margins = (0, columns - matrix.shape[1], 0, rows - matrix.shape[0])
            gradients.append(F.pad(matrix, margins))
            kernel.grad = None
        gradient = torch.stack(gradients)
        self._momenta.lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp_(self._momenta, MOMENTUM)
        moves = orthogonal(ahead) * (self._kernel_rates * share)
        for kernel, move in zip(self._kernels.values(), moves, strict=True):
            lying = kernel.permute(0, 2, 3, 1)
            lying.sub_(_like(kernel, move).reshape(lying.shape))

    def state(self) -> dict[str, Tensor]:
        """Its momenta and Adam's moments by key, for a checkpoint; it must have stepped once."""
        kept = {f"momentum_buffer.{name}": momentum for name, momentum in self._named_momenta()}
        for name, value in self._others.items():
            kept |= {f"{key}.{name}": self._adam.state[value][key] for key in ADAM_KEEPS}
        return kept

    def restore(self, get: Callable[[str], Tensor]) -> None:
        """Go on with a `state`, given by key."""
        for name, momentum in self._named_momenta():
            momentum.copy_(get(f"momentum_buffer.{name}"))
        for name, value in self._others.items():
            kept = {key: get(f"{key}.{name}").clone() for key in ADAM_KEEPS}
            if not value.is_cuda:
                kept["step"] = kept["step"].cpu()
            self._adam.state[value] = kept

    def _named_momenta(self) -> list[tuple[str, Tensor]]:
        filled = zip(self._kernels.items(), self._momenta, strict=True)
        return [(name, _like(kernel, momentum)) for (name, kernel), momentum in filled]


def orthogonal(matrices: Tensor) -> Tensor:
    """(L, m, n) -> U S' V^T of each U S V^T, with S' between about 0.7 and 1.2 where S was not
    tiny.

    A round takes X to P X, P a polynomial of X X^T. All P commute, so the rounds are gone through
    on X X^T, which is small, and X is multiplied once.
    """
    a, b, c = QUINTIC
    x = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    gram = x @ x.mT
    one = torch.eye(gram.shape[1], device=gram.device)
    whole = one
    for _ in range(ROUNDS):
        factor = a * one + torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        whole = factor @ whole
        gram = factor @ gram @ factor
    product: Tensor = whole @ x
    return product


def _matrix(kernel: Tensor) -> Tensor:
    """(out, in, h, w) -> (out, h x w x in)."""
    return kernel.permute(0, 2, 3, 1).flatten(1)


def _like(kernel: Tensor, filled: Tensor) -> Tensor:
    """The part of a filled-up matrix that belongs to a kernel."""
    return filled[: len(kernel), : kernel[0].numel()]
