"""What the bug zoo knows about one bug."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from ppo_core.teach.zoo.builder import exchange, read

FAMILIES = {
    "advantages": "Advantages",
    "endings": "How episodes end",
    "loss": "The loss",
    "sampling": "Sampling and log-probabilities",
    "buffer": "The rollout and its minibatches",
    "networks": "Networks and optimiser",
    "normalisation": "Normalisation",
    "measurement": "What is measured and kept",
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a bug was seen in public, in words of our own."""

    project: str
    url: str
    version_or_date: str
    what: str  # what was reported, and whether it still stands
    thanks: str  # whom we thank


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """One broken trainer: the core with `old` exchanged for `new` in one module.

    `visible_in` names the columns of benchmarks/ch12_bug_zoo.csv that give the bug away; `symptom` says the same in
    words. `caught_by` is the name of a test in `ppo_core.teach.zoo.tests` that rejects this and accepts the core.
    """

    name: str
    title: str
    short: str  # the symptom in about three words
    family: str
    symptom: str
    cause: str
    remedy: str
    module: str
    old: str
    new: str
    caught_by: str
    sources: tuple[Source, ...]
    bug_id: str = ""
    chapter: str = "12_when_it_does_not_learn"
    visible_in: tuple[str, ...] = ()
    setup: str = ""  # how the benchmark trains it, where the default settings never reach the broken line

    @property
    def diff(self) -> str:
        """From the core to the specimen, as a unified diff of the real source. Raises: LookupError if `old` is gone."""
        file = f"ppo_core/{self.module}.py"
        before, after = read(self.module), exchange(self.name, self.module, self.old, self.new)
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), file, f"{file} ({self.name})", n=2, lineterm=""
        )
        return "\n".join(lines) + "\n"

    @property
    def test(self) -> Callable[[ModuleType], None]:
        """The test that catches it: a function of `core` that raises AssertionError."""
        return getattr(importlib.import_module("ppo_core.teach.zoo.tests"), self.caught_by)

    @property
    def test_source(self) -> str:
        """The text of that test."""
        return inspect.getsource(self.test)
