"""Gate 3: `core` cells are the package's code, and the equations of docstrings are tested."""

from __future__ import annotations

from pathlib import Path

import agreement
import pytest
from gatekit import CHAPTERS, ROOT


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_core_cells_are_the_package(path: Path) -> None:
    assert list(agreement.core_problems(path, ROOT / "ppo_core")) == []


def test_every_equation_of_a_docstring_is_tested() -> None:
    assert agreement.untested_equations(ROOT / "ppo_core", ROOT / "tests") == []


# --- planted faults, in a copy of a small package

GAE = '''"""Advantages."""
import torch


def compute_gae(rewards, values, gamma):
    """The estimate.

    δ_t = r_t + γ V(o_{t+1}) - V(o_t)
    """
    # from the last step to the first
    deltas = rewards + gamma * values[1:] - values[:-1]  # [T]
    return deltas


class Trainer:
    """Trains."""

    def collect(self):
        """One rollout."""
        return self.steps * 2


class Other:
    def collect(self):
        return 1
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "ppo_core"
    folder.mkdir()
    (folder / "gae.py").write_text(GAE, encoding="utf-8")
    return folder


SAME = "def compute_gae(rewards, values, gamma):\n    deltas = (rewards + gamma * values[1:]) - values[:-1]\n    return deltas"
METHOD = "def collect(self):\n    return self.steps * 2"
CLASS = "class Trainer:\n    def collect(self):\n        'Other words.'\n        return self.steps * 2"


@pytest.mark.parametrize(
    "source", [SAME, f"import torch\n\n{SAME}\n\ncompute_gae", METHOD, CLASS], ids=range(4)
)
def test_the_same_code_with_other_words_agrees(notebook, package: Path, source: str) -> None:
    assert list(agreement.core_problems(notebook(("code", source, "core")), package)) == []


def test_a_cell_without_the_tag_is_free(notebook, package: Path) -> None:
    assert (
        list(agreement.core_problems(notebook(("code", "def compute_gae():\n    return 1")), package)) == []
    )


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            SAME.replace("gamma * values[1:]", "values[1:]"),
            "cell 'cell-a': `compute_gae` is not ppo_core.gae.compute_gae",
        ),
        (SAME.replace("gamma):", "gamma=0.99):"), "is not ppo_core.gae.compute_gae"),
        (METHOD.replace("2", "3"), "`collect` is not ppo_core.gae.Trainer.collect"),
        (CLASS.replace("2", "3"), "`Trainer` is not ppo_core.gae.Trainer"),
        ("def gae(x):\n    return x", "the package defines no `gae`"),
        ("def collect(steps):\n    return 1", "the package defines no `collect`"),
        ("x = 1", "is tagged core and defines nothing"),
    ],
    ids=range(7),
)
def test_an_edited_core_cell_is_caught(notebook, package: Path, source: str, words: str) -> None:
    path = notebook(("md", "# T"), ("code", source, "core"))
    problems = list(agreement.core_problems(path, package))
    assert len(problems) == 1 and words.replace("cell-a", "cell-b") in problems[0], problems


def test_the_message_shows_the_lines_that_differ(notebook, package: Path) -> None:
    path = notebook(("code", SAME.replace("gamma * values[1:]", "values[1:]"), "core"))
    (problem,) = agreement.core_problems(path, package)
    assert "-    deltas = rewards + gamma * values[1:] - values[:-1]" in problem
    assert "+    deltas = rewards + values[1:] - values[:-1]" in problem


def test_an_equation_without_a_test_is_caught(package: Path, tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    file = tests / "test_gae.py"
    file.write_text("# compute_gae is only mentioned\nx = 'compute_gae'\n", encoding="utf-8")
    assert agreement.untested_equations(package, tests) == [
        "ppo_core.gae.compute_gae states an equation that no test uses"
    ]
    file.write_text(
        "from ppo_core import compute_gae\n\n\ndef test():\n    assert compute_gae(1, 2, 3)\n",
        encoding="utf-8",
    )
    assert agreement.untested_equations(package, tests) == []


@pytest.mark.parametrize(
    ("line", "equation"),
    [
        ("    A_t = δ_t + γ λ (1 - done_t) A_{t+1},   done = terminated or truncated", True),
        ("ratio = exp(logprobs - old_logprobs)", True),
        ("L = -mean(min(ratio * A, clip(ratio, 1 - ε, 1 + ε) * A))", True),
        ("Args: every tensor is [T, N]; `gamma` = 0.99 by default.", False),
        ("trainer = Trainer(config)", False),
        ("Returns the loss, λ included.", False),
    ],
)
def test_what_counts_as_an_equation(line: str, equation: bool) -> None:
    assert agreement.has_equation(f"First line.\n\n{line}\n") is equation
