"""How a study is kept: a small CSV whose first lines say which command, seeds, settings and versions it belongs to."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from ppo_core import PPOConfig

PACKAGES = ("torch", "gymnasium", "numpy")


def seeds_up_to(count: int) -> str:
    return ", ".join(str(seed) for seed in range(1, count + 1))


def default_settings(**changes: object) -> str:
    """The settings of a run as JSON, without the seed."""
    settings = PPOConfig(**changes).to_dict()
    return json.dumps({name: value for name, value in settings.items() if name != "seed"})


def versions() -> str:
    return ", ".join(
        [f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES)]
    )


def header(command: str, *, columns: str | dict[str, str], seeds: str = "", **facts: str) -> list[str]:
    """What the numbers belong to, as `# name: value` lines. `columns` is a sentence, or one for each column."""
    lines = {
        "command": command,
        **({"seeds": seeds} if seeds else {}),
        "package": f"ppo_core {version('ppo-core')}",
        **facts,
        "versions": versions(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    meanings = (
        {"columns": columns} if isinstance(columns, str) else {f"column {k}": v for k, v in columns.items()}
    )
    return [f"# {name}: {text}" for name, text in {**lines, **meanings}.items()]


def write_table(
    file: Path, head: list[str], rows: Iterable[dict[str, object]], names: Iterable[str] | None = None
) -> None:
    """Write the header and one line for each row; `names` are the columns (default: those of the first row)."""
    rows = list(rows)
    text = io.StringIO()
    table = csv.DictWriter(text, list(names or rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    file.write_text("\n".join(head) + "\n" + text.getvalue(), encoding="utf-8", newline="\n")
