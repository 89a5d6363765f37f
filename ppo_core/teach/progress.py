"""What a reader has tried and solved: one small JSON file on this machine. Nothing is ever sent anywhere."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path


def state_file() -> Path | None:
    """Where progress is kept: $PPO_TEACH_STATE, else the user's data folder. None, if the variable is set and empty."""
    if "PPO_TEACH_STATE" in os.environ:
        return Path(os.environ["PPO_TEACH_STATE"]) if os.environ["PPO_TEACH_STATE"] else None
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "ppo-core" / "progress.json"


def read() -> dict[str, dict]:
    """Progress by exercise name; empty if there is none, or if the file cannot be read."""
    file = state_file()
    try:
        progress = json.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError):
        return {}
    return progress if isinstance(progress, dict) else {}


def record(name: str, **changes: object) -> None:
    """Merge `changes` into the entry of exercise `name`. A folder that cannot be written stops no lesson."""
    file = state_file()
    if file is None:
        return
    progress = read()
    progress[name] = {**progress.get(name, {}), **changes}
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        draft.write_text(json.dumps(progress, indent=1, sort_keys=True), encoding="utf-8")
        os.replace(draft, file)
