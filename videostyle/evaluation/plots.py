"""Pictures of the measures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import numpy as np

from videostyle.evaluation.interpolation import STEPS, Interpolation, InterpolationReport
from videostyle.evaluation.new_style import NewStyleReport
from videostyle.evaluation.quality import QualityReport, by_series
from videostyle.evaluation.stability import StabilityReport
from videostyle.evaluation.throughput import Throughput
from videostyle.timeline.plot import INK, PAPER, STYLE_COLORS, save_figure
from videostyle.wording import counted

WIDTH = 9.0  # inches; 1080 pixels, the width a README shows
FAINT = "#9a9aa2"
COLUMNS = 4


def plot_quality(report: QualityReport, path: Path) -> None:
    """Draw every style's losses as bars, and above them the curve of Gatys if it was run.

    Raises MediaError if `path` cannot be written.
    """
    bars = 0.9 + 0.16 * len(report.qualities) + 0.1 * len({row.style for row in report.qualities})
    heights = [4.0, bars] if report.gatys_runs else [bars]
    figure = _figure(sum(heights))
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part in parts:
        part.set_facecolor(PAPER)
    if report.gatys_runs:
        _draw_gatys(parts[0].subplots(), report)
    _draw_bars(parts[-1], report)
    save_figure(figure, path)


def _draw_gatys(axes: Any, report: QualityReport) -> None:
    """Total loss over the iterations, median and middle half of the runs; series as lines."""
    from matplotlib.ticker import LogLocator, NullLocator

    totals = np.array([run.total[1:] for run in report.gatys_runs])
    steps = np.arange(1, totals.shape[1] + 1)
    low, middle, high = np.percentile(totals, (25, 50, 75), axis=0)
    axes.fill_between(steps, low, high, color=INK, alpha=0.12, linewidth=0)
    axes.loglog(steps, middle, color=INK, linewidth=1.8)
    took = median(run.seconds[-1] for run in report.gatys_runs)
    axes.annotate(
        f"Gatys, {took:.0f} s", (steps[-1], middle[-1]), (-4, 7), textcoords="offset points",
        ha="right", color=INK,
    )  # fmt: skip
    series = by_series(report.qualities)
    for place, ((name, rows), color) in enumerate(zip(series.items(), cycle(STYLE_COLORS))):
        same = [
            row.total[report.photos.index(run.photo)]
            for run in report.gatys_runs
            for row in rows
            if row.style == run.style
        ]
        if same:
            took = 1000 * median(seconds for row in rows for seconds in row.seconds)
            axes.axhline(median(same), color=color, linewidth=1.5)
            # One beside the other: lines may lie close together.
            axes.annotate(
                f"{name}, {took:.0f} ms", (0.25 * place, median(same)), (4, 4),
                textcoords="offset points", xycoords=("axes fraction", "data"), color=color,
            )  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    axes.set(xlim=(1, max(2, steps[-1])), xlabel="L-BFGS iterations", ylabel="total loss")
    axes.set_title(
        f"median of {counted(len(totals), 'pair')} of photo and painting; shaded: the middle half",
        fontsize=9, color=FAINT, loc="left",
    )  # fmt: skip
    _tidy(axes)


def _draw_bars(figure: Any, report: QualityReport) -> None:
    """A row a style, a bar a series: mean over the photos and standard deviation."""
    series = by_series(report.qualities)
    styles = list(dict.fromkeys(row.style for row in report.qualities))
    fields = {"style_loss": "style loss", "content_loss": "content loss"}
    if report.qualities[0].lpips:
        fields["lpips"] = "LPIPS to the photo"
    panels = figure.subplots(1, len(fields), sharey=True, squeeze=False)[0]
    thick = 0.8 / len(series)
    for axes, (name, title) in zip(panels, fields.items(), strict=True):
        for place, ((label, rows), color) in enumerate(zip(series.items(), cycle(STYLE_COLORS))):
            values = [getattr(row, name) for row in rows]
            axes.barh(
                [styles.index(row.style) + (place + 0.5) * thick - 0.4 for row in rows],
                [fmean(value) for value in values],
                thick * 0.85,
                xerr=[stdev(value) if len(value) > 1 else 0 for value in values],
                color=color,
                error_kw={"ecolor": INK, "elinewidth": 0.7, "alpha": 0.6},
                label=label,
            )
        axes.set_xlim(left=0)
        axes.set_title(title, fontsize=10, color=INK, loc="left")
        axes.grid(axis="x", color=FAINT, alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
        _tidy(axes)
    panels[0].set_yticks(range(len(styles)), styles)
    panels[0].set_ylim(len(styles) - 0.5, -0.5)
    if len(series) > 1:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower right",
                  ncols=3, frameon=False, fontsize=9)  # fmt: skip


def plot_interpolation(report: InterpolationReport, path: Path) -> None:
    """Draw the style loss to both ends of every pair, one small panel a pair.

    Raises MediaError if `path` cannot be written.
    """
    columns = min(COLUMNS, len(report.pairs))
    rows = -(-len(report.pairs) // columns)
    figure = _figure(0.4 + 1.9 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, pair in zip(panels, report.pairs, strict=False):
        _draw_pair(axes, pair)
    for axes in panels[len(report.pairs) :]:
        axes.set_visible(False)
    figure.supylabel("style loss", fontsize=10, color=INK)
    figure.supxlabel("weight of the second style", fontsize=10, color=INK)
    save_figure(figure, path)


def _draw_pair(axes: Any, pair: Interpolation) -> None:
    """Mean over the photos and its standard error; a curve that is not monotone is dotted."""
    ends = ((pair.start, pair.to_start), (pair.end, pair.to_end))
    for (style, curve), color in zip(ends, STYLE_COLORS, strict=False):
        mean, error = np.array(curve.mean), np.array(curve.error)
        line = "-" if curve.monotone else ":"
        axes.fill_between(STEPS, mean - error, mean + error, color=color, alpha=0.2, linewidth=0)
        axes.plot(STEPS, mean, line, color=color, linewidth=1.6, label=f"to {style}")
    axes.set(xlim=(0, 1), xticks=(0, 0.5, 1))
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="y", nbins=4)
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False, fontsize=8,
        handlelength=1.2, borderpad=0, labelspacing=0.2,
    )  # fmt: skip
    _tidy(axes)


def plot_stability(report: StabilityReport, path: Path) -> None:
    """Draw E_warp by kind of motion: a bar a model as painted and one stabilized.

    Raises MediaError if `path` cannot be written.
    """
    motions = list(dict.fromkeys(each.motion for each in report.measures))
    series = list(dict.fromkeys((each.model, each.stabilized) for each in report.measures))
    figure = _figure(0.9 + 0.22 * len(motions) * len(series))
    axes = figure.subplots()
    thick = 0.8 / len(series)
    colors = dict(zip(dict.fromkeys(model for model, _ in series), cycle(STYLE_COLORS)))
    for place, (model, stabilized) in enumerate(series):
        rows = [e for e in report.measures if (e.model, e.stabilized) == (model, stabilized)]
        axes.barh(
            [motions.index(row.motion) + (place + 0.5) * thick - 0.4 for row in rows],
            [row.frozen for row in rows],
            thick * 0.85,
            color=colors[model],
            alpha=1.0 if stabilized else 0.45,
            label=f"{model}, {'stabilized' if stabilized else 'as painted'}",
        )
    axes.set_yticks(range(len(motions)), motions)
    axes.set_ylim(len(motions) - 0.5, -0.5)
    axes.grid(axis="x", color=FAINT, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("E_warp, mean square in [0, 1] RGB")
    axes.legend(frameon=False, fontsize=9)
    _tidy(axes)
    save_figure(figure, path)


def plot_new_style(report: NewStyleReport, path: Path) -> None:
    """Draw the style loss against the steps for both ways of learning one painting.

    Raises MediaError if `path` cannot be written.
    """
    figure = _figure(3.6)
    axes = figure.subplots()
    curves = {
        "gammas and betas alone": report.added_curve,
        "all weights, from scratch": report.from_scratch_curve,
    }
    for (label, curve), color in zip(curves.items(), STYLE_COLORS, strict=False):
        axes.loglog(curve.step, curve.style, color=color, linewidth=1.5, label=label)
    axes.set(xlabel="updates", ylabel=f"style loss, {report.style}")
    axes.legend(frameon=False, fontsize=9)
    _tidy(axes)
    save_figure(figure, path)


def plot_throughput(rows: Sequence[Throughput], path: Path) -> None:
    """Draw the milliseconds a frame costs in every stage: a panel a model, a group a size.

    Raises MediaError if `path` cannot be written.
    """
    from matplotlib.ticker import NullFormatter

    models = list(dict.fromkeys(row.model for row in rows))
    figure = _figure(0.9 + 2.6 * len(models))
    panels = figure.subplots(len(models), 1, sharex=True, squeeze=False)[:, 0]
    for axes, model in zip(panels, models, strict=True):
        mine = [row for row in rows if row.model == model]
        thick = 0.8 / len(mine[0].rates)
        for place, (stage, color) in enumerate(zip(mine[0].rates, cycle(STYLE_COLORS))):
            times = [1000 / row.rates[stage].median for row in mine]
            spots = [number + (place + 0.5) * thick - 0.4 for number in range(len(mine))]
            bars = axes.bar(spots, times, thick * 0.9, color=color, label=stage)
            axes.bar_label(bars, fmt="{:.3g}", fontsize=6.5, color=INK, padding=1)
        axes.set_xticks(range(len(mine)), [f"{row.size[1]}x{row.size[0]}" for row in mine])
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel("ms a frame")
        axes.set_title(f"{model}, {mine[0].engine}", fontsize=10, color=INK, loc="left")
        _tidy(axes)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6,
                  frameon=False, fontsize=8)  # fmt: skip
    save_figure(figure, path)


def _figure(height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), facecolor=PAPER, layout="constrained")


def _tidy(axes: Any) -> None:
    axes.set_facecolor(PAPER)
    axes.tick_params(colors=INK, length=3, labelsize=8)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=INK, fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(FAINT)
