"""Documents are held to what is there: commands parse, links lead somewhere, Python runs."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import make_clip
from PIL import Image

from videostyle.cli import make_parser
from videostyle.network.model_card import read_model_card
from videostyle.timeline.reader import parse_timeline

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING")),
    *(
        each
        for folder in ("docs", "bench", "samples")
        for each in sorted((ROOT / folder).glob("*.md"))
    ),
]


PROGRAM, SCRIPT = "videostyle", r"python bench/\w+\.py"
# `timeout 500` may stand before a command, and ` > FILE` behind it.
COMMAND = r"(?:timeout \d+ )?({}(?: .*?)?)(?: > .*)?$"
WRITTEN = {"-o", "--output", "--json", "--plot", "--sheet"}


def commands(kind: str) -> list[str]:
    """Those of PROGRAM in blocks of sh; those of SCRIPT in running text, too, where commands of
    PROGRAM are not always whole."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8").replace("\\\n", " ")
        blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
        lines = [line for block in blocks for line in block.splitlines()]
        lines += re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text) if kind == SCRIPT else []
        found += [match[1] for line in lines if (match := re.match(COMMAND.format(kind), line))]
    return sorted(set(found))


@pytest.mark.parametrize("command", commands(PROGRAM))
def test_every_command_in_the_documents_parses(command: str) -> None:
    make_parser().parse_args(shlex.split(command, comments=True)[1:])


@pytest.mark.parametrize("command", commands(SCRIPT))
def test_every_script_in_the_documents_is_there_and_takes_its_options(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, script, *words = shlex.split(command, comments=True)
    monkeypatch.syspath_prepend(ROOT / "bench")  # a script may import another
    runpy.run_path(str(ROOT / script))["make_parser"]().parse_args(words)


def test_files_that_commands_in_the_documents_read_are_there() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
    for command in (*commands(PROGRAM), *commands(SCRIPT)):
        for option, word in pairwise(shlex.split(command, comments=True)):
            if option not in WRITTEN and "/" in word and word.partition("/")[0] in folders:
                assert (ROOT / word).exists(), command


def anchors(document: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^):]+)\)", document.read_text(encoding="utf-8")):
            path, _, anchor = link.partition("#")
            target = document.parent / path if path else document
            assert target.exists(), f"{document.name}: {link}"
            assert not anchor or anchor in anchors(target), f"{document.name}: {link}"


def test_the_readmes_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", DOCUMENTS[0].read_text(encoding="utf-8"), re.S)
    make_clip(tmp_path / "holiday.mp4")
    Image.new("RGB", (96, 64), "teal").save(tmp_path / "photo.jpg")
    shutil.copytree(ROOT / "timelines", tmp_path / "timelines")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})
    assert (tmp_path / "painted.mp4").exists()
    assert capsys.readouterr().out.endswith("(64, 96, 3)\n" * 2)


def yaml_blocks() -> list[str]:
    texts = [document.read_text(encoding="utf-8") for document in DOCUMENTS]
    return [block for text in texts for block in re.findall(r"```yaml\n(.*?)```", text, re.S)]


@pytest.mark.parametrize("block", yaml_blocks())
def test_every_timeline_in_the_documents_reads(block: str) -> None:
    document = parse_timeline(block)
    _, warnings = document.resolve(8.0, Fraction(25))
    assert warnings == []


def test_styles_named_in_the_readme_ship() -> None:
    names = {*read_model_card("lean").style_names, "original"}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    used = set(re.findall(r"--style (\w+)", text)) | set(re.findall(r"mix: (\w+)", text))
    assert used <= names


@pytest.mark.skipif(os.name == "nt" or not shutil.which("make"), reason="needs make and a shell")
def test_an_old_python_is_named_and_leaves_no_environment_for_the_next(tmp_path: Path) -> None:
    """In one that is there already venv would keep the old Python, whichever is named then."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "python3"
    new = shlex.quote(sys.executable)
    old.write_text(
        f'#!/bin/sh\n[ $1 = -c ] && exec {new} -c "import sys; sys.version_info = (3, 10); $2"\n'
        f'exec {new} "$@" --without-pip\n'
    )
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "PYTHON=./python3", "demo"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stderr.startswith("videostyle needs Python 3.11 or newer; name one: make PYTHON=")
    assert not (tmp_path / ".venv").exists()
