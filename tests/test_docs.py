"""Documents are run: every command they show exists, every number of paintings is true."""

from __future__ import annotations

import re
import shlex
from fractions import Fraction
from pathlib import Path

import pytest

from videostyle.cli import make_parser
from videostyle.network.model_card import read_model_card
from videostyle.timeline.reader import parse_timeline

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> list[str]:
    found = []
    for document in DOCUMENTS:
        for block in re.findall(r"```sh\n(.*?)```", document.read_text(encoding="utf-8"), re.S):
            lines = block.replace("\\\n", " ").splitlines()
            found += [line.split(" > ")[0] for line in lines if line.startswith("videostyle ")]
    return sorted(set(found))


@pytest.mark.parametrize("command", commands())
def test_every_command_in_the_documents_parses(command: str) -> None:
    make_parser().parse_args(shlex.split(command, comments=True)[1:])


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


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
