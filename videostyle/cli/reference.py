"""`videostyle reference`: the slow methods the network is held against."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from videostyle.cli.console import (
    add_device,
    add_loss_network,
    check_outputs,
    check_picture_ending,
    check_size,
    find_loss_network,
    memory_named,
    named_path,
    positive,
)
from videostyle.training.defaults import PAINTING_SIZE
from videostyle.whole_file import written_whole

COLUMNS = ("step", "style", "content", "total_variation", "total", "seconds")


def add_reference(commands: Any) -> None:
    """Declare the commands and their options."""
    reference = commands.add_parser(
        "reference",
        help="paint with the slow method of Gatys et al.",
        description="Paint a picture with the slow method the network is held against.",
    )
    methods = reference.add_subparsers(metavar="METHOD", required=True)
    parser = methods.add_parser(
        "gatys", help="optimise a picture's pixels", description=_gatys.__doc__
    )
    parser.set_defaults(command=_gatys)
    parser.add_argument("photo", type=named_path, metavar="PHOTO", help="what to paint")
    parser.add_argument("painting", type=named_path, metavar="PAINTING", help="how to paint it")
    add_loss_network(parser)
    parser.add_argument(
        "--steps", type=positive, default=500, help="L-BFGS iterations (default: %(default)s)"
    )
    parser.add_argument(
        "--size",
        type=positive,
        default=512,
        help="shorter side of the result, in pixels (default: %(default)s)",
    )
    parser.add_argument(
        "--painting-size",
        type=positive,
        default=PAINTING_SIZE,
        help="shorter side of the painting for the loss, in pixels (default: %(default)s)",
    )
    parser.add_argument(
        "--losses", type=named_path, metavar="OUT.csv", help="write the losses of every step"
    )
    add_device(parser)
    parser.add_argument(
        "-o", "--output", type=named_path, required=True, help="the painted picture"
    )


@memory_named("a smaller --size or --painting-size needs less")
def _gatys(arguments: argparse.Namespace) -> int:
    """Paint a photo by optimising its pixels (Gatys, Ecker, Bethge, CVPR 2016): minutes a picture,
    against the same loss that a network is trained with."""
    import csv

    from tqdm import tqdm

    from videostyle.device import choose_device
    from videostyle.evaluation.gatys import optimize
    from videostyle.media.picture import save_picture
    from videostyle.training.dataset import (
        open_picture,
        painting_pixels,
        resize_shorter,
        to_pixels,
    )
    from videostyle.training.loss_network import load_loss_network
    from videostyle.training.objective import Objective

    output, table = arguments.output, arguments.losses
    check_picture_ending(output)
    inputs = (arguments.photo, arguments.painting, Path(arguments.loss_network))
    check_outputs(output, table, inputs=inputs)
    check_size(arguments.size)
    check_size(arguments.painting_size, "--painting-size")
    device = choose_device(arguments.device)
    objective = Objective(load_loss_network(find_loss_network(arguments)).to(device))
    grams = objective.painting_grams([painting_pixels(arguments.painting, arguments.painting_size)])
    photo = to_pixels(resize_shorter(open_picture(arguments.photo), arguments.size))[None]
    rows = []
    with tqdm(total=arguments.steps, unit=" steps", mininterval=1) as bar:
        for step in optimize(photo, grams, objective, steps=arguments.steps):
            rows.append([getattr(step, name) for name in COLUMNS])
            bar.set_postfix(style=f"{step.style:.3f}", content=f"{step.content:.3f}", refresh=False)
            bar.update(step.step - bar.n)
    pixels = (step.picture[0] * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    if table:
        with written_whole(table) as part, part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
    with written_whole(output) as part:
        save_picture(pixels, arguments.photo, part)
    print(output)
    return 0
