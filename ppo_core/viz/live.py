"""A curve that grows while a cell runs, and stays as one figure when it has ended."""

from __future__ import annotations

import math
import time
from typing import Any

import matplotlib.pyplot as plt

from ppo_core.viz.figures import INK, display_bundle, figure_bundle, in_notebook, style


class LiveCurve:
    """A live plot of one or several series, for a loop that reports as it goes.

    One output is displayed and then updated in place, at most once in `every` seconds; nothing is cleared, so
    that nothing flickers. Outside a notebook nothing is drawn until `finish`, which then prints the description.

        with LiveCurve("environment steps", "episodic return", goal=475) as curve:
            for stats in trainer.run():
                curve.update(stats.global_step, stats.episodic_return)

    Leaving the `with` block finishes the curve. An interrupt (the stop button) ends the block, keeps the curve
    and says so; the cell goes on after the block with what it has.
    """

    def __init__(
        self, xlabel: str, ylabel: str, *, title: str = "", goal: float | None = None, every: float = 0.5
    ):
        style()
        self.xlabel, self.ylabel, self.title, self.goal, self.every = xlabel, ylabel, title, goal, every
        self.series: dict[str, tuple[list[float], list[float]]] = {}
        self._handle: Any = None
        self._drawn_at = -math.inf
        self._finished = False

    def update(self, x: float, y: float, *, series: str = "", status: str = "") -> None:
        """Append the point (x, y) to `series` and redraw if it is time; `status` replaces the title.

        A y that is not finite (no episode has ended yet) adds no point.
        """
        if self._finished:
            raise RuntimeError("this LiveCurve is finished: make a new one for a new run")
        xs, ys = self.series.setdefault(series, ([], []))
        if math.isfinite(float(y)):
            xs.append(float(x))
            ys.append(float(y))
        self.title = status or self.title
        if in_notebook() and time.monotonic() - self._drawn_at >= self.every:
            self._draw(self.describe())

    def finish(self, alt: str | None = None) -> None:
        """Draw the last state with `alt` as its alternative text; without `alt`, with one made from the data."""
        if self._finished:
            return
        self._finished = True
        self._draw(alt if alt is not None else self.describe())

    def describe(self) -> str:
        """The curve in words: where each series starts, ends and has its highest value."""
        sentences = [f"Line plot of {self.ylabel} against {self.xlabel}."]
        for name, (xs, ys) in self.series.items():
            subject = name or self.ylabel
            if not ys:
                sentences.append(f"{subject}: no points yet.")
                continue
            top = max(range(len(ys)), key=ys.__getitem__)
            sentences.append(
                f"{subject}: from {ys[0]:.4g} at {xs[0]:,.6g} to {ys[-1]:.4g} at {xs[-1]:,.6g}, highest {ys[top]:.4g} at {xs[top]:,.6g}."
            )
        if self.goal is not None:
            sentences.append(f"A dashed line marks the goal, {self.goal:g}.")
        return " ".join(sentences)

    def __enter__(self) -> LiveCurve:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> bool:
        self.finish()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            last = max((xs[-1] for xs, _ in self.series.values() if xs), default=0)
            print(f"Interrupted at {last:,.6g} {self.xlabel}. What was measured so far is kept.")
            return True
        return False

    def _draw(self, alt: str) -> None:
        fig, ax = plt.subplots()
        for name, (xs, ys) in self.series.items():
            ax.plot(xs, ys, label=name or None, marker="o" if len(xs) == 1 else None)
        if self.goal is not None:
            ax.axhline(self.goal, color=INK, linestyle=(0, (2, 3)), linewidth=1)
            # at the left, where a learning curve is still low
            ax.annotate(
                f"goal {self.goal:g}",
                (0, self.goal),
                (4, 3),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
            )
        ax.set(xlabel=self.xlabel, ylabel=self.ylabel, title=self.title)
        ax.margins(y=0.12)
        if any(self.series):
            ax.legend()
        bundle = figure_bundle(fig, alt)
        plt.close(fig)
        if self._handle is None:
            self._handle = display_bundle(bundle, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
        self._drawn_at = time.monotonic()
