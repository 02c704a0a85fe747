"""`videostyle add-style`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from videostyle.cli.console import (
    add_device,
    add_loss_network,
    add_model,
    check_outputs,
    check_size,
    find_loss_network,
    memory_named,
    named_path,
    positive,
    say,
)
from videostyle.errors import UsageError, VideoStyleError
from videostyle.training.defaults import PAINTING_SIZE, ROW_STEPS
from videostyle.whole_file import only_writer

MAX_WEIGHT = 1000


def add_add_style(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "add-style", help="teach a model one more painting", description=_add_style.__doc__
    )
    parser.set_defaults(command=_add_style)
    parser.add_argument("painting", type=named_path, metavar="PAINTING", help="a picture of it")
    parser.add_argument("--name", required=True, help="what timelines will call the style")
    parser.add_argument("--title", help="title, for the credits (default: the name)")
    parser.add_argument("--artist", default="unknown", help="artist, for the credits")
    parser.add_argument("--year", default="", help="year, for the credits")
    parser.add_argument(
        "--content",
        type=named_path,
        required=True,
        metavar="FOLDER|VIDEO",
        help="what to practise on: a folder of photographs, or the video (or numbered pictures) "
        "to be painted",
    )
    add_loss_network(parser)
    add_model(parser)
    parser.add_argument(
        "--steps", type=positive, default=ROW_STEPS, help="updates (default: %(default)s)"
    )
    parser.add_argument(
        "--size",
        type=positive,
        default=PAINTING_SIZE,
        help="shorter side of the painting for the loss, in pixels: larger strokes with a larger "
        "size (default: %(default)s)",
    )
    parser.add_argument(
        "--weight",
        type=float,
        default=1.0,
        help="below 1 where the painting drowns the scene (default: %(default)s)",
    )
    add_device(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="overwrite the output")
    parser.add_argument(
        "-o", "--output", type=named_path, required=True, help="the new model (.safetensors)"
    )


@memory_named("a smaller --size needs less")
def _add_style(arguments: argparse.Namespace) -> int:
    """Learn one more painting and write a model that has it beside all the others. Next to it go
    a sample (.png: painting, picture, pastiche) and the losses (.csv)."""
    with only_writer(arguments.output):  # else the last of two to end replaces the other's model
        return _learn(arguments)


def _learn(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    import numpy as np
    from PIL import Image
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    from videostyle.device import choose_device
    from videostyle.look import Look
    from videostyle.media.numbered import files_of
    from videostyle.media.picture import write_whole_picture
    from videostyle.network.model import load_model, save_model
    from videostyle.network.model_card import Style, model_path, read_model_card
    from videostyle.stylize.stylizer import Stylizer
    from videostyle.training import add_style
    from videostyle.training.config import PaintingConfig
    from videostyle.training.dataset import open_picture
    from videostyle.training.loss_network import load_loss_network
    from videostyle.training.records import write_losses

    output = arguments.output
    if output.suffix != ".safetensors":
        raise UsageError(f"{output}: a model file ends in .safetensors")
    check_size(arguments.size)
    if not 0 < arguments.weight <= MAX_WEIGHT:
        raise UsageError(
            f"--weight is {arguments.weight}; it must be above 0, and {MAX_WEIGHT} at most"
        )
    device = choose_device(arguments.device)
    open_picture(arguments.painting)
    title = arguments.title or arguments.name
    credit = f"{arguments.artist}, {title}" + (f", {arguments.year}" if arguments.year else "")
    try:
        style = Style(arguments.name, title, arguments.artist, arguments.year, credit)
    except ValueError as error:
        raise UsageError(f"--name: {error}") from error
    if style.name in read_model_card(arguments.model).style_names:
        raise UsageError(f"--name: the model already has a style {style.name!r}; choose another")
    sample, table = output.with_suffix(".png"), output.with_suffix(".csv")
    content = files_of(arguments.content)
    model_file, loss_network = model_path(arguments.model), Path(arguments.loss_network)
    if output.parent.exists():  # else it is made once nothing is refused any more
        inputs = (arguments.painting, *map(Path, content), loss_network, model_file)
        check_outputs(output, sample, table, inputs=inputs)
    for path in (output, sample, table):
        if path.exists() and not arguments.yes:
            raise UsageError(f"{path}: exists; -y overwrites it")
    pictures = add_style.content_pictures(arguments.content)
    picture = add_style.middle_picture(pictures)
    model, network = load_model(arguments.model), load_loss_network(find_loss_network(arguments))
    say("finding the style that is nearest to the painting")
    training = add_style.StyleTraining(
        model,
        arguments.painting,
        style,
        pictures,
        network,
        steps=arguments.steps,
        settings=PaintingConfig(arguments.size, arguments.weight),
        device=device,
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    steps = []
    with (
        logging_redirect_tqdm(),  # photographs that are left out
        tqdm(total=arguments.steps, unit=" steps", mininterval=1) as bar,
    ):
        for step in training.steps():
            steps.append(asdict(step))
            bar.set_postfix(style=f"{step.style:.3f}", content=f"{step.content:.3f}", refresh=False)
            bar.update()
    model = training.model()
    save_model(output, model)
    write_losses(table, steps)
    _say_losses(model.card.recipe, style.name)
    try:
        with memory_named("smaller pictures need less"):
            stylizer = Stylizer(model, device=arguments.device)
            pastiche = stylizer(np.asarray(picture.convert("RGB")), Look({style.name: 1.0}))
            sheet = add_style.draw_sample(picture, arguments.painting, Image.fromarray(pastiche))
    except VideoStyleError as error:  # the model is there, and was what took the time
        say(f"{sample}: not drawn: {error}; the model is whole")
        print(output)
        return 0
    write_whole_picture(sheet, sample)
    print(f"{output}\n{sample}")
    return 0


def _say_losses(recipe: Any, name: str) -> None:
    from videostyle.training.add_style import loss_range

    loss = recipe["losses"][name]
    text = f"style loss {loss['style']:.3f} ({loss['loss_network']})"
    if others := loss_range(recipe, name):
        text += f"; the model's other styles: {others[0]:.3f} to {others[1]:.3f}"
    say(text)
