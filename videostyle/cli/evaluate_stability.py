"""`videostyle evaluate stability`."""

from __future__ import annotations

import argparse
from typing import Any

from videostyle.cli.console import memory_named, named_path, say
from videostyle.cli.evaluate import (
    REMEDY,
    add_models,
    add_photos,
    check_output,
    check_styles,
    finish,
    load_models,
)
from videostyle.errors import UsageError


def add_stability(measures: Any) -> None:
    """Declare the measure and its options."""
    parser = measures.add_parser(
        "stability", help="warping error on known motion", description=_stability.__doc__
    )
    parser.set_defaults(command=_stability)
    add_models(parser, "repeat it to compare the first with others")
    add_photos(parser, size=288)
    parser.add_argument(
        "--flow",
        type=named_path,
        metavar="FOLDER",
        help="also real pairs with true flow (KITTI, Middlebury) and recorded flows (*.npz)",
    )


@memory_named(REMEDY)
def _stability(arguments: argparse.Namespace) -> int:
    """Measure E_warp: how much pastiches of moving pictures differ once the known motion is taken
    back, as painted and as the stabilizer holds them, with one style and between two."""
    from tqdm import tqdm

    from videostyle.evaluation.plots import plot_stability
    from videostyle.evaluation.stability import StabilityReport, measure
    from videostyle.stylize.stylizer import Stylizer

    check_output(arguments, arguments.model)
    models = load_models(arguments.model)
    styles = arguments.styles or next(iter(models.values())).card.style_names
    for model in models.values():
        styles = check_styles(styles, model.card.style_names)
    if len(styles) < 2:
        raise UsageError("--styles: give at least two")
    photos, sequences = _moving_pictures(arguments)
    measures = []
    with tqdm(total=len(models) * len(sequences) * len(styles), unit=" parts") as bar:
        for name, model in models.items():
            stylizer = Stylizer(model, device=arguments.device)
            measures += measure(name, stylizer, sequences, styles, bar.update)
    report = StabilityReport(arguments.size, photos, styles, tuple(measures))
    first_name = next(iter(models))
    for name in models:
        painted, held = (report.mean(name, stabilized=on) for on in (False, True))
        say(
            f"{name}: E_warp {painted:.5f} as painted, {held:.5f} stabilized; "
            f"{report.excess(name):.5f} more while the mixture moves"
        )
        share = report.mean(first_name, stabilized=True) / painted
        say(f"  {first_name}, stabilized, has {share:.2f} of {name} as painted")
    return finish(arguments, report, plot_stability)


def _moving_pictures(arguments: argparse.Namespace) -> tuple[tuple[str, ...], list[Any]]:
    from videostyle.evaluation.motion import MOTIONS, make_moving, read_flows
    from videostyle.evaluation.ruler import read_photos

    # The window of a made sequence moves over a photo a third larger.
    large = 4 * arguments.size // 3
    photos = read_photos(
        arguments.photos, count=arguments.count, size=large, multiple=1, device="cpu"
    )
    sequences = [
        make_moving(photo, motion, arguments.size)
        for photo in photos.values()
        for motion in MOTIONS
    ]
    if arguments.flow:
        sequences += read_flows(arguments.flow, list(photos.values()))
    return tuple(photos), sequences
