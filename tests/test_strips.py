"""Frames too large for the memory are painted in strips, and nobody sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from videostyle.encode.options import EncodeOptions
from videostyle.look import Look
from videostyle.network.architecture import ARCHITECTURES
from videostyle.network.model import Model
from videostyle.network.network import StyleNetwork
from videostyle.network.strips import paint_in_strips
from videostyle.rendering.render import render
from videostyle.stylize.flatness import grained
from videostyle.stylize.stylizer import Stylizer


def busy(height: int, width: int) -> np.ndarray:
    """Another colour and grain at every height, so that no strip is like the whole."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).normal(0, 1, (height, width))
    waves = [
        128 + 90 * np.sin(x / 9 + y * y / 4000 + c) + y / height * 40 * noise for c in (0, 2, 4)
    ]
    return np.clip(np.stack(waves, -1) * (0.3 + y / height)[..., None], 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["lean", "paper"])
@pytest.mark.parametrize("lines", [64, 136])
def test_strips_equal_the_whole(name: str, lines: int) -> None:
    torch.manual_seed(0)
    architecture = replace(ARCHITECTURES[name].scaled(0.25), residual_blocks=1)
    network = StyleNetwork(architecture).eval().requires_grad_(False)
    rows = torch.randn(2, 2, network.architecture.row_size) * 0.5 + 1
    frames = np.stack([busy(328, 64), busy(328, 64)[::-1]])
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2) / 255
    whole = (network(pixels, rows)[0].permute(0, 2, 3, 1) * 255 + 0.5).to(torch.uint8)
    strips = paint_in_strips(network, frames, rows.numpy(), lines)
    assert whole.float().std() > 10
    assert np.abs(strips.astype(int) - whole.numpy()).max() <= 1


@pytest.mark.parametrize("late", [False, True], ids=["at once", "while painting"])
def test_too_little_memory_paints_in_strips_and_says_so(
    clip: Callable[..., Path],
    small_model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    late: bool,
) -> None:
    source, look = clip(pts=range(6), size=(96, 160)), Look({"red": 1})
    stylizer = Stylizer(small_model, device="cpu", precision="fp32")
    whole, output = tmp_path / "whole.mkv", tmp_path / "out.mkv"
    lossless = EncodeOptions(codec="ffv1", pix_fmt="yuv444p")
    render(source, whole, look, stylizer=stylizer, options=lossless)
    tried = []

    def exhausted(*_: object) -> Callable[[], None]:
        tried.append(late)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    monkeypatch.setattr(stylizer.engine, "submit", (lambda *_: exhausted) if late else exhausted)
    report = render(source, output, look, stylizer=stylizer, options=lossless)
    assert any(note.startswith("painted in strips for want of memory") for note in report.notes)
    assert len(tried) <= stylizer.depth  # those in flight; then it is known
    with av.open(str(whole)) as one, av.open(str(output)) as other:
        for a, b in zip(one.decode(video=0), other.decode(video=0), strict=True):
            assert np.abs(a.to_ndarray().astype(int) - b.to_ndarray()).max() <= 2


def test_strips_become_lower_until_they_fit(
    small_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    stylizer, tried = Stylizer(small_model, device="cpu", precision="fp32"), []
    frame = busy(300, 64)

    def exhausted(*_: object) -> None:
        raise MemoryError

    def small_memory(*arguments: Any) -> np.ndarray:
        tried.append(arguments[-1])
        if arguments[-1] > 120:
            raise MemoryError
        return arguments[1]

    monkeypatch.setattr(stylizer.engine, "submit", exhausted)
    monkeypatch.setattr("videostyle.network.strips.paint_in_strips", small_memory)
    for _ in range(2):
        assert np.array_equal(stylizer.submit(frame, {"red": 1})(), grained(frame))
    assert tried == [152, 80, 80]
