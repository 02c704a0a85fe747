"""`videostyle live`."""

from __future__ import annotations

import argparse
import webbrowser
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from videostyle.cli.console import (
    add_engine,
    add_loss_network,
    add_model,
    find_loss_network,
    make_stylizer,
    named_path,
    say,
)
from videostyle.errors import UsageError

CAMERA_WORDS = ("webcam", "camera")


def add_live(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "live",
        help="paint moving video by hand, in the browser",
        description=_live.__doc__,
    )
    parser.set_defaults(command=_live)
    parser.add_argument(
        "input",
        nargs="?",
        default=".",
        metavar="VIDEO|IMAGE|FOLDER|webcam",
        help="what to show; files of its folder can be opened from the page, and results are "
        "saved there (default: this folder)",
    )
    parser.add_argument("-t", "--timeline", type=named_path, help="a timeline (YAML) to begin with")
    add_loss_network(parser, required=False)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen at (default: %(default)s, this machine alone)",
    )
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    add_model(parser)
    add_engine(parser)


def _live(arguments: argparse.Namespace) -> int:
    """Open a page in the browser: sliders mix the paintings while the video plays, and what the
    hands do becomes a timeline."""
    try:
        from videostyle.live.serve import serve
    except ImportError as error:
        raise UsageError(
            f"{error.name} is missing; in a clone, pip install '.[live]' brings what the page needs"
        ) from error
    if arguments.host in ("0.0.0.0", "::"):
        raise UsageError(f"--host {arguments.host}: name the address other devices know you by")
    import asyncio

    from videostyle.live.library import Library
    from videostyle.media.info import missing
    from videostyle.media.numbered import is_sequence_input
    from videostyle.network.model_card import read_model_card
    from videostyle.timeline.reader import read_timeline

    if arguments.input in CAMERA_WORDS:
        root, name = Path(), "camera"
    else:
        path = Path(arguments.input)
        if is_sequence_input(path):
            raise UsageError(
                f"{path}: the page shows no numbered pictures; make a video of them first: "
                f"videostyle render {path} -o film.mp4 --style original"
            )
        if not path.exists():
            raise missing(path, "file or folder")
        root, name = (path, "") if path.is_dir() else (path.parent, path.name)
        if name == "camera":
            raise UsageError(f"{path}: the page calls the camera so; give the file an ending")

    network = arguments.loss_network and find_loss_network(arguments)
    if network and not network.is_file():
        raise UsageError(f"--loss-network {network}: no such file; vgg16 fetches one")

    if arguments.timeline:  # its mistakes need not wait for the model
        read_timeline(arguments.timeline, read_model_card(arguments.model)).check(None, None)

    def on_address(address: str, once: str) -> None:
        say(f"Live at {address}  (Ctrl-C ends it)")
        if not arguments.no_browser:
            # Some browsers end only when they are closed.
            Thread(target=webbrowser.open, args=(once,), daemon=True).start()

    with suppress(KeyboardInterrupt):
        asyncio.run(
            serve(
                make_stylizer(arguments),
                Library(root),
                name,
                timeline=arguments.timeline,
                host=arguments.host,
                port=arguments.port,
                loss_network=network,
                on_warning=say,
                on_address=on_address,
            )
        )
    return 0
