"""The house: imports point down, and only the parts meant to load torch or av do."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

PACKAGE = Path(__file__).parents[1] / "videostyle"
# From the ground up; a module imports only from lines above its own.
LAYERS = [
    {"errors"},
    {"whole_file"},
    {"look", "timecode", "easing", "stages", "options", "media", "picture", "flatness"}
    | {"device"},
    {"numbered", "languages", "bars"},
    {"timeline", "model_card", "architecture", "stabilizer", "color", "jobs", "palette"}
    | {"passthrough", "segments", "program"},
    {"network", "openvino_graph", "planes", "device_stabilizer"},
    {"fused_network", "strips"},
    {"kernels"},
    {"model", "openvino_engine", "torch_engine"},
    {"timeline_yaml", "timeline_plot", "engine", "hdr"},
    {"decode"},
    {"encoders", "letterbox", "still"},
    {"timeline_schema", "encode", "stylizer", "verify"},
    {"device_painter"},
    {"stylize", "contact_sheet"},
    {"painter"},
    {"workers"},
    {"rendering", "training"},
    {"frames", "evaluation", "live"},
    {"cli"},
    {"__main__", "__init__"},
]
LIGHT = {"timeline", "timecode", "easing", "timeline_yaml", "timeline_schema"}
LIGHT |= {"errors", "look", "options", "jobs", "model_card", "cli"}


def imports(path: Path) -> set[str]:
    """Names of videostyle's modules a file imports at any depth of its code."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("videostyle."):
            found.add((node.module or "").split(".")[1])
    return found


def modules() -> dict[str, set[str]]:
    flat = {path.stem: imports(path) for path in PACKAGE.glob("*.py")}
    for folder in ("training", "evaluation", "live", "cli"):
        flat[folder] = set().union(*map(imports, (PACKAGE / folder).glob("*.py"))) - {folder}
    return flat


def test_imports_point_down() -> None:
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    assert set(level) == set(modules())
    wrong = [
        f"{name} imports {other}"
        for name, others in modules().items()
        for other in others
        if level[other] >= level[name]
    ]
    assert wrong == []


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
