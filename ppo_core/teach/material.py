"""What a chapter starts from when it need not be made first: trained agents, and the tables of longer measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import ppo_core

if TYPE_CHECKING:
    from ppo_core.trainer import Trainer

_TRAINED = Path(__file__).parent / "trained"
_PACKAGE = Path(ppo_core.__file__).parent

# chapter → file: what somebody has who worked through the chapters before it
_STAGES = dict.fromkeys(("05", "06", "07", "08", "09"), "half_way") | dict.fromkeys(("10", "12"), "trained")


def load_checkpoint(chapter: str | int) -> Trainer:
    """A trainer on CartPole-v1 to begin or to catch up with: `load_checkpoint("08")`.

    Chapters 05 to 09 get one that has run a fifth of its training, better than chance and far from solved; chapters
    10 and 12 the finished one. It is an ordinary `Trainer`: `run()` goes on, `evaluate()` measures, `policy` acts.
    Made by `tools/make_checkpoints.py`. Raises: KeyError that names the chapters there are.
    """
    from ppo_core.trainer import Trainer

    name = f"{int(chapter):02d}" if str(chapter).isdigit() else str(chapter)
    if name not in _STAGES:
        raise KeyError(f"no checkpoint belongs to chapter {chapter!r}; there are: {', '.join(_STAGES)}")
    return Trainer.resume(_TRAINED / f"{_STAGES[name]}.safetensors")


def data_file(name: str) -> Path:
    """The measured table `benchmarks/<name>`, in the repository or in a workshop pack.

    Raises: FileNotFoundError that names the folders that were searched.
    """
    folders = [parent / "benchmarks" for parent in (_PACKAGE.parent, Path.cwd(), Path.cwd().parent)]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"no file {name!r} in {', '.join(map(str, folders))}; start Jupyter in the folder of the book or of the pack"
    )
