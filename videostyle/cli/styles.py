"""`videostyle styles`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from videostyle.cli.console import (
    add_engine,
    add_model,
    check_outputs,
    check_picture_ending,
    make_stylizer,
    named_path,
)
from videostyle.errors import UsageError
from videostyle.wording import visible


def add_styles(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "styles", help="list a model's styles, or draw them", description=_styles.__doc__
    )
    parser.set_defaults(command=_styles)
    add_model(parser)
    add_engine(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--json", action="store_true", help="a list of objects")
    what.add_argument(
        "--sheet",
        nargs=2,
        type=named_path,
        metavar=("OUT.png", "INPUT"),
        help="draw a picture, or a frame of a video, in every style as a labelled contact sheet",
    )


def _styles(arguments: argparse.Namespace) -> int:
    """List names, titles, artists and credits of the styles a model has learned."""
    from dataclasses import asdict

    from videostyle.network.model_card import read_model_card

    if arguments.sheet:
        from videostyle.rendering.contact_sheet import draw_contact_sheet

        output, image = arguments.sheet
        check_outputs(output, inputs=[image])
        check_picture_ending(output)
        draw_contact_sheet(output, image, make_stylizer(arguments))
        print(output)
        return 0
    if (arguments.device, arguments.precision, arguments.threads) != ("auto", "auto", None):
        raise UsageError("--device, --precision and --threads go with --sheet")
    styles = read_model_card(arguments.model).styles
    if arguments.json:
        print(json.dumps([asdict(style) for style in styles]))
        return 0
    width = max(len(style.name) for style in styles)
    for style in styles:
        print(f"{style.name:<{width}}  {visible(style.caption)}")
    return 0
