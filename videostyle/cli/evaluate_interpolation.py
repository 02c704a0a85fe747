"""`videostyle evaluate interpolation`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from videostyle.cli.console import add_model, memory_named, say
from videostyle.cli.evaluate import (
    REMEDY,
    add_data,
    check_output,
    check_styles,
    finish,
    ruler_and_photos,
    style_names,
)
from videostyle.errors import UsageError


def add_interpolation(measures: Any) -> None:
    """Declare the measure and its options."""
    parser = measures.add_parser(
        "interpolation",
        help="style losses along mixtures of two styles",
        description=_interpolation.__doc__,
    )
    parser.set_defaults(command=_interpolation)
    add_model(parser)
    add_data(parser)
    parser.add_argument(
        "--styles",
        type=style_names,
        metavar="A,B,C",
        help="mix A with B, B with C and so on (default: all styles, in the model's order)",
    )


@memory_named(REMEDY)
def _interpolation(arguments: argparse.Namespace) -> int:
    """Measure the style loss to either painting along eleven mixtures of two styles, and whether
    one only rises and the other only falls."""
    from tqdm import tqdm

    from videostyle.evaluation.interpolation import STEPS, InterpolationReport, interpolate_all
    from videostyle.evaluation.plots import plot_interpolation
    from videostyle.network.model import load_model

    check_output(arguments, [arguments.model])
    model = load_model(arguments.model)
    known = model.card.style_names
    styles = check_styles(arguments.styles or known, known)
    if len(styles) < 2:
        raise UsageError("--styles: give at least two")
    ruler, photos = ruler_and_photos(arguments, [model], styles)
    with tqdm(total=len(styles) - 1, unit=" pairs") as bar:
        pairs = interpolate_all(ruler, model, styles, list(photos.values()), bar.update)
    name, network = Path(arguments.model).stem, ruler.objective.network.name
    report = InterpolationReport(name, network, arguments.size, tuple(photos), STEPS, pairs)
    say(f"{report.monotone} of {2 * len(pairs)} curves are monotone")
    return finish(arguments, report, plot_interpolation)
