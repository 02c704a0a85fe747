"""`videostyle train`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from videostyle.cli.console import (
    add_device,
    add_loss_network,
    find_loss_network,
    memory_named,
    named_path,
    say,
)


def add_train(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "train", help="train a network on your own paintings", description=_train.__doc__
    )
    parser.set_defaults(command=_train)
    parser.add_argument("config", type=named_path, help="the run's settings (YAML)")
    parser.add_argument("--photos", type=named_path, required=True, help="folder of photographs")
    parser.add_argument(
        "--paintings", type=named_path, required=True, help="folder of paintings with a styles.csv"
    )
    add_loss_network(parser)
    parser.add_argument("--samples", type=named_path, nargs="*", default=[], help="photos to paint")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting: --set steps=4000, --set 'paintings={udnie: {size: 512}}'",
    )
    add_device(parser)
    parser.add_argument("-o", "--output", type=named_path, required=True, help="folder of the run")


@memory_named("a smaller batch_size, crop or size of a painting needs less")
def _train(arguments: argparse.Namespace) -> int:
    """Train N styles in one network. Run the same command again to resume."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    from videostyle.training.run import make_run

    run = make_run(
        arguments.config,
        photos=arguments.photos,
        paintings=arguments.paintings,
        loss_network=find_loss_network(arguments),
        folder=arguments.output,
        samples=arguments.samples,
        changes=arguments.set,
        device=arguments.device,
    )
    step = None
    with (
        logging_redirect_tqdm(),  # photographs that are left out
        tqdm(total=run.config.steps, unit=" steps", mininterval=1) as bar,
    ):
        for step in run.steps():
            if not bar.n:  # steps of an earlier call are not in the rate
                if step.step > 1:
                    bar.write(f"goes on after update {step.step - 1}", file=sys.stderr)
                bar.initial = bar.n = bar.last_print_n = step.step - 1
            bar.set_postfix(style=f"{step.style:.3f}", content=f"{step.content:.3f}", refresh=False)
            bar.update(step.step - bar.n)
        if step is None:
            bar.n = run.config.steps
    if step is None:
        say(f"finished already, after {run.config.steps} steps; with more `steps` it goes on")
    print(run.model_path)
    return 0
