"""The house: imports point down, and only the parts meant to load torch or av do."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from PIL import Image

PACKAGE = Path(__file__).parents[1] / "videostyle"
# Folders and files of the package from the ground up: each imports from those before it alone.
LAYERS = (
    "wording", "errors", "checks", "whole_file", "device", "look", "timecode", "media", "network",
    "decode", "timeline", "stylize", "encode", "rendering",
    "training", "evaluation", "live", "cli", "__init__", "__main__",
)  # fmt: skip
LIGHT = {
    "wording",
    "errors",
    "checks",
    "look",
    "timecode",
    "cli",
    "network.model_card",
    "encode.options",
}
LIGHT |= {"timeline.easing", "timeline.timeline", "timeline.reader", "timeline.schema"}
LIGHT |= {"rendering.jobs", "rendering.choices"}


def modules() -> dict[str, set[str]]:
    """Every module of videostyle, and those it imports at any depth of its code."""
    names = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in PACKAGE.rglob("*.py")
    }
    found = {}
    for name, path in names.items():
        imported = found[name] = set[str]()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("videostyle."):
                module = (node.module or "").removeprefix("videostyle").lstrip(".")
                submodules = {f"{module}.{each.name}".lstrip(".") for each in node.names}
                imported |= submodules & set(names) or {module} & set(names)
    return found


def test_imports_point_down() -> None:
    layers = {name.split(".")[0] for name in modules()}
    assert layers == set(LAYERS)
    wrong = [
        f"{name} imports {other}"
        for name, others in modules().items()
        for other in others
        if LAYERS.index(other.split(".")[0]) > LAYERS.index(name.split(".")[0])
    ]
    assert wrong == []


def test_within_a_folder_imports_go_one_way() -> None:
    TopologicalSorter(modules()).prepare()  # raises CycleError


def test_the_light_modules_load_neither_torch_nor_av() -> None:
    names = [f"videostyle.{name}" for name in sorted(LIGHT)]
    program = (
        f"import importlib, json, sys; [importlib.import_module(n) for n in {names}]; "
        "print(json.dumps(sorted(sys.modules)))"
    )
    output = subprocess.check_output([sys.executable, "-c", program], text=True)
    loaded = set(json.loads(output))
    assert not loaded & {"torch", "av", "numpy", "PIL", "matplotlib", "openvino", "safetensors"}


def test_only_the_command_line_prints() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.Name) and node.id == "print"), path


@pytest.mark.parametrize("options", [[], ["--stroke", "0.7", "--max-size", "80"]])
@pytest.mark.parametrize("name", ["painted.mp4", "painted.png"])
def test_a_processor_paints_without_pytorch(
    clip: Callable[..., Path], tmp_path: Path, name: str, options: list[str]
) -> None:
    """It takes a second to load, and a picture alone half of one."""
    pytest.importorskip("openvino")
    source, output = clip(pts=range(3)), tmp_path / name
    if output.suffix == ".png":
        source = tmp_path / "photo.png"
        Image.new("RGB", (96, 64), "red").save(source)
    words = ["render", str(source), "-o", str(output), "--style", "udnie", "--device", "cpu"]
    program = (
        f"import sys; from videostyle.cli import main; assert main({[*words, *options]}) == 0; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
