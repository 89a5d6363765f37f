"""Exercises that know their usual mistakes: `check`, `hint`, `status`; and the machine check in `ppo_core.teach.doctor`."""

from ppo_core.teach.engine import check, hint, status
from ppo_core.teach.exercise import Case, Exercise, Misconception, Wrong

__all__ = ["Case", "Exercise", "Misconception", "Wrong", "check", "hint", "status"]
