"""The training configuration: a YAML file with every number of a run."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from videostyle.errors import TrainingError, UsageError, VideoStyleError
from videostyle.network.architecture import ARCHITECTURES
from videostyle.training.defaults import PAINTING_SIZE
from videostyle.training.loss_network import MAX_SIZE, MIN_SIZE
from videostyle.whole_file import WINDOWS_CHARACTERS, WINDOWS_DEVICE, part_path
from videostyle.wording import did_you_mean

TYPES: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
}
# The least values of settings that cannot be 0.
LEAST: Mapping[str, int] = {
    **dict.fromkeys(("steps", "batch_size", "checkpoint_every", "sample_every"), 1),
    **dict.fromkeys(("crop", "size"), MIN_SIZE),
}
MOST: Mapping[str, int] = {
    "seed": 2**64 - 1,  # as PyTorch takes it
    "batch_size": 10_000,
    **dict.fromkeys(("crop", "size"), MAX_SIZE),
}
MOST_OF_OTHERS = 10**9
_NO_NAME = re.compile(rf"{WINDOWS_DEVICE}|.*[{WINDOWS_CHARACTERS}]", re.IGNORECASE)
# Where a run can be resumed from, in its folder.
CHECKPOINT = Path("checkpoint.safetensors")
# What YAML takes words for that are written without quotes.
_NOT_TEXT = {f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "null", "timestamp")}
Wrong = Callable[[str, str], VideoStyleError]  # makes an error of a key and a message


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Takes keys as they are written, which YAML would make numbers or booleans of (1907, no), and
    refuses one that stands twice, of which it would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: key {key.value!r} stands twice; keep one")
            seen.add(str(key.value))
            if key.tag in _NOT_TEXT:
                key.tag = "tag:yaml.org,2002:str"
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


@dataclass(frozen=True, slots=True)
class PaintingConfig:
    """How one painting is learned.

    size: shorter side in pixels at which its Gram matrices are taken; larger means larger
        strokes. weight: of its style loss against the other paintings'.
    """

    size: int = PAINTING_SIZE
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A run. Lengths in pixels, losses relative (see `losses`).

    width: multiplier of the architecture's channels. paintings: style name -> PaintingConfig,
    each a row of `styles.csv` in the paintings folder. learning_rate is of the kernels,
    row_learning_rate of gammas and betas (see `optimizer`); both warm up linearly over
    `warmup_steps` and fall linearly to 0 over the second half. style_weight grows linearly over
    `style_ramp_steps`. start_from: a model (shipped name or file) of the same architecture whose
    network and rows the run begins with, at the full style weight; random weights without it.
    rows_only: leave that network as it is and train gammas and betas alone.
    """

    name: str
    paintings: Mapping[str, PaintingConfig]
    architecture: str = "lean"
    width: float = 1.0
    start_from: str = ""
    rows_only: bool = False
    steps: int = 8000
    batch_size: int = 4
    crop: int = 224
    learning_rate: float = 2e-3
    row_learning_rate: float = 1e-2
    warmup_steps: int = 100
    gradient_clip: float = 5.0
    style_weight: float = 14.0
    style_ramp_steps: int = 1000
    content_weight: float = 1.0
    tv_weight: float = 1.0
    temporal_weight: float = 0.0
    temporal_from_step: int = 0
    seed: int = 0
    checkpoint_every: int = 200
    sample_every: int = 500

    def to_dict(self) -> dict[str, Any]:
        """Every number of the run, for a model's recipe."""
        return asdict(self)


def read_train_config(path: Path, changes: Sequence[str] = ()) -> TrainConfig:
    """Read a YAML configuration, with `changes` of the form KEY=VALUE (YAML) on top.

    Raises TrainingError naming the key that is wrong, UsageError where a change is.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise TrainingError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error
    if not isinstance(data, dict):
        raise TrainingError(f"{path}: expected a mapping of settings")
    changed = {change.partition("=")[0]: change for change in changes}

    def wrong(key: str, message: str) -> VideoStyleError:
        if key in changed:
            return UsageError(f"--set {changed[key]}: {message}")
        return TrainingError(f"{path}: {message}")

    for key, change in changed.items():
        try:
            data[key] = yaml.load(change[len(key) + 1 :], _Loader)
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            raise wrong(key, f"is no YAML ({' '.join(str(error).split())})") from error
        if "=" not in change:
            raise wrong(key, "write KEY=VALUE")
    if "name" not in data:
        raise TrainingError(f"{path}: needs 'name:', which the model's file will have")
    paintings = data.get("paintings")
    if not isinstance(paintings, dict) or not paintings:
        raise wrong(
            "paintings",
            "needs 'paintings:' with at least one name of styles.csv, such as "
            "paintings: {irises: {}}",
        )
    data["paintings"] = {
        name: read_painting_config(settings or {}, wrong, f"paintings: {name}: ")
        for name, settings in paintings.items()
    }
    config: TrainConfig = _build(TrainConfig, data, wrong)
    if config.architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise wrong("architecture", f"architecture {config.architecture!r} is none of {known}")
    try:
        architecture = ARCHITECTURES[config.architecture].scaled(config.width)
        architecture.check()
    except (ValueError, OverflowError) as error:
        raise wrong("width", f"width {config.width}: {error}") from error
    if config.crop % architecture.multiple:
        raise wrong(
            "crop",
            f"crop is {config.crop}; {config.architecture} takes multiples of "
            f"{architecture.multiple}",
        )
    if not config.gradient_clip:
        raise wrong("gradient_clip", "gradient_clip of 0 leaves every weight as it is")
    if not _names_a_file(config.name):
        raise wrong("name", f"name {config.name!r} must do as a file's name on any system")
    if config.name.lower() in (CHECKPOINT.stem, part_path(CHECKPOINT).stem):
        raise wrong("name", f"name {config.name!r} is that of the run's checkpoint; choose another")
    if config.rows_only and not config.start_from:
        raise wrong("rows_only", "rows_only needs a network: say which by start_from")
    return config


def read_painting_config(settings: Any, wrong: Wrong, where: str) -> PaintingConfig:
    """How a painting is learned, read from a configuration or a model's recipe. Raises the error
    that `wrong` makes of the key `paintings` and a message that begins with `where`."""
    config: PaintingConfig = _build(PaintingConfig, settings, wrong, "paintings", where)
    return config


def _build(cls: type[Any], data: Any, wrong: Wrong, parent: str = "", where: str = "") -> Any:
    """parent: the key under which the settings stand, if they are not the file's own."""
    known = {field.name: field for field in fields(cls)}
    if not isinstance(data, dict):
        raise wrong(parent, f"{where}expected a mapping, found {data!r}")
    settings = {}
    for key, value in data.items():
        culprit = parent or key
        if key not in known:
            hint = did_you_mean(str(key), known) or f" (have: {', '.join(known)})"
            raise wrong(culprit, f"{where}unknown key {key!r}{hint}")
        if known[key].type == "float" and isinstance(value, str):
            value = _number(value)  # YAML takes 2e-3 for text
        settings[key] = value
        kind = str(known[key].type)
        kinds = TYPES.get(kind, (object,))
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise wrong(culprit, f"{where}{key} must be of type {kind}, not {value!r}")
        if isinstance(value, (int, float)):
            if value < 0:
                raise wrong(culprit, f"{where}{key} must not be negative")
            if kind == "float" and not value <= sys.float_info.max:  # nor is NaN
                raise wrong(culprit, f"{where}{key} {value}: write a finite number")
        if isinstance(value, int) and value < LEAST.get(key, 0):
            raise wrong(culprit, f"{where}{key} must be at least {LEAST[key]}, not {value}")
        if isinstance(value, int) and value > (most := MOST.get(key, MOST_OF_OTHERS)):
            raise wrong(culprit, f"{where}{key} must be at most {most}, not {value}")
    return cls(**settings)


def _names_a_file(name: str) -> bool:
    """Whether it can be a file's name on any disk, with an ending: 255 bytes are the most."""
    plain = name not in ("", ".", "..") and name.isprintable() and not _NO_NAME.match(name)
    return plain and len(name.encode("utf-8")) <= 200


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
