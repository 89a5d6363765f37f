"""Pictures of the book: figures with alt text, live curves, short films; explorables in `ppo_core.viz.explorables`."""

from ppo_core.viz.figures import PALETTE, show, style
from ppo_core.viz.films import FilmTooLarge, film
from ppo_core.viz.kernels import run_with
from ppo_core.viz.live import LiveCurve

__all__ = ["PALETTE", "FilmTooLarge", "LiveCurve", "film", "run_with", "show", "style"]
