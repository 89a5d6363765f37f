"""The bug zoo: broken trainers from public threads, each with its symptom, its cause, its diff and a test for it.

from ppo_core.teach import zoo

zoo.names()                                     # what lives here
print(zoo.specimen("entropy-sign").diff)        # the bug, as a change to the core
core = zoo.broken("entropy-sign")               # the core with the bug: core.Trainer, core.compute_gae, ...
zoo.caught(my_test, "entropy-sign")             # does my_test(core) notice?
print(zoo.hunt(my_test))                        # which specimens does it notice?
"""

from __future__ import annotations

import importlib
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from ppo_core.teach.zoo import (
    advantages,
    buffer,
    endings,
    loss,
    measurement,
    networks,
    normalisation,
    sampling,
)
from ppo_core.teach.zoo.builder import MODULES, exchange, write_package
from ppo_core.teach.zoo.specimen import FAMILIES, Source, Specimen

__all__ = [
    "FAMILIES",
    "Hunt",
    "RejectsTheSound",
    "Source",
    "Specimen",
    "broken",
    "caught",
    "complaint",
    "hunt",
    "names",
    "sound",
    "specimen",
]

SPECIMENS = {
    one.name: one
    for home in (advantages, endings, loss, sampling, buffer, networks, normalisation, measurement)
    for one in home.SPECIMENS
}
Test = Callable[[ModuleType], None]


class RejectsTheSound(AssertionError):
    """The test rejects the sound package too, so that it says nothing about a bug."""


def names() -> tuple[str, ...]:
    """The names of all specimens, family by family."""
    return tuple(SPECIMENS)


def specimen(name: str) -> Specimen:
    """All that is known about one bug. Raises: KeyError that lists the names."""
    if name not in SPECIMENS:
        raise KeyError(f"no specimen {name!r}; there are: {', '.join(SPECIMENS)}")
    return SPECIMENS[name]


@cache
def _folder() -> tempfile.TemporaryDirectory:
    """One folder for all broken packages; it is removed when the interpreter ends."""
    return tempfile.TemporaryDirectory(prefix="ppo_zoo_")


def _complete(package: str) -> ModuleType:
    """The package with every module loaded, so that `core.gae` and `core.probes` are there."""
    for module in MODULES:
        importlib.import_module(f"{package}.{module}")
    return importlib.import_module(package)


def sound() -> ModuleType:
    """The sound core: `ppo_core` itself, with every module loaded."""
    return _complete("ppo_core")


@cache
def broken(name: str) -> ModuleType:
    """The whole core with that bug, imported under a name of its own; `ppo_core` itself stays as it is.

    Its attributes are those of `ppo_core` (`Trainer`, `PPOConfig`, `compute_gae`, ...) and its modules (`gae`, `loss`,
    ...). Made once and kept; its files are removed when the interpreter ends. Raises: KeyError, LookupError.
    """
    one = specimen(name)
    package = "ppo_zoo_" + name.replace("-", "_")
    write_package(Path(_folder().name), package, one.module, exchange(name, one.module, one.old, one.new))
    return _complete(package)


def complaint(test: Test, core: ModuleType) -> str:
    """What `test(core)` complains about in one line; empty if it accepts.

    A test rejects by an assertion, or because code of the package under test breaks down. An error of the test itself
    is the reader's to see, and is raised. torch's random numbers begin the same each time and are put back afterwards.
    """
    import torch

    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            test(core)
    except AssertionError as error:
        return _one_line(error)
    except Exception as error:
        home = Path(core.__file__).parent
        files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
        if any(file.parent == home for file in files):
            return _one_line(error)
        raise
    return ""


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else "an assertion without a message"
    text += "".join(" " + line for line in lines if line.startswith("Greatest absolute difference"))
    return text if isinstance(error, AssertionError) else f"{type(error).__name__}: {text}"


def _accepts_the_sound(test: Test) -> None:
    reason = complaint(test, sound())
    if reason:
        raise RejectsTheSound(
            f"{getattr(test, '__name__', 'your test')} rejects the sound package too, so it cannot tell a bug: {reason}"
        )


def caught(test: Test, name: str) -> bool:
    """Whether `test(core)` rejects that specimen. Raises: RejectsTheSound if it rejects the sound core as well."""
    core = broken(name)
    _accepts_the_sound(test)
    return bool(complaint(test, core))


@dataclass(frozen=True)
class Hunt:
    """What one test caught; prints as a table."""

    test: str
    sound: str  # what the test complains about in the sound package; empty if it accepts it, as it should
    complaints: dict[str, str]  # specimen: what the test complains about; empty if it does not notice

    @property
    def caught(self) -> tuple[str, ...]:
        """The specimens that the test rejects; none if it rejects the sound package too."""
        return tuple(name for name, text in self.complaints.items() if text and not self.sound)

    @property
    def missed(self) -> tuple[str, ...]:
        """The specimens that the test accepts."""
        return tuple(name for name, text in self.complaints.items() if not text)

    def __str__(self) -> str:
        if self.sound:
            return (
                f"{self.test} rejects the sound package too, so it cannot tell a bug.\n"
                f"It says: {self.sound}\nMend the test first, then hunt."
            )
        lines = [
            f"{self.test} accepts the sound package and catches {len(self.caught)} of {len(self.complaints)}."
        ]
        lines += [f"  caught  {name}" for name in self.caught]
        return "\n".join(lines)

    __repr__ = __str__


def hunt(test: Test) -> Hunt:
    """Run `test(core)` on the sound package and on every specimen. Returns: Hunt, which prints as a table."""
    return Hunt(
        getattr(test, "__name__", "the test"),
        complaint(test, sound()),
        {name: complaint(test, broken(name)) for name in SPECIMENS},
    )
