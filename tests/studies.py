"""The stored studies of benchmarks/: their tables, and the scripts that wrote them."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def read_study(name: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Header and rows of benchmarks/NAME.csv."""
    lines = (BENCHMARKS / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    header = dict(line[2:].split(": ", 1) for line in lines if line.startswith("#"))
    return header, list(csv.DictReader(line for line in lines if not line.startswith("#")))


# settings that came after some studies, with the value that the package had in them before
LATER = {"gradient": "autograd", "dtype": "float32", "check": "always"}


def with_later_settings(settings: dict[str, object]) -> dict[str, object]:
    """The settings of a stored study, with those that did not exist yet: they change no number by their defaults."""
    return {**LATER, **settings}


def load_script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """benchmarks/NAME.py as a module; as when it is run, it may import what stands beside it."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
