"""Draws a timeline: the mixture as a stacked area, the other tracks below where they move."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

from videostyle.look import ORIGINAL, Look
from videostyle.timeline import SCALAR_TRACKS, Timeline

SAMPLES = 600
PAPER, INK, ORIGINAL_COLOR = "#faf9f6", "#2a2a30", "#d9d8d4"
STYLE_COLORS = ("#33658a", "#e0a458", "#6a994e", "#bc4b51", "#7d6b91", "#2a9d8f", "#c98b70")


def plot_timeline(timeline: Timeline, duration: float, path: Path) -> None:
    """Draw `duration` seconds of a timeline as a PNG, with a tick at every keyframe."""
    from matplotlib.figure import Figure

    duration = max(duration, 1e-3)
    times = [duration * index / (SAMPLES - 1) for index in range(SAMPLES)]
    looks = [timeline.look_at(time) for time in times]
    moving = [name for name in SCALAR_TRACKS if len({getattr(look, name) for look in looks}) > 1]
    figure = Figure(figsize=(10, 3.2 + 0.9 * len(moving)), facecolor=PAPER, layout="constrained")
    ratios = [3.0] + [0.9] * len(moving)
    rows = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    _draw_mixture(rows[0], timeline, times, looks)
    for axes, name in zip(rows[1:], moving, strict=True):
        axes.plot(times, [getattr(look, name) for look in looks], color=INK, linewidth=1.5)
        axes.set_ylabel(name, rotation=0, ha="right", va="center", color=INK)
    for axes in rows:
        _tidy(axes, duration)
    rows[-1].set_xlabel("seconds", color=INK)
    figure.savefig(path, dpi=120, facecolor=PAPER)


def _draw_mixture(axes: Any, timeline: Timeline, times: list[float], looks: list[Look]) -> None:
    names = [ORIGINAL, *timeline.style_names]
    names = [name for name in names if any(look.mix.get(name, 0) for look in looks)]
    shades = cycle(STYLE_COLORS)
    colors = [ORIGINAL_COLOR if name == ORIGINAL else next(shades) for name in names]
    weights = [[look.mix.get(name, 0.0) for look in looks] for name in names]
    axes.stackplot(times, weights, labels=names, colors=colors, edgecolor=PAPER, linewidth=0.8)
    for keyframe in timeline.mix.keyframes:
        if 0 <= keyframe.seconds <= times[-1]:
            axes.axvline(keyframe.seconds, color=INK, linewidth=0.7, linestyle=(0, (2, 3)))
    axes.set_ylim(0, 1)
    axes.set_ylabel("weight", color=INK)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, reverse=True)


def _tidy(axes: Any, duration: float) -> None:
    axes.set_xlim(0, duration)
    axes.set_facecolor(PAPER)
    axes.tick_params(colors=INK, length=3)
    for side in axes.spines.values():
        side.set_visible(False)
