"""Paints on the stylizer's device from planes to planes, in batches of frames of one size.

What `stylize.paint` does with swscale and numpy between two copies of RGB is done here on the
device between two copies of the planes, half as large: conversion, scaling, network, stabilizer,
layers and blend, in one function for a batch, which on CUDA becomes one graph.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from videostyle.look import Look
from videostyle.media.bars import Barkeeper, Bars
from videostyle.media.color import ColorConverter
from videostyle.media.frame import Frame
from videostyle.media.info import ColorSpec
from videostyle.media.pixels import LUMA, MIDDLE
from videostyle.network.program import Lane
from videostyle.network.torch_engine import TorchEngine
from videostyle.stylize.device_stabilizer import hold
from videostyle.stylize.flatness import DARK, FLAT, grain, smooth
from videostyle.stylize.planes import (
    PlaneLayout,
    PlanesToRgb,
    Resize,
    RgbToPlanes,
    blend,
    centred,
    to_samples,
)
from videostyle.stylize.stabilizer import MEMORY, similarity
from videostyle.stylize.stylizer import MIN_SIDE, Stylizer, layers

# Pixels in a batch: four frames of 1080 lines, two of 1440, one of 2160.
_BATCH_PIXELS = 1 << 23
_MOST_IN_BATCH = 8


@dataclass(slots=True)
class _Batch:
    """Frames of one size that are painted together."""

    layout: PlaneLayout
    working: tuple[int, int]
    on_gpu: bool
    frames: list[Frame] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    marks: list[_Mark] = field(default_factory=list)
    finish: Callable[[], Tensor] | None = None


@dataclass(frozen=True, slots=True)
class _Mark:
    """Which frame of a video was painted, in which mixture. scene: another object after a break."""

    scene: object
    number: int
    mixture: Mapping[str, float]

    def alike(self, earlier: _Mark) -> float:
        """How much the pastiche of an earlier frame counts for this one, in [0, 1]."""
        if earlier.scene is not self.scene or earlier.number < self.number - MEMORY:
            return 0.0
        return similarity(self.mixture, earlier.mixture)


class DevicePainter:
    """Paints the frames of one video, given in order, as `stylize.paint` does.

    Frames that the GPU decoded are taken from where they are. Those in another format than the
    converter's output are brought to it first, on the host.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        converter: ColorConverter,
        *,
        stabilize: bool = True,
        batch: int | None = None,
    ) -> None:
        """batch: frames painted together, by default as many as make four of 1080 lines."""
        assert isinstance(stylizer.engine, TorchEngine)
        self._stylizer, self._converter, self._stabilize = stylizer, converter, stabilize
        self._engine = stylizer.engine
        self._most = batch
        self._filling: _Batch | None = None
        self._scene, self._number = object(), 0
        self._layout: PlaneLayout | None = None

    @property
    def depth(self) -> int:
        """How many frames may be begun before the first is taken, once one has been."""
        return self._engine.depth * (self.batch_size(self._layout) if self._layout else 1)

    def paint(self, frame: Frame, look: Look) -> Callable[[], Frame]:
        """Begin to paint one frame; the function returned waits for it."""
        self._number += 1
        image, converter = frame.image, self._converter
        layout = self._layout = PlaneLayout(converter.pix_fmt, image.height, image.width)
        if look.opacity == 0:
            self._scene = object()
            return lambda: replace(frame, image=converter.to_output(image))
        on_gpu = layout.on_gpu(image) and converter.same_color(image)
        if not on_gpu:
            image = converter.to_output(image)
        working = self._stylizer.working_size(image.height, image.width, look.stroke)
        batch = self._filling
        if batch is None or (batch.layout, batch.working, batch.on_gpu) != (
            layout,
            working,
            on_gpu,
        ):
            self._send()
            batch = self._filling = _Batch(layout, working, on_gpu)
        index = len(batch.frames)
        batch.frames.append(replace(frame, image=image))
        batch.looks.append(look)
        batch.marks.append(_Mark(self._scene, self._number, look.painted))
        if len(batch.frames) == self.batch_size(layout):
            self._send()
        return lambda: self._take(batch, index)

    def paint_planes(
        self, layout: PlaneLayout, rows: Sequence[Tensor], look: Look
    ) -> Callable[[], Tensor]:
        """Begin to paint the next frames of a video, at most `batch_size` of them, whose samples,
        (samples,) each, are on the device; the function returned waits for theirs, (N, samples),
        and they stay there."""
        working = self._stylizer.working_size(layout.height, layout.width, look.stroke)
        batch = _Batch(layout, working, on_gpu=True)
        for _ in rows:
            self._number += 1
            batch.looks.append(look)
            batch.marks.append(_Mark(self._scene, self._number, look.painted))
        writers = [partial(_copy, row) for row in rows]
        finish = self._submit(batch, writers, download=False)
        return lambda: finish()[: len(rows)]

    def batch_size(self, layout: PlaneLayout) -> int:
        """How many frames of a size are painted together."""
        fitting = _BATCH_PIXELS // (layout.height * layout.width)
        return self._most or min(_MOST_IN_BATCH, max(1, fitting))

    def _send(self) -> None:
        batch, self._filling = self._filling, None
        if batch is None:
            return
        writers = list[Callable[[Tensor], object]]()
        if batch.on_gpu:
            # FFmpeg works on the default stream.
            torch.cuda.default_stream(self._engine.device).synchronize()
            writers = [partial(batch.layout.take, frame.image) for frame in batch.frames]
        batch.finish = self._submit(batch, writers)

    def _take(self, batch: _Batch, index: int) -> Frame:
        if batch is self._filling:
            self._send()
        assert batch.finish is not None
        painted = batch.layout.frame(batch.finish()[index], self._converter.color)
        return replace(batch.frames[index], image=painted)

    def _submit(
        self, batch: _Batch, writers: Sequence[Callable[[Tensor], object]], *, download: bool = True
    ) -> Callable[[], Tensor]:
        with self._engine.lock:  # what a course follows is what it paints next
            lane = self._lane(batch.layout, batch.working)
            course = lane.function
            assert isinstance(course, _Course)
            alike, keep = course.follow(batch.marks)
            frames = () if writers else batch.frames
            fill = partial(self._fill, batch.layout, frames, batch.looks, alike, keep)
            return lane.submit(fill, writers, download=download)

    def _fill(
        self,
        layout: PlaneLayout,
        frames: Sequence[Frame],
        looks: Sequence[Look],
        alike: Tensor,
        keep: Tensor,
        host: Sequence[Tensor],
    ) -> None:
        """Write a batch, which may be smaller, to a course's inputs on the host. frames: those
        whose planes are not written on the device; alike, keep: see `_Course.follow`."""
        planes, styles, opacities, likeness, kept = host
        for row, frame in zip(planes, frames, strict=False):
            layout.pack(frame.image, row)
        rows = self._stylizer.model.rows([look.painted for look in looks])
        styles[: len(looks)] = torch.from_numpy(rows)
        opacities[: len(looks)] = torch.tensor(
            [(look.opacity, look.opacity * (1 - look.keep_color)) for look in looks]
        )
        likeness[: len(looks)] = alike
        kept.copy_(keep)

    def _lane(self, layout: PlaneLayout, working: tuple[int, int]) -> Lane:
        size, converter = self.batch_size(layout), self._converter
        key = (layout, converter.color, working, size, self._stabilize, converter.bars)

        def make() -> tuple[_Course, Sequence[Tensor]]:
            course = _Course(self._stylizer, *key)
            numbers = self._stylizer.model.architecture.row_size
            return course, (
                torch.empty(size, layout.samples, dtype=layout.dtype),
                torch.empty(size, 2, numbers),
                torch.empty(size, 2),
                torch.empty(size, MEMORY),
                torch.empty(MEMORY, dtype=torch.int64),
            )

        return self._engine.lane(key, make)


def _copy(source: Tensor, target: Tensor) -> None:
    target.copy_(source, non_blocking=True)


class _Course:
    """What happens to a batch on the device. It keeps the last MEMORY frames there."""

    def __init__(
        self,
        stylizer: Stylizer,
        layout: PlaneLayout,
        color: ColorSpec,
        working: tuple[int, int],
        size: int,
        stabilize: bool,
        bars: Bars,
    ) -> None:
        engine = stylizer.engine
        assert isinstance(engine, TorchEngine)
        # fp16 on tensor cores; bf16 would be too coarse for colours.
        dtype = torch.float16 if engine.device.type == "cuda" else torch.float32
        like = torch.empty(0, dtype=dtype, device=engine.device)
        self._stylizer, self._engine = stylizer, engine
        self._layout, self._stabilize = layout, stabilize
        self._part = bars.inner(working) if bars else None
        self._barkeeper = Barkeeper(
            bars,
            layout.sizes,
            layout.bits,
            full_range=color.full_range,
            place=lambda matrix: torch.from_numpy(matrix).to(like.device),
        )
        self._layers = layers(working[0], layout.height)
        painted = (working[0] << len(self._layers), working[1] << len(self._layers))
        self._to_rgb = PlanesToRgb(layout, color, working, like)
        self._to_planes = RgbToPlanes(layout, color, painted, like)
        self._sharpness = stylizer.sharpness(painted[0], layout.height)
        self._scale_detail: Resize | None = None
        if self._sharpness:
            twice = (2 * painted[0], 2 * painted[1])
            self._scale_detail = Resize(twice, layout.sizes[0], cubic=True, shift=0.0, like=like)
            self._sharpness *= 1.0 if color.full_range else 219 / 255
        multiple = stylizer.model.architecture.multiple
        self._padding = [_reflected(side, multiple, like.device) for side in working]
        self._shares = torch.tensor(LUMA, device=like.device)
        spread = torch.from_numpy(grain(*working)).to(like.device, torch.int16)
        self._grain = spread[:, :, None]
        self._marks: deque[_Mark | None] = deque([None] * MEMORY, MEMORY)
        past = torch.zeros(MEMORY, *working, 3, dtype=torch.uint8, device=like.device)
        self._past_frames, self._past_pastiches = past, past.clone()

    def follow(self, marks: Sequence[_Mark]) -> tuple[Tensor, Tensor]:
        """Note the frames of the next batch. Returns what it takes to stabilize them: how much each
        of the MEMORY frames before one counts, (N, MEMORY), and the places of those to keep."""
        known = [*self._marks, *marks]
        alike = [
            [
                mark.alike(earlier) if earlier else 0.0
                for earlier in reversed(known[at : at + MEMORY])
            ]
            for at, mark in enumerate(marks)
        ]
        self._marks.extend(marks)
        return torch.tensor(alike), torch.arange(MEMORY) + len(marks)

    def __call__(
        self, samples: Tensor, rows: Tensor, opacities: Tensor, alike: Tensor, keep: Tensor
    ) -> Tensor:
        """Samples (N, S) -> (N, S). rows (N, 2, D); opacities (N, 2) of luma and of chroma."""
        originals = self._layout.split(samples)
        frames = self._to_rgb(originals)
        inside = frames if self._part is None else frames[:, *self._part]
        opacities = opacities * presences(inside)[:, None]
        pastiches = self._paint((frames + self._grain).clamp_(0, 255).to(torch.uint8), rows)
        if self._stabilize:
            frames = torch.cat((self._past_frames, frames))
            history = torch.cat((self._past_pastiches, pastiches))
            pastiches = hold(frames, history, alike, self._engine.kernels, self._part)
            self._past_frames.copy_(frames[keep])
            self._past_pastiches.copy_(history[keep])
        for weight in self._layers:
            pastiches = self._paint_over(pastiches, rows, weight)
        planes = self._to_planes(pastiches)
        if self._scale_detail:
            detail = self._scale_detail(self._detail(pastiches).to(planes[0].dtype))
            planes[0] = planes[0] + self._sharpness * detail
        result = torch.zeros_like(samples)
        views = self._layout.split(result)
        for index, (original, above, view) in enumerate(zip(originals, planes, views, strict=True)):
            below = centred(original, self._layout.bits, above.dtype)
            blended = blend(below, above, opacities[:, min(index, 1)])
            view.copy_(to_samples(blended, self._layout))
        for scene in self._barkeeper.scenes(originals):
            for index, part in enumerate(scene.parts):
                ours, theirs = views[index][:, *part], originals[index][:, *part].float()
                ours.copy_(torch.lerp(theirs, ours.float(), scene.opacity(index)).round_())
        return result

    def _paint(self, frames: Tensor, rows: Tensor) -> Tensor:
        height, width = frames.shape[1:3]
        down, across = self._padding
        if len(down) > height or len(across) > width:
            frames = frames[:, down][:, :, across]
        return self._engine.paint(frames, rows)[:, :height, :width]

    def _paint_over(self, pastiches: Tensor, rows: Tensor, weight: float) -> Tensor:
        """See `Stylizer.refine`."""
        doubled = _doubled(pastiches.permute(0, 3, 1, 2).float())
        frames = doubled.permute(0, 2, 3, 1).to(torch.uint8).contiguous()
        layers = self._engine.paint(frames, rows).permute(0, 3, 1, 2).float()
        fine = layers - _doubled(F.avg_pool2d(layers, 2).add_(0.5).floor_())
        if weight < 1 and self._stylizer.adds_detail:
            detail = self._detail(pastiches)[:, None] * (1 - weight)
            doubled.add_(detail.round_()).clamp_(0, 255)
        painted = doubled.add_(fine.mul_(weight).round_()).clamp_(0, 255)
        return painted.permute(0, 2, 3, 1).to(torch.uint8).contiguous()

    def _detail(self, pastiches: Tensor) -> Tensor:
        """See `Stylizer.detail`: (N, 2 H, 2 W), around 0."""
        luma = (pastiches.float() @ self._shares + 0.5).to(torch.uint8)
        return self._engine.enlarger.detail(luma).float() - MIDDLE


def _doubled(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) from 0 to 255, as `stylizer.resize` doubles them."""
    doubled = F.interpolate(pictures, scale_factor=2, mode="bicubic", antialias=True)
    return doubled.round_().clamp_(0, 255)


def presences(frames: Tensor) -> Tensor:
    """(N,): `presence` of frames (N, H, W, 3) uint8."""
    pixels = frames.float().flatten(1, 2)
    deviation, mean = torch.std_mean(pixels, dim=1, correction=0)
    lights = (mean + 2 * deviation).amax(1)
    flat, dark = (
        ((value - low) / (high - low)).clamp(0, 1)
        for value, (low, high) in ((deviation.amax(1), FLAT), (lights, DARK))
    )
    shares: Tensor = smooth(flat) * smooth(dark)
    return shares


def _reflected(side: int, multiple: int, device: torch.device) -> Tensor:
    """Places of a side's pixels, followed by their reflection up to a side the network takes."""
    whole = max(MIN_SIDE, -(-side // multiple) * multiple)
    return torch.from_numpy(np.pad(np.arange(side), (0, whole - side), mode="reflect")).to(device)
