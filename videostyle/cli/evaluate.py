"""`videostyle evaluate`: one subcommand a measure."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from videostyle.cli.console import (
    add_device,
    add_loss_network,
    add_model,
    check_outputs,
    check_plot_ending,
    check_size,
    find_loss_network,
    memory_named,
    named,
    named_path,
    positive,
    say,
)
from videostyle.errors import MediaError, UsageError
from videostyle.whole_file import written_whole


def add_evaluate(commands: Any) -> None:
    """Declare the measures and their options."""
    evaluate = commands.add_parser("evaluate", help="measure models on pictures they never saw")
    measures = evaluate.add_subparsers(metavar="MEASURE", required=True)
    _add_quality(measures)
    _add_interpolation(measures)
    _add_stability(measures)
    _add_new_style(measures)


def _add_quality(measures: Any) -> None:
    parser = measures.add_parser(
        "quality", help="losses, LPIPS and time of every style", description=_quality.__doc__
    )
    parser.set_defaults(command=_quality)
    parser.add_argument(
        "--model",
        type=named,
        action="append",
        required=True,
        metavar="NAME|PATH",
        help="a shipped model's name or a model file; the first one's training weights measure "
        "all. Repeat it to compare models that smooth what they make, or such that do not, or one "
        "of many styles with models of one style each",
    )
    _add_data(parser)
    parser.add_argument("--styles", type=_names, metavar="A,B", help="only these (default: all)")
    parser.add_argument(
        "--lpips", type=named_path, metavar="FILE", help="LPIPS on AlexNet (safetensors)"
    )
    parser.add_argument(
        "--gatys-styles",
        type=_names,
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


def _add_interpolation(measures: Any) -> None:
    parser = measures.add_parser(
        "interpolation",
        help="style losses along mixtures of two styles",
        description=_interpolation.__doc__,
    )
    parser.set_defaults(command=_interpolation)
    add_model(parser)
    _add_data(parser)
    parser.add_argument(
        "--styles",
        type=_names,
        metavar="A,B,C",
        help="mix A with B, B with C and so on (default: all styles, in the model's order)",
    )


def _add_stability(measures: Any) -> None:
    parser = measures.add_parser(
        "stability", help="warping error on known motion", description=_stability.__doc__
    )
    parser.set_defaults(command=_stability)
    parser.add_argument(
        "--model",
        type=named,
        action="append",
        required=True,
        metavar="NAME|PATH",
        help="a shipped model's name or a model file; repeat it to compare the first with others",
    )
    _add_photos(parser, size=288)
    parser.add_argument(
        "--flow",
        type=named_path,
        metavar="FOLDER",
        help="also real pairs with true flow (KITTI, Middlebury) and recorded flows (*.npz)",
    )
    parser.add_argument("--styles", type=_names, metavar="A,B", help="only these (default: all)")


def _add_new_style(measures: Any) -> None:
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
    _add_data(parser)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--paintings", type=named_path, required=True, help="folder of paintings with a styles.csv"
    )
    add_loss_network(parser)
    _add_photos(parser, size=256)


def _add_photos(parser: argparse.ArgumentParser, size: int) -> None:
    parser.add_argument(
        "--photos", type=named_path, required=True, help="folder of held-out photographs"
    )
    parser.add_argument("--count", type=positive, help="use so many photos (default: all)")
    parser.add_argument(
        "--size",
        type=positive,
        default=size,
        help="shorter side of the photos, in pixels (default: %(default)s)",
    )
    add_device(parser)
    parser.add_argument(
        "-o", "--output", type=named_path, required=True, metavar="RESULT.json", help="all numbers"
    )
    parser.add_argument("--plot", type=named_path, metavar="OUT.png", help="draw them")


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",")))


@memory_named("a smaller --size needs less")
def _quality(arguments: argparse.Namespace) -> int:
    """Measure style, content and total loss, LPIPS to the photo, and the time of a picture, for
    every style of every model; then models of many styles against models of one, and all against
    the optimisation of Gatys et al. where it is asked for."""
    from videostyle.evaluation.plots import plot_quality
    from videostyle.evaluation.quality import make_report

    _check_output(arguments, arguments.model)
    models = _load_models(arguments.model)
    _check_single_styles(models)
    known = dict.fromkeys(name for model in models.values() for name in model.card.style_names)
    styles = _check_styles(arguments.styles or known, known)
    _check_styles(arguments.gatys_styles, styles)
    ruler, photos = _ruler_and_photos(arguments, list(models.values()), styles)
    qualities = _measure_models(models, styles, ruler, photos)
    runs = _run_gatys(arguments, ruler, photos, qualities)
    report = make_report(ruler, arguments.size, list(photos), qualities, runs)
    _say_quality(report)
    _write(arguments.output, report)
    if arguments.plot:
        plot_quality(report, arguments.plot)
    print(arguments.output)
    return 0


def _measure_models(models: Any, styles: Any, ruler: Any, photos: Any) -> Any:
    from tqdm import tqdm

    from videostyle.evaluation.quality import measure_style

    tasks = [
        (name, model, style)
        for name, model in models.items()
        for style in styles
        if style in model.card.style_names
    ]
    pixels = list(photos.values())
    return [
        measure_style(ruler, name, model, style, pixels)
        for name, model, style in tqdm(tasks, unit=" styles")
    ]


def _run_gatys(arguments: argparse.Namespace, ruler: Any, photos: Any, qualities: Any) -> Any:
    from tqdm import tqdm

    from videostyle.evaluation.quality import run_gatys
    from videostyle.evaluation.ruler import spread

    names, runs = list(photos), []
    chosen = spread(names, arguments.gatys_photos)
    pairs = [(style, photo) for style in arguments.gatys_styles for photo in chosen]
    for style, photo in tqdm(pairs, unit=" Gatys runs", disable=not pairs):
        rows = [row for row in qualities if row.style == style]
        totals = {row.model: row.total[names.index(photo)] for row in rows}
        steps, start = arguments.gatys_steps, arguments.gatys_start
        runs.append(run_gatys(ruler, style, photo, photos[photo], totals, steps=steps, start=start))
    return runs


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


@memory_named("a smaller --size needs less")
def _interpolation(arguments: argparse.Namespace) -> int:
    """Measure the style loss to either painting along eleven mixtures of two styles, and whether
    one only rises and the other only falls."""
    from itertools import pairwise

    from tqdm import tqdm

    from videostyle.evaluation.interpolation import STEPS, InterpolationReport, interpolate
    from videostyle.evaluation.plots import plot_interpolation
    from videostyle.network.model import load_model

    _check_output(arguments, [arguments.model])
    model = load_model(arguments.model)
    known = model.card.style_names
    styles = _check_styles(arguments.styles or known, known)
    if len(styles) < 2:
        raise UsageError("--styles: give at least two")
    ruler, photos = _ruler_and_photos(arguments, [model], styles)
    pixels = list(photos.values())
    ways = tqdm(list(pairwise(styles)), unit=" pairs")
    pairs = tuple(interpolate(ruler, model, start, end, pixels) for start, end in ways)
    name, network = Path(arguments.model).stem, ruler.objective.network.name
    report = InterpolationReport(name, network, arguments.size, tuple(photos), STEPS, pairs)
    say(f"{report.monotone} of {2 * len(pairs)} curves are monotone")
    _write(arguments.output, report)
    if arguments.plot:
        plot_interpolation(report, arguments.plot)
    print(arguments.output)
    return 0


@memory_named("a smaller --size needs less")
def _stability(arguments: argparse.Namespace) -> int:
    """Measure E_warp: how much pastiches of moving pictures differ once the known motion is taken
    back, as painted and as the stabilizer holds them, with one style and between two."""
    from tqdm import tqdm

    from videostyle.evaluation.plots import plot_stability
    from videostyle.evaluation.stability import StabilityReport, measure
    from videostyle.stylize.stylizer import Stylizer

    _check_output(arguments, arguments.model)
    models = _load_models(arguments.model)
    styles = arguments.styles or next(iter(models.values())).card.style_names
    for model in models.values():
        styles = _check_styles(styles, model.card.style_names)
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
    _write(arguments.output, report)
    if arguments.plot:
        plot_stability(report, arguments.plot)
    print(arguments.output)
    return 0


@memory_named("a smaller --size needs less")
def _new_style(arguments: argparse.Namespace) -> int:
    """Measure a style that was added by training gammas and betas alone against a network trained
    for it from scratch: the style loss both end with, and against the steps it took."""
    from statistics import fmean

    from videostyle.evaluation.new_style import NewStyleReport, read_curve
    from videostyle.evaluation.plots import plot_new_style
    from videostyle.evaluation.quality import measure_style
    from videostyle.network.model import load_model

    paths = (arguments.added, arguments.from_scratch)
    _check_output(arguments, paths)
    models = [load_model(path) for path in paths]
    for model in models:
        _check_styles([arguments.style], model.card.style_names)
    curves = [read_curve(Path(path)) for path in paths]
    ruler, photos = _ruler_and_photos(arguments, models, [arguments.style])
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
    _write(arguments.output, report)
    if arguments.plot:
        plot_new_style(report, arguments.plot)
    print(arguments.output)
    return 0


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


def _ruler_and_photos(arguments: argparse.Namespace, models: Any, styles: Any) -> tuple[Any, Any]:
    """What the options of `_add_data` name, read."""
    from math import lcm

    from videostyle.device import choose_device
    from videostyle.evaluation.lpips import Lpips
    from videostyle.evaluation.ruler import make_ruler, read_photos
    from videostyle.training.dataset import list_paintings
    from videostyle.training.loss_network import load_loss_network

    device = choose_device(arguments.device)
    lpips = getattr(arguments, "lpips", None)
    ruler = make_ruler(
        [model.card for model in models],
        list_paintings(arguments.paintings),
        styles,
        load_loss_network(find_loss_network(arguments)),
        lpips=Lpips(lpips) if lpips else None,
        device=device,
    )
    multiple = lcm(*(model.architecture.multiple for model in models))
    count, size = arguments.count, arguments.size
    photos = read_photos(arguments.photos, count=count, size=size, multiple=multiple, device=device)
    return ruler, photos


def _load_models(names: Any) -> dict[str, Any]:
    """By their names in reports."""
    from videostyle.network.model import load_model

    models = {Path(name).stem: load_model(name) for name in names}
    if len(models) < len(names):
        raise UsageError(f"--model: two of the same name ({', '.join(names)})")
    return models


def _check_single_styles(models: dict[str, Any]) -> None:
    """Raises UsageError for two models of the same one style: those of one style are a series."""
    seen = dict[str, str]()
    for name, model in models.items():
        style, *others = model.card.style_names
        if not others and seen.setdefault(style, name) != name:
            raise UsageError(f"--model: {seen[style]} and {name} have {style} alone; give one")


def _check_output(arguments: argparse.Namespace, models: Iterable[str]) -> None:
    from videostyle.network.model_card import model_path

    check_size(arguments.size)
    names = ("photos", "paintings", "flow", "loss_network", "lpips")
    given = [value for name in names if (value := getattr(arguments, name, None))]
    inputs = [*map(model_path, models), *map(Path, given)]
    check_outputs(arguments.output, arguments.plot, inputs=inputs)
    check_plot_ending(arguments.plot)


def _check_styles(styles: Any, known: Any) -> tuple[str, ...]:
    if unknown := [style for style in styles if style not in known]:
        raise UsageError(f"no style {unknown[0]!r} to measure (have: {', '.join(known)})")
    return tuple(styles)


def _write(path: Path, report: Any) -> None:
    """Raises MediaError for a file that cannot be written, and for numbers JSON does not have."""
    try:
        with written_whole(path) as part:
            part.write_text(json.dumps(asdict(report), allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise MediaError(f"{path}: cannot be written ({error.strerror})") from error
    except ValueError as error:
        raise MediaError(f"{path}: not written, for a measure is not finite") from error
