"""`videostyle evaluate`, one file a measure (`evaluate_*.py`), and what the measures share."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from videostyle.cli.console import (
    add_device,
    add_loss_network,
    check_outputs,
    check_plot_ending,
    check_size,
    find_loss_network,
    named,
    named_path,
    positive,
)
from videostyle.errors import MediaError, UsageError
from videostyle.whole_file import written_whole

# What helps where memory runs out.
REMEDY = "a smaller --size needs less"


def add_evaluate(commands: Any) -> Any:
    """Declare the command; returns what its measures are added to."""
    evaluate = commands.add_parser(
        "evaluate",
        help="measure models on pictures they never saw",
        description="Measure models on pictures they never saw.",
    )
    return evaluate.add_subparsers(metavar="MEASURE", required=True)


def add_models(parser: argparse.ArgumentParser, several: str) -> None:
    """Add the options of a measure that compares models. several: what naming more than one does,
    for the help."""
    parser.add_argument(
        "--model",
        type=named,
        action="append",
        required=True,
        metavar="NAME|PATH",
        help=f"a shipped model's name or a model file; {several}",
    )
    parser.add_argument(
        "--styles", type=style_names, metavar="A,B", help="only these (default: all)"
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the options of a measure by the loss: paintings, a loss network and photos."""
    parser.add_argument(
        "--paintings", type=named_path, required=True, help="folder of paintings with a styles.csv"
    )
    add_loss_network(parser)
    add_photos(parser, size=256)


def add_photos(parser: argparse.ArgumentParser, size: int) -> None:
    """Add the options every measure has. size: the default of --size, in pixels."""
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


def style_names(text: str) -> tuple[str, ...]:
    """Names between commas, each once, for argparse."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",")))


def ruler_and_photos(arguments: argparse.Namespace, models: Any, styles: Any) -> tuple[Any, Any]:
    """What the options of `add_data` name, read: the Ruler of these models and styles, and photos
    {file name: (1, 3, H, W)} whose sides the models divide. Raises UsageError, TrainingError."""
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


def load_models(names: Any) -> dict[str, Any]:
    """The models by their names in reports, which are the files' stems. Raises UsageError for two
    of the same name, and ModelError."""
    from videostyle.network.model import load_model

    models = {Path(name).stem: load_model(name) for name in names}
    if len(models) < len(names):
        raise UsageError(f"--model: two of the same name ({', '.join(names)})")
    return models


def check_output(arguments: argparse.Namespace, models: Iterable[str]) -> None:
    """Raises UsageError for a --size no loss network takes, and for outputs that cannot be written
    or are inputs; models: names or files."""
    from videostyle.network.model_card import model_path

    check_size(arguments.size)
    names = ("photos", "paintings", "flow", "loss_network", "lpips")
    given = [value for name in names if (value := getattr(arguments, name, None))]
    inputs = [*map(model_path, models), *map(Path, given)]
    check_outputs(arguments.output, arguments.plot, inputs=inputs)
    check_plot_ending(arguments.plot)


def check_styles(styles: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """The styles, if all are known. Raises UsageError for the first that is not."""
    known = tuple(known)
    if unknown := [style for style in styles if style not in known]:
        raise UsageError(f"no style {unknown[0]!r} to measure (have: {', '.join(known)})")
    return tuple(styles)


def write_report(path: Path, report: Any) -> None:
    """Write a report, a dataclass, as JSON. Raises MediaError for a file that cannot be written,
    and for numbers JSON does not have."""
    try:
        with written_whole(path) as part:
            part.write_text(json.dumps(asdict(report), allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise MediaError(f"{path}: cannot be written ({error.strerror})") from error
    except ValueError as error:
        raise MediaError(f"{path}: not written, for a measure is not finite") from error


def finish(arguments: argparse.Namespace, report: Any, plot: Callable[[Any, Path], object]) -> int:
    """Write the report and its plot, and print the report's name. Returns the exit code."""
    write_report(arguments.output, report)
    if arguments.plot:
        plot(report, arguments.plot)
    print(arguments.output)
    return 0
