"""The exercises, one module `chNN` per chapter, each with a tuple `EXERCISES`. They are found by listing this folder."""

from __future__ import annotations

import difflib
import importlib
import pkgutil

from ppo_core.teach.exercise import Exercise


def chapters() -> list[str]:
    """The names of the chapter modules, in order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("ch"))


def all_exercises() -> dict[str, Exercise]:
    """Every exercise by name, in the order of the chapters."""
    modules = (importlib.import_module(f"{__name__}.{chapter}") for chapter in chapters())
    return {exercise.name: exercise for module in modules for exercise in module.EXERCISES}


def find(name: str) -> Exercise:
    """The exercise called `name`. Raises: KeyError that names the nearest one."""
    known = all_exercises()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise KeyError(
            f"no exercise is called {name!r}"
            + (f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}")
        )
    return known[name]
