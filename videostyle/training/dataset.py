"""Content crops and paintings, from folders of pictures."""

from __future__ import annotations

import csv
import logging
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from videostyle.errors import MediaError, TrainingError
from videostyle.media.picture import load_picture, sizes_unwarned
from videostyle.network.architecture import SMOOTHING
from videostyle.network.model_card import Style

log = logging.getLogger(__name__)

# Photographs are kept in memory at this shorter side, in pixels, and zoomed by up to MAX_ZOOM.
PHOTO_SIDE = 360
MAX_ZOOM = 1.5
# Batches a `ContentCrops` remembers, for the others that share it.
KEPT_BATCHES = 4
COLUMNS = ("file", "name", "title", "artist", "year")
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True, slots=True)
class Painting:
    """A style and the picture it comes from."""

    style: Style
    path: Path


def list_photos(folder: Path) -> list[Path]:
    """Pictures of a folder but hidden ones, sorted. Raises TrainingError if there are none."""
    if not folder.is_dir():
        raise TrainingError(f"{folder}: not a folder")
    shown = (path for path in folder.iterdir() if not path.name.startswith("."))
    photos = sorted(path for path in shown if path.suffix.lower() in SUFFIXES)
    if not photos:
        raise TrainingError(f"{folder}: holds no pictures ({', '.join(sorted(SUFFIXES))})")
    return photos


def list_paintings(folder: Path) -> dict[str, Painting]:
    """Paintings of a folder by style name, from its `styles.csv`.

    Columns: file, name, title, artist, year and, if known, found_in. Raises TrainingError.
    """
    table, where = folder / "styles.csv", ""
    paintings = dict[str, Painting]()
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            for row in rows:
                where = f"line {rows.line_num}: "
                if any(row[column] is None for column in COLUMNS):
                    raise ValueError("it is too short")
                if row["name"] in paintings:
                    raise ValueError(f"{row['name']!r} stands twice; keep one")
                paintings[row["name"]] = Painting(_style(row), folder / row["file"])
    except KeyError as error:
        raise TrainingError(
            f"{table}: has no column {error}; it needs columns {','.join(COLUMNS)}"
        ) from error
    except (OSError, ValueError, csv.Error) as error:
        raise TrainingError(
            f"{table}: cannot be read ({where}{error}); it needs columns {','.join(COLUMNS)}"
        ) from error
    return paintings


def _style(row: dict[str, str]) -> Style:
    source = f"; picture from {row['found_in']}" if row.get("found_in") else ""
    known = (row[key] for key in ("artist", "title", "year") if row[key])
    credit = ", ".join(known) + source
    return Style(row["name"], row["title"], row["artist"], row["year"], credit)


def open_picture(path: Path) -> Image.Image:
    """Open a picture as upright RGB, as a render does; also formats that only Pillow reads, and the
    first picture of an animation. Raises TrainingError."""
    try:
        if picture := load_picture(path):
            return picture.convert("RGB")
        with sizes_unwarned(), Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except MediaError as error:
        raise TrainingError(str(error)) from error
    except Exception as error:  # Pillow's readers raise almost anything on damaged files
        raise TrainingError(f"{path}: cannot be read as a picture ({error})") from error


def to_pixels(image: Image.Image) -> Tensor:
    """PIL RGB -> (3, H, W) in [0, 1]."""
    return _to_bytes(image).float() / 255


def resize_shorter(image: Image.Image, size: int) -> Image.Image:
    """Resize so that the shorter side measures `size` pixels."""
    scale = size / min(image.size)
    sides = [max(size, round(side * scale)) for side in image.size]
    return image.resize((sides[0], sides[1]), Image.Resampling.LANCZOS)


def crop_to_multiple(image: Image.Image, size: int, multiple: int) -> Image.Image:
    """Resize the shorter side to `size` pixels and crop both sides to a multiple."""
    image = resize_shorter(image, size)
    width, height = (side // multiple * multiple for side in image.size)
    return image.crop((0, 0, width, height))


def painting_pixels(path: Path, size: int, *, smooth: bool = False) -> Tensor:
    """(3, H, W): a painting with its shorter side at `size` pixels. smooth: whether by SMOOTHING,
    as the output of the network that learns it is. Without it the loss would ask for detail that
    such a network cannot make, and the network would learn a weave instead."""
    pixels = to_pixels(resize_shorter(open_picture(path), size))
    if not smooth:
        return pixels
    taps, margin = torch.tensor(SMOOTHING), len(SMOOTHING) // 2
    pixels = F.pad(pixels, (margin,) * 4, mode="reflect")[:, None]
    pixels = F.conv2d(F.conv2d(pixels, taps[None, None, :, None]), taps[None, None, None])
    return pixels[:, 0].clamp(0, 1)


@dataclass(frozen=True)
class ContentCrops:
    """Training crops: `batch_size` squares of `crop` pixels a step, cut from photographs. Where one
    cannot be read, the next takes its place.

    Crops depend on the photographs, the seed and the step alone, so a resumed run sees what an
    unbroken one would.
    Equal ones may be shared by networks that train side by side.
    """

    photos: tuple[Path | Image.Image, ...]
    seed: int
    batch_size: int
    crop: int
    device: torch.device

    def batch(self, step: int) -> Tensor:
        """(N, 3, crop, crop) in [0, 1], channels-last, on the current stream."""
        if step not in self._latest:
            while len(self._latest) >= KEPT_BATCHES:
                self._latest.pop(next(iter(self._latest)))
            self._latest[step] = self._cut(step)
        return self._latest[step]

    @cached_property
    def _latest(self) -> dict[int, Tensor]:
        return {}

    def _cut(self, step: int) -> Tensor:
        random = np.random.default_rng((self.seed, step))
        crops = []
        for _ in range(self.batch_size):
            pixels = self._photo(int(random.integers(len(self.photos))))
            crops.append(_random_crop(pixels, random, self.crop))
        batch = torch.cat(crops).div_(255).clamp_(0, 1)
        return batch.contiguous(memory_format=torch.channels_last)

    def _photo(self, number: int) -> Tensor:
        for place in range(number, number + len(self.photos)):
            photo = self.photos[place % len(self.photos)]
            if not isinstance(photo, Path):
                return _to_bytes(photo).to(self.device)
            pixels = _open_photo(photo, self.device)
            if pixels is not None:
                return pixels
        raise TrainingError(
            f"{self.photos[number]}: cannot be read as a picture, nor can any beside it"
        )


def _random_crop(photo: Tensor, random: np.random.Generator, crop: int) -> Tensor:
    """(1, 3, crop, crop): a square of at least 1 / MAX_ZOOM of the shorter side, scaled."""
    side = round(min(photo.shape[1:]) / random.uniform(1.0, MAX_ZOOM))
    top, left = (int(random.integers(whole - side + 1)) for whole in photo.shape[1:])
    square = photo[None, :, top : top + side, left : left + side].float()
    pixels = F.interpolate(square, (crop, crop), mode="bicubic", antialias=True)
    return pixels.flip(3) if random.random() < 0.5 else pixels


@lru_cache(maxsize=4096)
def _open_photo(path: Path, device: torch.device) -> Tensor | None:
    """A photograph ready for crops: opening it again would cost more than the crop. None, with a
    warning, if it cannot be read."""
    try:
        return _to_bytes(shrink_photo(open_picture(path))).to(device)
    except TrainingError as error:
        log.warning("left out: %s", error)
        return None


def _to_bytes(image: Image.Image) -> Tensor:
    """PIL RGB -> (3, H, W) uint8."""
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).contiguous()


def shrink_photo(image: Image.Image) -> Image.Image:
    """Bring the shorter side down to PHOTO_SIDE; smaller pictures stay."""
    return resize_shorter(image, PHOTO_SIDE) if min(image.size) > PHOTO_SIDE else image
