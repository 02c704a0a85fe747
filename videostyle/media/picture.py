"""Still pictures: read upright, and written with the alpha and colour profile of their source."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from videostyle.errors import MediaError
from videostyle.media.info import PICTURE_SUFFIXES
from videostyle.whole_file import written_whole

READ_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")

ALPHA_SUFFIXES = (".png", ".webp", ".tif", ".tiff")
_STREAM_SUFFIXES = (".mjpeg", ".mjpg")  # JPEGs one after another, of which Pillow reads the first
_QUALITY = {".jpg": 92, ".jpeg": 92, ".webp": 90}


def load_picture(path: Path) -> Image.Image | None:
    """Read a still picture upright, as RGB or RGBA; None if the file is something else.

    Raises MediaError for a damaged one.
    """
    if path.suffix.lower() in _STREAM_SUFFIXES:
        return None
    try:
        with sizes_unwarned(), Image.open(path, formats=READ_FORMATS) as picture:
            return None if _moves(picture) else to_rgb_mode(ImageOps.exif_transpose(picture))
    except UnidentifiedImageError:
        return None
    except Exception as error:  # Pillow's readers raise almost anything on damaged files
        raise MediaError(f"{path}: cannot be read as a picture: {error}") from error


def is_picture(path: Path) -> bool:
    """Whether a file is a still picture; of what Pillow cannot open, whether it is named like one.
    Reads its first bytes alone."""
    if path.suffix.lower() in _STREAM_SUFFIXES:
        return False
    with suppress(Exception):  # as in load_picture, which says what is wrong
        if path.is_file():  # a pipe can be read once alone
            with sizes_unwarned(), Image.open(path, formats=READ_FORMATS) as picture:
                return not _moves(picture)
    return path.suffix.lower() in PICTURE_SUFFIXES


def is_animation(path: Path) -> bool:
    """Whether a file named like a picture is a video: an animated PNG or WebP."""
    try:
        with sizes_unwarned(), Image.open(path, formats=("PNG", "WEBP")) as picture:
            return _moves(picture)
    except Exception:  # as in load_picture, which says what is wrong
        return False


def _moves(picture: Image.Image) -> bool:
    return picture.format in ("PNG", "WEBP") and getattr(picture, "is_animated", False)


def sizes_unwarned() -> warnings.catch_warnings[None]:
    """Without Pillow's warning of large pictures: what is too large is refused."""
    return warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning)


def to_rgb_mode(picture: Image.Image) -> Image.Image:
    """A picture of any mode as RGB or RGBA; of 16 bits it keeps the upper ones."""
    if picture.mode.startswith(("I", "F")):
        return Image.fromarray(_to_bytes(picture)).convert("RGB")
    converted = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if picture.mode not in ("RGB", "RGBA", "P"):
        converted.info.pop("icc_profile", None)  # of another colour model
    return converted


def on_black(picture: Image.Image) -> Image.Image:
    """RGB or RGBA as RGB, with black where it is transparent."""
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)
    return picture.convert("RGB")


def _to_bytes(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """(H, W) of grey that has 16 or 32 bits, which Pillow would clip instead of scaling it.

    32 bits do not say what is white: 1.0 in floats that do not reach 16, else the largest value of
    as many bits (8 at least) as the lightest pixel needs.
    """
    grey = np.asarray(picture, np.float64)
    lightest = grey[np.isfinite(grey)].max(initial=0)
    if picture.mode.startswith("I;16"):
        unit = 256.0
    elif picture.mode == "F" and lightest < 16:
        unit = 1 / 255
    else:
        unit = 2.0 ** max(0, int(lightest).bit_length() - 8)
    return (np.nan_to_num(grey, posinf=lightest, neginf=0) / unit).clip(0, 255).astype(np.uint8)


def save_picture(pixels: npt.NDArray[np.uint8], source: Path, output: Path) -> list[str]:
    """Write (H, W, 3) RGB. Alpha and profile come from the picture `source`; where the format has
    no alpha, the picture is laid on black. Returns what is lost, in words. Raises MediaError."""
    picture, lost = Image.fromarray(pixels), list[str]()
    original = load_picture(source)
    profile = original.info.get("icc_profile") if original else None
    if original and original.mode == "RGBA":
        alpha = original.getchannel("A")
        picture.putalpha(alpha.resize(picture.size))
        if output.suffix.lower() not in ALPHA_SUFFIXES:
            picture = on_black(picture)
            if alpha.getextrema() != (255, 255):
                lost.append("what is transparent is laid on black; PNG, WebP and TIFF keep it")
    if (pages := _pages(source)) > 1:
        lost.append(f"only the first of its {pages} pages is painted")
    write_picture(picture, output, icc_profile=profile)
    return lost


def _pages(path: Path) -> int:
    """How many pictures a TIFF holds; 1 for any other file."""
    # As in load_picture; a chain of pages may lead anywhere.
    with suppress(Exception), sizes_unwarned(), Image.open(path, formats=("TIFF",)) as picture:
        return getattr(picture, "n_frames", 1)
    return 1


def write_picture(picture: Image.Image, output: Path, icc_profile: bytes | None = None) -> None:
    """Write in the format the name ends with. Raises MediaError."""
    try:
        output.write_bytes(encoded_picture(picture, output.suffix, icc_profile))
    except (OSError, ValueError) as error:  # ValueError: larger than the format can be
        raise MediaError(f"{output}: cannot be written: {error}") from error


def write_whole_picture(picture: Image.Image, output: Path) -> None:
    """As `write_picture`, complete or not at all."""
    try:
        with written_whole(output) as part:
            part.write_bytes(encoded_picture(picture, output.suffix))
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or error
        raise MediaError(f"{output}: cannot be written: {what}") from error


def encoded_picture(picture: Image.Image, suffix: str, icc_profile: bytes | None = None) -> bytes:
    """The file of a picture, by the ending of its name: Pillow takes half a JPEG or BMP that it
    writes to a full disk for a whole one. Raises OSError, ValueError."""
    suffix, encoded = suffix.lower(), io.BytesIO()
    kind = Image.registered_extensions().get(suffix)
    picture.save(encoded, kind, quality=_QUALITY.get(suffix, 75), icc_profile=icc_profile)
    return encoded.getvalue()


def wide_profile(profile: bytes) -> str | None:
    """The name of an ICC profile with distinctly more colours than sRGB, None for any other."""
    try:
        facts = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
    except OSError:  # damaged; viewers pass it over too
        return None
    if _gamut(facts) <= 1.1 * _gamut(ImageCms.createProfile("sRGB")):
        return None
    return " ".join((facts.profile_description or "a wide profile").split())


def _gamut(profile: Any) -> float:
    """Twice the area of a profile's colours in xy, 0 where it has no primaries."""
    primaries = (profile.red_primary, profile.green_primary, profile.blue_primary)
    if None in primaries:
        return 0.0
    red, green, blue = (np.array(xyY[:2]) for _, xyY in primaries)
    return float(abs(np.linalg.det([green - red, blue - red])))
