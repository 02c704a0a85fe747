"""Losses, LPIPS and time of pastiches, and what follows from them: N styles in one network
against one network a style, and networks against Gatys' optimisation.

Losses are relative and before weighting (see `losses`), totals are weighted. LPIPS is the
distance to the photo: the lower, the more of the scene is left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import Literal

import torch
from torch import Tensor

from videostyle.evaluation.gatys import optimize
from videostyle.evaluation.ruler import Ruler
from videostyle.network.model import Model
from videostyle.wording import counted

# What all models with one style are called together.
SINGLE_STYLE = "one network a style"
# Gatys steps at which LPIPS is measured, beside the last and those where it meets a model.
LPIPS_STEPS = {digit * 10**power for power in range(4) for digit in (1, 2, 5)}


@dataclass(frozen=True, slots=True)
class StyleQuality:
    """One style of one model; every tuple holds one number a photo (lpips, if measured).

    series: the model's name, or SINGLE_STYLE if this is its only style. seconds: wall time of a
    picture in PyTorch at fp32, on the device that Gatys runs on too.
    """

    model: str
    series: str
    style: str
    lpips: tuple[float, ...]
    style_loss: tuple[float, ...]
    content_loss: tuple[float, ...]
    total_variation: tuple[float, ...]
    total: tuple[float, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation (n - 1; 0 of a single number)."""

    mean: float
    sd: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one number or more."""
        return cls(fmean(values), stdev(values) if len(values) > 1 else 0.0)


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """A series over its styles: spread of the photo means; seconds: median of a picture."""

    series: str
    styles: int
    style_loss: Spread
    content_loss: Spread
    total: Spread
    lpips: Spread | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Losses of a network of many styles over those of one network a style: ratio of the photo
    means, spread over the styles both have (Dumoulin et al. 2016, section 3.2, figure 5)."""

    model: str
    styles: tuple[str, ...]
    style_ratio: Spread
    content_ratio: Spread


@dataclass(frozen=True, slots=True)
class GatysRun:
    """Gatys on one photo in one style; every tuple holds one number a step, the start first.

    met: by model, the first step whose total is no higher than the model's on this photo, None if
    there is none. lpips: by step, if measured.
    """

    style: str
    photo: str
    start: str
    met: dict[str, int | None]
    lpips: dict[int, float]
    style_loss: tuple[float, ...]
    content_loss: tuple[float, ...]
    total: tuple[float, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class GatysSummary:
    """How long Gatys takes to be as good as a series, over all its runs.

    met: how many of `runs` got there. steps, speedup: medians over all runs, None if half or more
    did not; speedup is Gatys' seconds until there over the model's for a picture. gatys_lpips,
    series_lpips: medians over the runs that got there, of Gatys at that step and of the model.
    """

    series: str
    runs: int
    met: int
    steps: float | None
    speedup: float | None
    gatys_lpips: float | None
    series_lpips: float | None


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Everything measured, with what it was measured by. Photos are in the order of the numbers
    in `qualities`; shorter side `size` pixels."""

    loss_network: str
    style_weight: float
    content_weight: float
    tv_weight: float
    device: str
    size: int
    photos: tuple[str, ...]
    series: tuple[SeriesSummary, ...]
    comparisons: tuple[Comparison, ...]
    gatys: tuple[GatysSummary, ...]
    qualities: tuple[StyleQuality, ...]
    gatys_runs: tuple[GatysRun, ...]


def measure_models(
    ruler: Ruler,
    models: Mapping[str, Model],
    styles: Sequence[str],
    photos: Mapping[str, Tensor],
    on_progress: Callable[[], None] = lambda: None,
) -> list[StyleQuality]:
    """`measure_style` for every model, by its name, in each of the styles it has. photos: by name,
    (1, 3, H, W), on the ruler's device. on_progress is called after each style."""
    qualities = []
    for name, model in models.items():
        for style in (style for style in styles if style in model.card.style_names):
            qualities.append(measure_style(ruler, name, model, style, list(photos.values())))
            on_progress()
    return qualities


@torch.no_grad()
def measure_style(
    ruler: Ruler, name: str, model: Model, style: str, photos: Sequence[Tensor]
) -> StyleQuality:
    """Paint photos (1, 3, H, W), on the ruler's device, in one style of the model called `name`."""
    objective = ruler.objective
    network = model.network.to(objective.device)
    row = torch.from_numpy(model.rows([{style: 1.0}])).to(objective.device)
    numbers, lpips = [], []
    for photo in photos:
        began = time.perf_counter()
        pastiche = network(photo, row)[0]
        pastiche.cpu()  # waits for the device
        seconds = time.perf_counter() - began
        losses = objective.losses(pastiche, ruler.grams[style], objective.content_features(photo))
        total = objective.total(losses, ruler.painting_weights[style])
        parts = torch.cat((losses.style, losses.content, losses.total_variation, total))
        numbers.append((*parts.tolist(), seconds))
        if ruler.lpips:
            lpips.append(ruler.lpips(pastiche, photo).item())
    series = name if len(model.card.styles) > 1 else SINGLE_STYLE
    columns = (tuple(column) for column in zip(*numbers, strict=True))
    return StyleQuality(name, series, style, tuple(lpips), *columns)


def run_gatys_on_photos(
    ruler: Ruler,
    styles: Sequence[str],
    chosen: Sequence[str],
    photos: Mapping[str, Tensor],
    qualities: Sequence[StyleQuality],
    *,
    steps: int,
    start: Literal["photo", "noise"],
    on_progress: Callable[[], None] = lambda: None,
) -> list[GatysRun]:
    """`run_gatys` in every style on each photo of `chosen`, against the totals of `qualities`,
    which were measured on all `photos`: by name, (1, 3, H, W). on_progress is called after each
    run. Raises TrainingError as `optimize` does."""
    names, runs = list(photos), []
    for style in styles:
        rows = [row for row in qualities if row.style == style]
        for photo in chosen:
            totals = {row.model: row.total[names.index(photo)] for row in rows}
            run = run_gatys(ruler, style, photo, photos[photo], totals, steps=steps, start=start)
            runs.append(run)
            on_progress()
    return runs


def run_gatys(
    ruler: Ruler,
    style: str,
    photo: str,
    pixels: Tensor,
    totals: dict[str, float],
    *,
    steps: int,
    start: Literal["photo", "noise"],
) -> GatysRun:
    """Optimise one photo, `pixels` (1, 3, H, W); `totals`: by model, the total loss to meet;
    start: what the optimisation begins with (noise in Johnson et al. 2016, section 4.1)."""
    grams, weight = ruler.grams[style], ruler.painting_weights[style]
    met: dict[str, int | None] = dict.fromkeys(totals)
    lpips: dict[int, float] = {}
    numbers = []
    for step in optimize(
        pixels, grams, ruler.objective, steps=steps, start=start, painting_weight=weight
    ):
        numbers.append((step.style, step.content, step.total, step.seconds))
        here = [name for name in totals if met[name] is None and step.total <= totals[name]]
        met |= dict.fromkeys(here, step.step)
        if ruler.lpips and (here or step.step in LPIPS_STEPS or step.step == steps):
            lpips[step.step] = ruler.lpips(step.picture, pixels).item()
    columns = (tuple(column) for column in zip(*numbers, strict=True))
    return GatysRun(style, photo, start, met, lpips, *columns)


def summarize(qualities: Sequence[StyleQuality]) -> tuple[SeriesSummary, ...]:
    """Each series over its styles, in the order they come."""
    return tuple(
        SeriesSummary(
            series,
            len(rows),
            Spread.of([fmean(row.style_loss) for row in rows]),
            Spread.of([fmean(row.content_loss) for row in rows]),
            Spread.of([fmean(row.total) for row in rows]),
            Spread.of([fmean(row.lpips) for row in rows]) if rows[0].lpips else None,
            median(seconds for row in rows for seconds in row.seconds),
        )
        for series, rows in by_series(qualities).items()
    )


def compare_with_single_styles(qualities: Sequence[StyleQuality]) -> tuple[Comparison, ...]:
    """Every model of many styles that shares a style with a model of one."""
    series = by_series(qualities)
    single = {row.style: row for row in series.pop(SINGLE_STYLE, [])}
    comparisons = []
    for model, rows in series.items():
        pairs = [(row, single[row.style]) for row in rows if row.style in single]
        if pairs:
            style = [fmean(many.style_loss) / fmean(one.style_loss) for many, one in pairs]
            content = [fmean(many.content_loss) / fmean(one.content_loss) for many, one in pairs]
            names = tuple(many.style for many, _ in pairs)
            comparisons.append(Comparison(model, names, Spread.of(style), Spread.of(content)))
    return tuple(comparisons)


def summarize_gatys(
    runs: Sequence[GatysRun], qualities: Sequence[StyleQuality], photos: Sequence[str]
) -> tuple[GatysSummary, ...]:
    """Each series against the runs of its styles; photos: in the order of the qualities."""
    summaries = []
    for series, rows in by_series(qualities).items():
        pairs = [(run, row) for run in runs for row in rows if row.style == run.style]
        if not pairs:
            continue
        met = [(run, row, step) for run, row in pairs if (step := run.met[row.model]) is not None]
        late = [math.inf] * (len(pairs) - len(met))
        speedups = [run.seconds[step] / median(row.seconds) for run, row, step in met]
        summaries.append(
            GatysSummary(
                series,
                len(pairs),
                len(met),
                _median([step for _, _, step in met] + late),
                _median(speedups + late),
                _median([run.lpips[step] for run, _, step in met if run.lpips]),
                _median([row.lpips[photos.index(run.photo)] for run, row, _ in met if row.lpips]),
            )
        )
    return tuple(summaries)


def _median(values: Sequence[float]) -> float | None:
    """None where there is no finite one."""
    middle = median(values) if values else math.inf
    return middle if math.isfinite(middle) else None


def make_report(
    ruler: Ruler,
    size: int,
    photos: Sequence[str],
    qualities: Sequence[StyleQuality],
    runs: Sequence[GatysRun],
) -> QualityReport:
    """What was measured, with the summaries that follow from it. size: as QualityReport's."""
    objective = ruler.objective
    return QualityReport(
        loss_network=objective.network.name,
        style_weight=objective.style_weight,
        content_weight=objective.content_weight,
        tv_weight=objective.tv_weight,
        device=_describe(objective.device),
        size=size,
        photos=tuple(photos),
        series=summarize(qualities),
        comparisons=compare_with_single_styles(qualities),
        gatys=summarize_gatys(runs, qualities, photos),
        qualities=tuple(qualities),
        gatys_runs=tuple(runs),
    )


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {counted(torch.get_num_threads(), 'thread')}"


def by_series(qualities: Sequence[StyleQuality]) -> dict[str, list[StyleQuality]]:
    """Qualities of each series, in the order they come."""
    return {
        series: [row for row in qualities if row.series == series]
        for series in dict.fromkeys(row.series for row in qualities)
    }
