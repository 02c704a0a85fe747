"""Pictures that move in a known way: made from photographs, and real pairs with measured flow.

A flow (H, W, 2) gives for every pixel of the first frame the displacement, x then y in pixels, to
the same point in the second: I1(p) = I2(p + flow(p)).
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from videostyle.errors import TrainingError
from videostyle.media.pixels import Picture
from videostyle.training.dataset import open_picture, to_pixels
from videostyle.training.warp import flow_grid, inside, warp

# What the frames of a made sequence do, per frame: pixels of pan, shares of zoom, degrees of
# rotation, gain and offset of light, standard deviation of noise in [0, 1] RGB. Each but `light`
# also carries the noise of a camera.
PAN, ZOOM, ROTATION, LIGHT, NOISE = (2.3, 1.1), 0.01, 0.6, 0.04, 0.012
MOTIONS = ("still", "pan", "zoom", "rotation", "light")
FRAMES, LINES = 6, 384
# Points nearer to the border than this share of half a side do not count: padding is painted there.
CLEAR = 0.03


@dataclass(frozen=True, slots=True)
class Moving:
    """A short sequence: frames (H, W, 3) uint8; grids[t] (1, H, W, 2) shows where frame t + 1 has
    the points of frame t; seen[t] (1, 1, H, W) is 1 where it has them."""

    name: str
    frames: Sequence[Picture]
    grids: Sequence[Tensor]
    seen: Sequence[Tensor]


def make_moving(photo: Tensor, motion: str, side: int) -> Moving:
    """A square window of `side` pixels that moves over a larger photo (1, 3, H, W)."""
    random = torch.Generator().manual_seed(0)
    views = [_view(motion, number, side) for number in range(FRAMES)]
    share = torch.tensor((side / photo.shape[3], side / photo.shape[2]))
    frames = []
    for number, view in enumerate(views):
        window = warp(photo, _affine_grid(view, side) * share)
        if motion == "light":
            window = window * (1 + LIGHT * math.sin(2 * number)) + LIGHT * math.cos(2 * number) / 2
        else:
            window = window + torch.randn(window.shape, generator=random) * NOISE
        frames.append(_to_picture(window))
    grids = [
        _affine_grid(torch.linalg.inv(later) @ earlier, side) for earlier, later in pairwise(views)
    ]
    return Moving(motion, frames, grids, [inside(grid, CLEAR) for grid in grids])


def read_flow(path: Path) -> npt.NDArray[np.float32]:
    """(H, W, 2): the recorded flow of an npz. Raises TrainingError."""
    try:
        with path.open("rb") as file:
            flow = np.asarray(np.load(file)["flow"], np.float32)
        if flow.ndim != 3 or flow.shape[2] != 2 or min(flow.shape) == 0:
            raise ValueError(f"it is {flow.shape}, not (height, width, 2)")
        if not np.isfinite(flow).all():
            raise ValueError("it is not finite")
    except (
        OSError,
        ValueError,
        KeyError,
        IndexError,
        EOFError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        raise TrainingError(f"{path}: holds no flow ({error})") from error
    return flow


def read_flows(folder: Path, photos: Sequence[Tensor]) -> list[Moving]:
    """Photos (1, 3, H, W) moved by each recorded flow (`*.npz`) of a folder, then its pairs.
    Raises TrainingError for a folder that holds neither, and for flow that leads nowhere."""
    if not folder.is_dir():
        raise TrainingError(f"{folder}: not a folder")
    found = [
        warp_still(photo, flow)
        for flow in map(read_flow, sorted(folder.glob("*.npz")))
        for photo in photos
    ]
    found += read_pairs(folder)
    if not found:
        raise TrainingError(f"{folder}: holds no *.npz, no kitti_*_gt.png and no *GT.png")
    if blind := next((each.name for each in found if not all(s.any() for s in each.seen)), ""):
        raise TrainingError(f"{folder}: {blind}: no point of one frame is seen in the next")
    return found


def warp_still(photo: Tensor, flow: npt.NDArray[np.floating]) -> Moving:
    """A photo (1, 3, H, W) that moves by a recorded flow."""
    grid = flow_grid(torch.from_numpy(flow).permute(2, 0, 1)[None])
    second = F.interpolate(photo, size=flow.shape[:2], mode="bicubic", antialias=True)
    frames = [_to_picture(warp(second, grid)), _to_picture(second)]
    return Moving("still moved by recorded flow", frames, [grid], [inside(grid, CLEAR)])


def read_pairs(folder: Path) -> list[Moving]:
    """KITTI's and Middlebury's pairs of a folder: `kitti_*_1.png`, `*_2.png` and `*_gt.png` (16
    bit: u and v as (value - 32768) / 64, then valid), and `*L.jpg`, `*R.jpg` and `*GT.png`
    (disparity in pixels, 0 unknown). Raises TrainingError."""
    pairs = []
    for truth in sorted(folder.glob("kitti_*_gt.png")):
        start = str(truth).removesuffix("_gt.png")
        encoded = _read_16_bit(truth).astype(np.float32)
        flow = (encoded[..., :2] - np.float32(32768)) / np.float32(64)
        pairs.append(_pair("street (KITTI)", f"{start}_1.png", f"{start}_2.png", flow,
                           encoded[..., 2] > 0))  # fmt: skip
    for truth in sorted(folder.glob("*GT.png")):
        start = str(truth).removesuffix("GT.png")
        disparity = np.asarray(open_picture(truth).convert("L"), np.float32)
        flow = np.stack((-disparity, np.zeros_like(disparity)), axis=2)
        pairs.append(_pair("plant (Middlebury)", f"{start}L.jpg", f"{start}R.jpg", flow,
                           disparity > 0))  # fmt: skip
    return pairs


def _pair(
    name: str,
    first: str,
    second: str,
    flow: npt.NDArray[np.floating],
    known: npt.NDArray[np.bool_],
) -> Moving:
    """Both frames at no more than LINES lines; points that the second frame hides are left out
    by the difference of the frames themselves."""
    scale = min(1.0, LINES / flow.shape[0])
    size = (round(flow.shape[0] * scale), round(flow.shape[1] * scale))
    pixels = [
        F.interpolate(to_pixels(open_picture(Path(path)))[None], size=size, mode="bicubic",
                      antialias=True).clamp(0, 1)
        for path in (first, second)
    ]  # fmt: skip
    field = torch.from_numpy(flow * scale).permute(2, 0, 1)[None]
    # Unknown points must not bleed into their neighbours, so nothing is interpolated here.
    field = F.interpolate(field, size=size, mode="nearest")
    valid = F.interpolate(torch.from_numpy(known.astype(np.float32))[None, None], size=size)
    grid = flow_grid(field)
    hidden = (warp(pixels[1], grid) - pixels[0]).abs().amax(1, keepdim=True) > 0.15
    seen = inside(grid, CLEAR) * valid * (~hidden)
    return Moving(name, [_to_picture(each) for each in pixels], [grid], [seen])


def _view(motion: str, number: int, side: int) -> Tensor:
    """(3, 3): from the window's coordinates in [-1, 1] to the scene's, at one frame."""
    angle = math.radians(ROTATION * number) if motion == "rotation" else 0.0
    scale = 1 - ZOOM * number if motion == "zoom" else 1.0
    across, down = (step * number if motion == "pan" else 0.0 for step in PAN)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    return torch.tensor(
        [[cos, -sin, 2 * across / side], [sin, cos, 2 * down / side], [0.0, 0.0, 1.0]]
    )


def _affine_grid(view: Tensor, side: int) -> Tensor:
    return F.affine_grid(view[None, :2], [1, 3, side, side], align_corners=False)


def _to_picture(pixels: Tensor) -> Picture:
    picture: Picture = (pixels[0].permute(1, 2, 0).clamp(0, 1) * 255 + 0.5).byte().numpy()
    return np.ascontiguousarray(picture)


def _read_16_bit(path: Path) -> npt.NDArray[np.uint16]:
    try:
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
    except (av.FFmpegError, StopIteration, IndexError) as error:
        raise TrainingError(f"{path}: cannot be read as a picture") from error
    return np.asarray(frame.to_ndarray(format="rgb48le"), np.uint16)
