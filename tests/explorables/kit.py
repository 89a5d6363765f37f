"""What the tests of the explorables share: their pure functions are run by Node on numbers that Python makes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import ppo_core

explorables = pytest.importorskip("ppo_core.viz.explorables", reason="needs the lab extra (anywidget)")

FOLDER = Path(explorables.__file__).parent
TOLERANCE = 1e-6
ALL = [
    kind
    for kind in map(vars(explorables).get, explorables.__all__)
    if isinstance(kind, type)
    and issubclass(kind, explorables.Explorable)
    and kind is not explorables.Explorable
]


def node(script: str, data: object = None) -> object:
    """Run an ES module script with `input` (JSON) at hand; returns the JSON that it passes to `answer`."""
    if shutil.which("node") is None:
        if os.environ.get("CI"):
            pytest.fail("Node is not installed, and CI must run these tests")
        pytest.skip("Node is not installed")
    program = (
        "import { readFileSync } from 'node:fs';\n"
        "const input = JSON.parse(readFileSync(0, 'utf8'));\n"
        "const answer = (x) => process.stdout.write(JSON.stringify(x));\n" + script
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program],
        input=json.dumps(data),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def module(name: str) -> str:
    return json.dumps((FOLDER / f"{name}.mjs").as_uri())


def random_rollout(seed: int, num_steps: int = 40) -> dict[str, list]:
    """One environment's rollout, with both kinds of ending."""
    rng = np.random.default_rng(seed)
    rewards, values, next_values = rng.normal(size=(3, num_steps)).tolist()
    terminated = rng.random(num_steps) < 0.15
    truncated = ~terminated & (rng.random(num_steps) < 0.15)
    return {
        "rewards": rewards,
        "values": values,
        "next_values": next_values,
        "terminated": terminated.tolist(),
        "truncated": truncated.tolist(),
    }


def package_advantages(rollout: dict[str, list], gamma: float, gae_lambda: float) -> np.ndarray:
    columns = {name: torch.tensor(column)[:, None] for name, column in rollout.items()}
    columns = {
        name: column.double() if column.is_floating_point() else column for name, column in columns.items()
    }
    return ppo_core.compute_gae(**columns, gamma=gamma, gae_lambda=gae_lambda).advantages[:, 0].numpy()
