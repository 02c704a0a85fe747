"""`videostyle evaluate new-style`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from videostyle.cli.console import memory_named, named, say
from videostyle.cli.evaluate import (
    REMEDY,
    add_data,
    check_output,
    check_styles,
    finish,
    ruler_and_photos,
)


def add_new_style(measures: Any) -> None:
    """Declare the measure and its options."""
    parser = measures.add_parser(
        "new-style",
        help="an added style against a network trained from scratch",
        description=_new_style.__doc__,
    )
    parser.set_defaults(command=_new_style)
    parser.add_argument("style", metavar="STYLE", help="the style both models have")
    parser.add_argument(
        "--added", type=named, required=True, metavar="PATH", help="the model `add-style` wrote"
    )
    parser.add_argument(
        "--from-scratch", type=named, required=True, metavar="PATH", help="the model `train` wrote"
    )
    add_data(parser)


@memory_named(REMEDY)
def _new_style(arguments: argparse.Namespace) -> int:
    """Measure a style that was added by training gammas and betas alone against a network trained
    for it from scratch: the style loss both end with, and against the steps it took."""
    from statistics import fmean

    from videostyle.evaluation.new_style import NewStyleReport, read_curve
    from videostyle.evaluation.plots import plot_new_style
    from videostyle.evaluation.quality import measure_style
    from videostyle.network.model import load_model

    paths = (arguments.added, arguments.from_scratch)
    check_output(arguments, paths)
    models = [load_model(path) for path in paths]
    for model in models:
        check_styles([arguments.style], model.card.style_names)
    curves = [read_curve(Path(path)) for path in paths]
    ruler, photos = ruler_and_photos(arguments, models, [arguments.style])
    added, scratch = (
        measure_style(ruler, Path(path).stem, model, arguments.style, list(photos.values()))
        for path, model in zip(paths, models, strict=True)
    )
    ratio = fmean(added.style_loss) / fmean(scratch.style_loss)
    name, size = ruler.objective.network.name, arguments.size
    report = NewStyleReport(
        arguments.style, name, size, tuple(photos), ratio, added, scratch, *curves
    )
    for way, quality, curve in zip(
        ("gammas and betas", "from scratch"), (added, scratch), curves, strict=True
    ):
        say(f"{way}: style loss {fmean(quality.style_loss):.4f} after {curve.step[-1]} steps")
    say(f"ratio {ratio:.2f}")
    return finish(arguments, report, plot_new_style)
