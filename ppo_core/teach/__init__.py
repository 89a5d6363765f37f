"""Exercises that know their usual mistakes: `check`, `hint`, `status`; where to start from: `load_checkpoint`,
`data_file`; and the machine check in `ppo_core.teach.doctor`."""

from ppo_core.teach.engine import check, hint, status
from ppo_core.teach.exercise import Case, Exercise, Misconception, Wrong
from ppo_core.teach.material import data_file, load_checkpoint

__all__ = [
    "Case",
    "Exercise",
    "Misconception",
    "Wrong",
    "check",
    "data_file",
    "hint",
    "load_checkpoint",
    "status",
]
