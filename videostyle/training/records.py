"""What a training run writes for people: the loss curve and the sample sheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from videostyle.errors import TrainingError
from videostyle.whole_file import written_whole

LABEL_HEIGHT = 16


def append_losses(path: Path, steps: Sequence[dict[str, float]]) -> None:
    """Append steps to a CSV file, dropping any it already holds (a run resumed from before).
    Raises TrainingError as `read_losses` does."""
    kept = [row for row in read_losses(path, steps[0]) if int(row["step"]) < steps[0]["step"]]
    write_losses(path, [*kept, *steps])


def read_losses(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The steps of a CSV file, none if there is no such file. Raises TrainingError for a file that
    holds something else."""
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if list(rows.fieldnames or ()) != list(columns):
                raise ValueError("other columns")
            steps = [{**row, "step": str(int(row["step"]))} for row in rows]
            if any(None in (*row, *row.values()) for row in steps):
                raise ValueError("lines of another length")
            return steps
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise TrainingError(
            f"{path}: is no table of a run's losses ({error}); choose another folder"
        ) from error


def write_losses(path: Path, steps: Sequence[Mapping[str, float | str]]) -> None:
    """Write one line a step."""
    with written_whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(steps[0]))
        writer.writeheader()
        writer.writerows(steps)


def plot_losses(csv_path: Path, png_path: Path) -> None:
    """Draw every loss of the CSV over the steps, log scale, with a running mean."""
    from matplotlib.figure import Figure

    table = np.genfromtxt(csv_path, delimiter=",", names=True)
    if table.size < 2:
        return
    names = [name for name in table.dtype.names or () if name != "step"]
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    span = max(1, table.size // 100)
    for name in names:
        smooth = np.convolve(table[name], np.ones(span) / span, mode="valid")
        (line,) = axes.semilogy(table["step"][span - 1 :], smooth, label=name)
        axes.semilogy(table["step"], table[name], color=line.get_color(), alpha=0.15, lw=0.5)
    axes.set(xlabel="step", ylabel="loss (relative)")
    axes.legend()
    with written_whole(png_path) as part:
        figure.savefig(part)


def save_sheet(
    path: Path,
    pictures: Sequence[Image.Image],
    pastiches: Sequence[Sequence[Tensor]],
    labels: Sequence[str],
) -> None:
    """Draw a sheet: one column a picture, the picture on top, then one labelled row a style.

    pastiches[picture][style] is (3, H, W) in [0, 1].
    """
    height = max(picture.height for picture in pictures) + LABEL_HEIGHT
    widths = [picture.width for picture in pictures]
    sheet = Image.new("RGB", (sum(widths), height * (len(labels) + 1)), "white")
    draw = ImageDraw.Draw(sheet)
    left = 0
    for picture, column, width in zip(pictures, pastiches, widths, strict=True):
        sheet.paste(picture, (left, LABEL_HEIGHT))
        for row, (pastiche, label) in enumerate(zip(column, labels, strict=True), 1):
            array = (pastiche.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
            sheet.paste(Image.fromarray(array), (left, row * height + LABEL_HEIGHT))
            draw.text((left + 4, row * height + 2), label, fill="black")
        left += width
    with written_whole(path) as part:
        sheet.save(part)
