"""The rule of tests/conftest.py: a skip on a reader's machine is a failure in CI, except for a platform's limits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
SKIPPER = "import pytest\n\ndef test_it():\n    pytest.skip({reason!r})\n"


def outcome(folder: Path, reason: str, ci: str) -> str:
    (folder / "conftest.py").write_text(CONFTEST.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "test_skip.py").write_text(SKIPPER.format(reason=reason), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    env = {**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("reason", "ci", "expected"),
    [
        ("no Chromium", "", "1 skipped"),
        ("no Chromium", "true", "1 failed"),
        ("stable-baselines3 is not installed", "true", "1 failed"),
        ("platform: Windows has no fork", "true", "1 skipped"),
    ],
)
def test_a_skip_in_ci(tmp_path, reason, ci, expected):
    assert outcome(tmp_path, reason, ci).startswith(expected)
