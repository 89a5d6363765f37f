"""The package with a few words exchanged, under another name: how a planted bug becomes a program that runs.

`ppo_core` itself is never touched. The text is that of the installed package, so a bug that no longer applies
to it is an error here, and not a test that quietly proves nothing.
"""

from __future__ import annotations

import importlib
import re
import sys
from itertools import pairwise
from pathlib import Path

import ppo_core

SOURCE = Path(ppo_core.__file__).parent
MODULES = tuple(
    sorted(path.stem for path in SOURCE.glob("*.py") if path.stem not in ("__init__", "__main__"))
)


def pattern(old: str) -> re.Pattern:
    """`old` with any white space between its tokens, and with the commas that a formatter adds before a bracket."""
    tokens = re.findall(r"\w+|[^\w\s]", old)
    joined = re.escape(tokens[0])
    for before, token in pairwise(tokens):
        gap = r"\s+" if before[-1].isalnum() and token[0].isalnum() else r"\s*"
        joined += (r"\s*,?\s*" if token in ")]}" else gap) + re.escape(token)
    return re.compile(joined)


def read(module: str) -> str:
    """The source of a module of the core: `read("gae")`."""
    return (SOURCE / f"{module}.py").read_text(encoding="utf-8")


def exchange(name: str, module: str, old: str, new: str) -> str:
    """The source of `module` with `old`, whatever its line breaks, replaced by `new`.

    Raises: LookupError unless `old` occurs exactly once.
    """
    changed, count = pattern(old).subn(lambda match: new, read(module))
    if count != 1:
        raise LookupError(
            f"mutant {name}: {old!r} occurs {count} times in {module}.py, expected once: adapt the table"
        )
    return changed


def write_package(folder: Path, package: str, module: str, changed: str) -> None:
    """A copy of the core as `folder/package`, in which `module` has the source `changed`; importable from now on."""
    home = folder / package
    home.mkdir()
    for path in SOURCE.glob("*.py"):
        source = changed if path.stem == module else path.read_text(encoding="utf-8")
        (home / path.name).write_text(source.replace("ppo_core", package), encoding="utf-8")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()


def forget_package(package: str) -> None:
    """Take the modules of `package` out of the interpreter's memory."""
    for name in [name for name in sys.modules if name == package or name.startswith(package + ".")]:
        del sys.modules[name]
