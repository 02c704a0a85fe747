"""`videostyle evaluate quality`."""

from __future__ import annotations

import argparse
from typing import Any

from videostyle.cli.console import memory_named, named_path, positive, say
from videostyle.cli.evaluate import (
    REMEDY,
    add_data,
    add_models,
    check_output,
    check_styles,
    finish,
    load_models,
    ruler_and_photos,
    style_names,
)
from videostyle.errors import UsageError


def add_quality(measures: Any) -> None:
    """Declare the measure and its options."""
    parser = measures.add_parser(
        "quality", help="losses, LPIPS and time of every style", description=_quality.__doc__
    )
    parser.set_defaults(command=_quality)
    add_models(
        parser,
        "the first one's training weights measure all. Repeat it to compare models that smooth "
        "what they make, or such that do not, or one of many styles with models of one style each",
    )
    add_data(parser)
    parser.add_argument(
        "--lpips", type=named_path, metavar="FILE", help="LPIPS on AlexNet (safetensors)"
    )
    parser.add_argument(
        "--gatys-styles",
        type=style_names,
        default=(),
        metavar="A,B",
        help="also optimise pixels in these styles, and say when that is as good as the models",
    )
    parser.add_argument(
        "--gatys-photos", type=positive, default=2, help="on so many photos (default: %(default)s)"
    )
    parser.add_argument(
        "--gatys-start",
        choices=("noise", "photo"),
        default="noise",
        help="what the optimisation begins with (default: %(default)s)",
    )
    parser.add_argument(
        "--gatys-steps", type=positive, default=300, help="L-BFGS iterations (default: %(default)s)"
    )


@memory_named(REMEDY)
def _quality(arguments: argparse.Namespace) -> int:
    """Measure style, content and total loss, LPIPS to the photo, and the time of a picture, for
    every style of every model; then models of many styles against models of one, and all against
    the optimisation of Gatys et al. where it is asked for."""
    from tqdm import tqdm

    from videostyle.evaluation.plots import plot_quality
    from videostyle.evaluation.quality import make_report, measure_models, run_gatys_on_photos
    from videostyle.evaluation.ruler import spread

    check_output(arguments, arguments.model)
    models = load_models(arguments.model)
    _check_single_styles(models)
    known = dict.fromkeys(name for model in models.values() for name in model.card.style_names)
    styles = check_styles(arguments.styles or known, known)
    check_styles(arguments.gatys_styles, styles)
    ruler, photos = ruler_and_photos(arguments, list(models.values()), styles)
    measured = sum(style in model.card.style_names for model in models.values() for style in styles)
    with tqdm(total=measured, unit=" styles") as bar:
        qualities = measure_models(ruler, models, styles, photos, bar.update)
    chosen = spread(list(photos), arguments.gatys_photos)
    count = len(arguments.gatys_styles) * len(chosen)
    with tqdm(total=count, unit=" Gatys runs", disable=not count) as bar:
        runs = run_gatys_on_photos(
            ruler,
            arguments.gatys_styles,
            chosen,
            photos,
            qualities,
            steps=arguments.gatys_steps,
            start=arguments.gatys_start,
            on_progress=bar.update,
        )
    report = make_report(ruler, arguments.size, list(photos), qualities, runs)
    _say_quality(report)
    return finish(arguments, report, plot_quality)


def _say_quality(report: Any) -> None:
    for row in report.series:
        lpips = f", LPIPS {row.lpips.mean:.3f}" if row.lpips else ""
        say(
            f"{row.series}: style {row.style_loss.mean:.4f}, content {row.content_loss.mean:.3f}, "
            f"total {row.total.mean:.3f}{lpips}; {1000 * row.seconds:.0f} ms a picture "
            f"({row.styles} styles)"
        )
    for row in report.comparisons:
        style, content = row.style_ratio, row.content_ratio
        say(
            f"{row.model} against one network a style: style loss {style.mean - 1:+.1%} ± "
            f"{style.sd:.1%}, content loss {content.mean - 1:+.1%} ± {content.sd:.1%} "
            f"({len(row.styles)} styles)"
        )
    for row in report.gatys:
        met = f"{row.met} of {row.runs} Gatys runs come as low as {row.series}"
        if row.steps is not None and row.speedup is not None:
            met += f"; median {row.steps:.0f} steps, {row.speedup:.0f} times its seconds"
        if row.gatys_lpips is not None and row.series_lpips is not None:
            met += f"; LPIPS {row.gatys_lpips:.3f} there against {row.series_lpips:.3f}"
        say(met)


def _check_single_styles(models: dict[str, Any]) -> None:
    """Raises UsageError for two models of the same one style: those of one style are a series."""
    seen = dict[str, str]()
    for name, model in models.items():
        style, *others = model.card.style_names
        if not others and seen.setdefault(style, name) != name:
            raise UsageError(f"--model: {seen[style]} and {name} have {style} alone; give one")
