"""One look for every figure, and one way to show it: with alt text, on white paper, then closed."""

from __future__ import annotations

import base64
import html
import io
import sys
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

# Each stands 4.5:1 or better against white and the first three stay apart for every kind of colour vision. Red means
# "wrong" or "worse", green "right"; neither is ever the only difference.
PALETTE = {
    "teal": "#0b7285",
    "amber": "#b45309",
    "violet": "#6741d9",
    "grey": "#5c6770",
    "red": "#b02a37",
    "green": "#2b7a3d",
}
INK = "#1c2733"
LINE_STYLES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1))]  # colour is never the only difference

_PAPER = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#5A5A5A",
    "xtick.color": "#3A3A3A",
    "ytick.color": "#3A3A3A",
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "figure.figsize": (6.6, 3.4),
    "figure.constrained_layout.use": True,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "font.size": 10,
}


def style() -> None:
    """Give every later figure the book's look: white paper, colour-blind-safe colours, line styles that differ.

    The paper is white in dark pages as well, so that one picture serves both. Call it once, before the first figure;
    `LiveCurve` calls it by itself.
    """
    cycle = mpl.cycler(color=list(PALETTE.values())) + mpl.cycler(linestyle=LINE_STYLES)
    mpl.rcParams.update({**_PAPER, "axes.prop_cycle": cycle})


def show(fig: Figure, alt: str, caption: str | None = None) -> None:
    """Display `fig` with `alt` as its alternative text, then close it.

    Args: `alt` says what a reader who cannot see the figure should know; `caption` is printed under it.
    The alt text reaches the page, JupyterLab and, as text/plain, a terminal.
    Raises: ValueError if `alt` is empty.
    """
    bundle = figure_bundle(fig, alt, caption)
    plt.close(fig)
    display_bundle(bundle)


def figure_bundle(fig: Figure, alt: str, caption: str | None = None) -> dict[str, str]:
    """The MIME bundle of a figure: HTML with alt text (pages and JupyterLab), PNG (print), text (terminals)."""
    alt = described(alt, "a figure")
    file = io.BytesIO()
    fig.savefig(file, format="png", dpi=192, facecolor="white")
    png = base64.b64encode(file.getvalue()).decode()
    width, height = (round(inches * 96) for inches in fig.get_size_inches())
    # myst-nb takes an image's alt text from nowhere but the cell's metadata; as HTML it travels with the figure.
    picture = (
        f'<img src="data:image/png;base64,{png}" alt="{html.escape(alt)}" width="{width}" height="{height}" '
        'style="max-width:100%;height:auto;background:#fff;border-radius:4px">'
    )
    return {"text/html": framed(picture, caption), "image/png": png, "text/plain": alt}


def framed(picture: str, caption: str | None) -> str:
    """`picture` as an HTML figure, with its caption if it has one."""
    caption = f'<figcaption style="text-align:center">{html.escape(caption)}</figcaption>' if caption else ""
    return f'<figure class="ppo-figure" style="margin:0">{picture}{caption}</figure>'


def described(alt: str, what: str) -> str:
    """`alt` in one line; ValueError if it says nothing."""
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"{what} needs alt text: one or two sentences that say what it shows, got {alt!r}")
    return " ".join(alt.split())


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this code, so that pictures can be displayed."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def display_bundle(bundle: dict[str, str], display_id: bool = False) -> Any:
    """Display a MIME bundle in a notebook and return its handle; in a plain script print its text."""
    if in_notebook():
        from IPython.display import display

        return display(bundle, raw=True, display_id=display_id or None)
    print(bundle["text/plain"])
    return None
