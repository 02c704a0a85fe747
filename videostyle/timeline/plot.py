"""Draws a timeline: the mixture as a stacked area, the other tracks below where they move."""

from __future__ import annotations

import io
from itertools import cycle
from pathlib import Path
from typing import Any

from videostyle.errors import MediaError
from videostyle.look import ORIGINAL, SCALARS, Look
from videostyle.timecode import NEAR
from videostyle.timeline.timeline import Loop, Timeline, Track
from videostyle.whole_file import written_whole

SAMPLES = 1200
MAX_MARKS = 200
MAX_KEYS = 2 * SAMPLES  # of a loop's rounds: where there are more, two and more are in each pixel
BESIDE = 1.01 * NEAR  # seconds to where a key no longer is
NAME_HEIGHT = 0.25  # inches of a line of the legend
PAPER, INK, ORIGINAL_COLOR = "#faf9f6", "#2a2a30", "#d9d8d4"
STYLE_COLORS = (
    *("#33658a", "#e0a458", "#6a994e", "#bc4b51", "#7d6b91", "#2a9d8f"),
    *("#c98b70", "#3d405b", "#d17ba5", "#a3b18a", "#6b4f3a", "#8fb8de"),
)


def plot_timeline(timeline: Timeline, duration: float, path: Path) -> None:
    """Draw `duration` seconds of a timeline as a PNG (or what the suffix of `path` names).

    Every keyframe is a diamond below its track. Raises MediaError if `path` cannot be written.
    """
    from matplotlib.figure import Figure

    duration = max(duration, 1e-3)
    times = _sampled(timeline, duration)
    looks = [timeline.look_at(time) for time in times]
    moving = [name for name in SCALARS if len({getattr(look, name) for look in looks}) > 1]
    names = [ORIGINAL, *timeline.style_names]
    names = [name for name in names if any(look.mix.get(name, 0) for look in looks)]
    ratios = [max(3.0, NAME_HEIGHT * len(names))] + [0.9] * len(moving)
    figure = Figure(figsize=(10, 0.2 + sum(ratios)), facecolor=PAPER, layout="constrained")
    rows = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    _draw_mixture(rows[0], names, times, looks)
    for axes, name in zip(rows[1:], moving, strict=True):
        _draw_scalar(axes, name, times, looks)
    for axes, name in zip(rows, ["mix", *moving], strict=True):
        _tidy(axes, duration)
        _mark_keys(axes, _key_times(timeline.tracks[name], timeline.loop, duration))
    rows[-1].set_xlabel("seconds", color=INK)
    figure.align_ylabels()
    save_figure(figure, path)


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure in the format its name ends with. Raises MediaError."""
    try:
        drawn, kind = io.BytesIO(), path.suffix.removeprefix(".")
        figure.savefig(drawn, format=kind, dpi=120, facecolor=PAPER)
        with written_whole(path) as part:
            part.write_bytes(drawn.getvalue())
    except (OSError, ValueError) as error:  # ValueError: a suffix that is no picture's
        raise MediaError(f"{path}: cannot be written ({error})") from error


def _sampled(timeline: Timeline, duration: float) -> list[float]:
    """Times to draw: even ones, and each key with both its sides, so that no flash is missed."""
    times = {duration * index / (SAMPLES - 1) for index in range(SAMPLES)}
    for track in timeline.tracks.values():
        for key in _key_times(track, timeline.loop, duration):
            times |= {key - BESIDE, key, key + BESIDE}
    return sorted(time for time in times if 0 <= time <= duration)


def _draw_mixture(axes: Any, names: list[str], times: list[float], looks: list[Look]) -> None:
    shades = cycle(STYLE_COLORS)
    colors = [ORIGINAL_COLOR if name == ORIGINAL else next(shades) for name in names]
    weights = [[look.mix.get(name, 0.0) for look in looks] for name in names]
    axes.stackplot(times, weights, labels=names, colors=colors, edgecolor=PAPER, linewidth=0.8)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("mix", rotation=0, ha="right", va="center", color=INK)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, reverse=True)


def _draw_scalar(axes: Any, name: str, times: list[float], looks: list[Look]) -> None:
    values = [getattr(look, name) for look in looks]
    axes.plot(times, values, color=INK, linewidth=1.5)
    axes.margins(y=0.2)
    axes.set_yticks([min(values), max(values)], [f"{min(values):.3g}", f"{max(values):.3g}"])
    axes.set_ylabel(name, rotation=0, ha="right", va="center", color=INK)


def _key_times(track: Track[Any], loop: Loop | None, duration: float) -> list[float]:
    """When the keys of a track come up in the video, every round of a loop counted; none where
    these are so many that they cannot be told apart."""
    times = [keyframe.seconds for keyframe in track.keyframes]
    if loop:
        times = [time for time in times if 0 <= time <= loop.period]
        rounds = int(duration / loop.period) + 1
        if rounds * len(times) > MAX_KEYS:
            return []
        times = [
            (number + 1) * loop.period - time
            if loop.bounce and number % 2
            else number * loop.period + time
            for number in range(rounds)
            for time in times
        ]
    return sorted({time for time in times if 0 <= time <= duration})


def _mark_keys(axes: Any, times: list[float]) -> None:
    """Diamonds on the time axis; so many that they would touch are left out."""
    if len(times) <= MAX_MARKS:
        base = [0.0] * len(times)
        across = axes.get_xaxis_transform()
        style = {"marker": "D", "markersize": 5, "color": INK, "markeredgecolor": PAPER}
        axes.plot(times, base, linestyle="", transform=across, clip_on=False, zorder=5, **style)


def _tidy(axes: Any, duration: float) -> None:
    axes.set_xlim(0, duration)
    axes.set_facecolor(PAPER)
    axes.tick_params(colors=INK, length=3, pad=5)
    for side in axes.spines.values():
        side.set_visible(False)
