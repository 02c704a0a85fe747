"""What a model file says about itself: styles, architecture, recipe, licence.

Reading a card touches only the file's header, so the timeline commands can check style names
without loading the network (or torch).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from videostyle.errors import ModelError
from videostyle.look import ORIGINAL
from videostyle.wording import shown

FORMAT_VERSION = 1
DEFAULT_MODEL = "lean"
STYLE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# A header above this is no model card; safetensors itself stops at 100 MB.
MAX_CARD_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Style:
    """One painting a model has learned. `name` is what timelines and options call it."""

    name: str
    title: str
    artist: str
    year: str
    credit: str

    def __post_init__(self) -> None:
        if not all(isinstance(value, str) for value in asdict(self).values()):
            raise ValueError("every field of a style is text")
        if not STYLE_NAME.fullmatch(self.name) or self.name == ORIGINAL:
            raise ValueError(
                f"style name {self.name!r}: use lower-case letters, digits, _ and -, "
                f"and not {ORIGINAL!r}"
            )

    @property
    def caption(self) -> str:
        """Title, artist and year, as far as they are known."""
        return ", ".join(part for part in (self.title, self.artist, self.year) if part)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The metadata of a model file.

    name: short name of the model. architecture: `Architecture.to_dict()`.
    recipe: the training configuration and its final losses, as plain JSON.
    """

    name: str
    architecture: Mapping[str, Any]
    styles: tuple[Style, ...]
    licence: str
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def style_names(self) -> tuple[str, ...]:
        """In the order of the model's rows."""
        return tuple(style.name for style in self.styles)

    @property
    def titles(self) -> dict[str, str]:
        """Of the paintings, by style name."""
        return {style.name: style.title for style in self.styles}

    def unknown_style(self, names: Iterable[str], listed_by: str = "model.card.style_names") -> str:
        """What to say of the first name that is no style of the model; "" if all are."""
        known = self.style_names
        name = next((name for name in names if name not in known), None)
        if name is None:
            return ""
        meant = near_styles(name, self.titles)
        hint = f" Did you mean {' or '.join(meant)}?" if meant else ""
        return f"unknown style {name!r:.80}.{hint} `{listed_by}` lists them"

    def to_metadata(self) -> dict[str, str]:
        """Metadata of a safetensors file, which is text alone."""
        return {"videostyle": json.dumps({"format_version": FORMAT_VERSION, **asdict(self)})}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str] | None, path: Path) -> ModelCard:
        """Parse `to_metadata`. Raises ModelError naming what is wrong and what to do."""
        text = (metadata or {}).get("videostyle")
        if text is None:
            raise ModelError(
                f"{path}: no videostyle metadata; this safetensors file holds something else "
                "than a style model"
            )
        try:
            data = json.loads(text)
            version = data.pop("format_version")
            if version != FORMAT_VERSION:
                raise ModelError(
                    f"{path}: model format {version!r}; this videostyle reads format "
                    f"{FORMAT_VERSION}. Update videostyle to use it"
                )
            styles = tuple(Style(**style) for style in data.pop("styles"))
            card = cls(styles=styles, **data)
            if not styles or len(set(card.style_names)) != len(styles):
                raise ValueError("style names are missing or not unique")
            if not isinstance(card.name, str) or not isinstance(card.licence, str):
                raise ValueError("name and licence must be text")
            if not isinstance(card.recipe, dict):
                raise ValueError("the recipe must be a mapping")
            for key in ("paintings", "losses"):
                if not isinstance(card.recipe.get(key, {}), dict):
                    raise ValueError(f"the recipe's {key} must be a mapping")
            for name, entry in card.recipe.get("losses", {}).items():
                if not (isinstance(entry, dict) and isinstance(entry.get("style"), float | int)):
                    raise ValueError(f"the recipe's loss of {name!r} must be a mapping to numbers")
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ModelError(f"{path}: broken model metadata ({error})") from error
        return card


def near_styles(name: str, titles: Mapping[str, str]) -> list[str]:
    """What a person who wrote `name` may have meant: styles with these words in their name or
    title, else the one that is spelt most like it. titles: of the styles, by name."""
    wanted = _plain(name)[:80]
    meant = [
        known
        for known, title in titles.items()
        if len(wanted) > 2 and wanted in f"{_plain(known)} {_plain(title)}"
    ]
    return meant[:3] or get_close_matches(wanted, [*titles, ORIGINAL], 1)


def _plain(text: str) -> str:
    return re.sub(r"\W+", "_", text.lower()).strip("_")


def read_model_card(model: str | Path) -> ModelCard:
    """Read the card of a shipped model (by name) or of a file. Raises ModelError."""
    path = model_path(model)
    return ModelCard.from_metadata(_read_header(path).get("__metadata__"), path)


def shipped_models() -> tuple[str, ...]:
    """Names of the models inside the package."""
    folder = resources.files("videostyle") / "weights"
    return tuple(sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith("tensors")))


def model_path(model: str | Path) -> Path:
    """Resolve the value of `--model`: a shipped model's name, or a path. Raises ModelError."""
    if not isinstance(model, str | PathLike):
        raise ModelError(f"model is {shown(model)}; give a shipped model's name or a file's")
    shipped = Path(str(resources.files("videostyle") / "weights" / f"{model}.safetensors"))
    path = Path(model)
    try:
        if "/" not in str(model) and shipped.is_file():
            return shipped
        is_file = path.is_file()
    except OSError as error:  # its name may be too long
        raise ModelError(f"{path!s:.80}: cannot be read ({error.strerror})") from error
    if not is_file:
        raise ModelError(
            f"{path}: no such model file, and no shipped model of that name "
            f"(have: {', '.join(shipped_models())})"
        )
    return path


def _read_header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file: an 8-byte little-endian length, then JSON."""
    try:
        with path.open("rb") as file:
            prefix = file.read(8)
            size = int.from_bytes(prefix, "little")
            if len(prefix) < 8 or size > MAX_CARD_BYTES:
                if prefix.startswith((b"PK\x03\x04", b"\x80")):
                    raise ModelError(
                        f"{path}: a pickle or PyTorch archive. Models are safetensors files, "
                        "because a pickle can run code when it is opened"
                    )
                raise ModelError(f"{path}: not a safetensors file")
            text = file.read(size)
            if len(text) < size:
                raise ModelError(f"{path}: truncated; fetch the file again")
            header = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read as a safetensors file ({error})") from error
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
        raise ModelError(f"{path}: not a safetensors file")
    return header
