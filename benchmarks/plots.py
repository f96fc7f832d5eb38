# SPDX-License-Identifier: Apache-2.0
"""Plots of the results as SVG, by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.comparison import UNTRACED, Summary
from benchmarks.found import Found
from benchmarks.scale import Point

COLOURS = ("#6b7280", "#0e7490", "#b45309", "#d97706", "#7c3aed")


def draw(found: Found, folder: Path) -> list[Path]:
    """Write the plots of the parts that were run; return their paths."""
    import matplotlib as mpl

    mpl.use("svg")
    # Reproducible output, with text as text.
    mpl.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9})
    folder.mkdir(parents=True, exist_ok=True)
    written = [_compared(mode, it, folder) for mode, it in found.compare.items()]
    if found.scale:
        written.append(_scaled(found.scale, folder))
    if found.vm:
        written.append(_guest(found, folder))
    return written


def _save(figure: Any, path: Path) -> Path:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    return path


def _compared(mode: str, by_tracer: dict[str, Summary], folder: Path) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.6))
    axes = figure.subplots(1, 3)
    names = list(by_tracer)
    for plot, title, values in (
        (axes[0], "loop's CPU, times untraced", [it.cpu_slowdown for it in by_tracer.values()]),
        (axes[1], "reader CPU, µs a row", [it.reader_us for it in by_tracer.values()]),
        (axes[2], "no row, % of calls", [it.missing for it in by_tracer.values()]),
    ):
        medians = [it.median for it in values]
        around = [
            [it.median - it.low for it in values],
            [it.high - it.median for it in values],
        ]
        plot.barh(names, medians, xerr=around, color=COLOURS[: len(names)], ecolor="#374151")
        plot.invert_yaxis()
        plot.set_title(title, fontsize=9)
        if plot is not axes[0]:
            plot.set_yticklabels([])
    return _save(figure, folder / f"bench-{mode}.svg")


def _scaled(scale: Sequence[tuple[Point, Summary]], folder: Path) -> Path:
    from matplotlib.figure import Figure

    axis_names = [point.axis for point, _ in scale]
    names = [name for name in dict.fromkeys(axis_names) if axis_names.count(name) > 1]
    figure = Figure(figsize=(2.4 * len(names), 2.6))
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    for plot, name in zip(axes, names, strict=True):
        these = [(point.value, it) for point, it in scale if point.axis == name]
        places = [str(value) for value, _ in these]
        plot.plot(places, [it.call_us.median for _, it in these], "o-", color=COLOURS[1])
        plot.plot(places, [it.cpu_slowdown.median for _, it in these], "s--", color=COLOURS[2])
        plot.set_title(name, fontsize=9)
        plot.set_ylim(bottom=0)
    axes[0].legend(["server CPU, µs a call", "loop's CPU, times untraced"], fontsize=7)
    return _save(figure, folder / "bench-scale.svg")


def _guest(found: Found, folder: Path) -> Path:
    from matplotlib.figure import Figure

    assert found.vm
    figure = Figure(figsize=(8, 2.8))
    plot = figure.subplots()
    modes = list(found.vm.costs)
    tracers = [
        name
        for name in dict.fromkeys(name for costs in found.vm.costs.values() for name in costs)
        if name != UNTRACED
    ]
    width = 0.8 / len(tracers)
    for place, name in enumerate(tracers):
        values = [
            found.vm.added(mode, name) if name in found.vm.costs[mode] else 0.0 for mode in modes
        ]
        at = [number + place * width for number in range(len(modes))]
        plot.bar(at, values, width, label=name, color=COLOURS[1 + place])
    plot.set_xticks([number + 0.4 - width / 2 for number in range(len(modes))], modes)
    plot.set_title(f"instructions added to a call, Linux {found.vm.release}", fontsize=9)
    plot.legend(fontsize=7)
    return _save(figure, folder / "bench-vm.svg")
