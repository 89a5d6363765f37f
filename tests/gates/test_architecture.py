"""Gate 7: the arrows go one way, the core stays short, nothing hides at module level, public names state their shapes."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import architecture
import numpy as np
import pytest
from gatekit import ROOT

PACKAGE = ROOT / "ppo_core"


def test_imports_follow_the_arrows() -> None:
    assert architecture.upward_imports(PACKAGE) == []


def test_workers_never_import_torch() -> None:
    assert architecture.torch_imports(PACKAGE) == []


def test_nothing_hides_at_module_level() -> None:
    assert architecture.module_state(PACKAGE) == []


def test_the_core_is_read_in_one_sitting(record_property) -> None:
    sizes = {name: architecture.lines_of(PACKAGE / f"{name}.py") for name in architecture.READ_IN_ONE_SITTING}
    total, parallel = sum(sizes.values()), architecture.lines_of(PACKAGE / "parallel.py")
    record_property("core_lines", total)
    record_property("parallel_lines", parallel)
    if total > architecture.GUIDELINE:
        warnings.warn(
            f"the core has {total} lines, the guideline is {architecture.GUIDELINE}: {sizes}", stacklevel=1
        )
    found = {"config to trainer": total, "parallel": parallel}
    limits = {"config to trainer": architecture.LIMIT, "parallel": architecture.PARALLEL_LIMIT}
    assert {name: lines for name, lines in found.items() if lines > limits[name]} == {}, sizes


def test_public_names_have_docstrings_with_shapes() -> None:
    import ppo_core

    assert architecture.docstring_problems(ppo_core) == []


HEAVY = {"torch", "matplotlib", "ipywidgets", "anywidget", "IPython", "imageio", "safetensors"}


def loaded(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after `code`."""
    code += "\nimport sys; print(' '.join({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded("import ppo_core") & (HEAVY | {"gymnasium", "numpy"}) == set()


def test_what_a_worker_loads_is_light() -> None:
    assert loaded("import ppo_core.envs, ppo_core.parallel") & HEAVY == set()


def test_training_needs_no_notebook_packages() -> None:
    assert (
        loaded("import ppo_core\nfor name in ppo_core.__all__:\n    getattr(ppo_core, name)")
        & (HEAVY - {"torch", "safetensors"})
        == set()
    )


WORKER = """
import functools, sys
import gymnasium as gym, numpy as np
from ppo_core import ParallelVectorEnv

class Confession(gym.Env):
    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)
    def __init__(self, loads_torch):
        if loads_torch:
            import torch
    def reset(self, *, seed=None, options=None):
        return np.array(["torch" in sys.modules], np.float32), {}
    def step(self, action):
        return self.reset()[0], 0.0, False, False, {}

if __name__ == "__main__":
    for loads_torch in (False, True):
        with ParallelVectorEnv([functools.partial(Confession, loads_torch)] * 2, num_workers=1, start_method=sys.argv[1]) as env:
            print(env.reset(seed=0).ravel().tolist())
"""


@pytest.mark.parametrize("start_method", ["spawn", "forkserver"])
def test_a_worker_process_does_not_hold_torch(tmp_path: Path, start_method: str) -> None:
    import multiprocessing

    if start_method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"platform: no {start_method} here")
    script = tmp_path / "script.py"
    script.write_text(WORKER, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), start_method], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split("\n")[:2] == ["[0.0, 0.0]", "[1.0, 1.0]"], done.stderr


# --- planted faults


def fake_package(folder: Path, **sources: str) -> Path:
    package = folder / "ppo_core"
    package.mkdir()
    for name, source in sources.items():
        (package / f"{name}.py").write_text(source + "\n", encoding="utf-8")
    return package


@pytest.mark.parametrize(
    ("module", "source", "problem"),
    [
        ("gae", "from ppo_core.trainer import Trainer", "line 1: imports trainer, against the arrows"),
        ("gae", "def f():\n    from ppo_core.trainer import Trainer", "line 2: imports trainer, against the arrows"),
        ("gae", "def f():\n    def g():\n        import ppo_core.loss", "line 3: imports loss, against the arrows"),
        ("gae", "from . import trainer", "line 1: imports trainer, against the arrows"),
        ("gae", "from .trainer import Trainer", "line 1: imports trainer, against the arrows"),
        ("gae", "import importlib\nm = importlib.import_module('ppo_core.trainer')", "line 2: imports trainer, against the arrows"),
        ("gae", "import importlib\nm = importlib.import_module('.loss', 'ppo_core')", "line 2: imports loss, against the arrows"),
        ("gae", "try:\n    import ppo_core.loss\nexcept ImportError:\n    pass", "line 2: imports loss, against the arrows"),
        ("buffer", "from ppo_core.envs import StepResult", "line 1: imports envs, against the arrows"),
        ("config", "from ppo_core.errors import ConfigError\nimport ppo_core.__main__", "line 2: imports __main__, against the arrows"),
        ("loss", "from ppo_core import PPOConfig", "line 1: imports from the package's front door; name the module that owns it"),
        ("loss", "import ppo_core", "line 1: imports from the package's front door; name the module that owns it"),
        ("trainer", "def f():\n    from ppo_core.viz import LiveCurve", "line 2: imports ppo_core.viz, which is built on the core"),
        ("trainer", "import ppo_core.extras.normalize", "line 1: imports ppo_core.extras, which is built on the core"),
        ("__init__", "from ppo_core import teach", "line 1: imports ppo_core.teach, which is built on the core"),
        ("__init__", "from .viz import show", "line 1: imports ppo_core.viz, which is built on the core"),
        ("__main__", "from ppo_core.viz import films", "line 1: imports ppo_core.viz, which is built on the core"),
        (
            "gae",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ppo_core.loss import LossTerms",
            "line 3: names a type of loss, which is read later",
        ),
    ],
)  # fmt: skip
def test_an_upward_import_is_caught(tmp_path: Path, module: str, source: str, problem: str) -> None:
    assert architecture.upward_imports(fake_package(tmp_path, **{module: source})) == [
        f"{module}.py, {problem}"
    ]


def test_a_module_without_a_place_is_caught(tmp_path: Path) -> None:
    found = architecture.upward_imports(fake_package(tmp_path, helpers="import math"))
    assert found == ["helpers.py: a module that the table of arrows does not know"]


def test_imports_along_the_arrows_pass(tmp_path: Path) -> None:
    package = fake_package(
        tmp_path,
        __init__="import importlib\n\n\ndef f(name):\n    return importlib.import_module(f'ppo_core.{name}')",
        gae="import math\n\nimport torch\n\nfrom ppo_core.errors import ConfigError",
        parallel="from .envs import StepResult\nfrom ppo_core import envs",
        loss="from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from ppo_core.buffer import Minibatch",
        trainer="from ppo_core.loss import ppo_loss\nfrom ppo_core.checkpoint import save_checkpoint",
        __main__="from ppo_core.trainer import Trainer\n\n\ndef doctor():\n    from ppo_core.teach.doctor import main",
    )
    assert architecture.upward_imports(package) == []


@pytest.mark.parametrize(
    "source", ["import torch", "def f():\n    from torch import nn", "import torch.multiprocessing as mp"]
)
def test_torch_in_a_worker_is_caught(tmp_path: Path, source: str) -> None:
    (found,) = architecture.torch_imports(fake_package(tmp_path, parallel=source, policy="import torch"))
    assert found.startswith("parallel.py, line ") and "torch" in found


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("REGISTRY = {}", "`REGISTRY` is a mutable object"),
        ("cache = {'a': 1}", "`cache` is a mutable object"),
        ("names: list[str] = []", "`names` is a mutable object"),
        ("ENVS = {'a': 1}\n\n\ndef register(name):\n    ENVS[name] = 1", "`ENVS` is changed later"),
        ("ENVS = ['a']\n\n\ndef register(name):\n    ENVS.append(name)", "`ENVS` is changed later"),
        ("import threading\n\nLOCK = threading.Lock()", "`LOCK` is made by Lock()"),
        ("import logging\n\nlog = logging.getLogger()", "`log` is made by getLogger()"),
        ("from collections import defaultdict\n\nX = defaultdict(list)", "`X` is made by defaultdict()"),
        ("count = 0\n\n\ndef f():\n    global count\n    count += 1", "`global count`"),
        ("import logging\n\nlogging.basicConfig()", "`logging.basicConfig()` works at import"),
    ],
)  # fmt: skip
def test_state_at_module_level_is_caught(tmp_path: Path, source: str, words: str) -> None:
    found = architecture.module_state(fake_package(tmp_path, envs=source))
    assert found and any(words in problem for problem in found)


def test_constants_at_module_level_pass(tmp_path: Path) -> None:
    source = (
        "import re\nfrom dataclasses import dataclass\n\n__all__ = ['f']\nLIMIT = 3\nHOME = {'a': 1}\nWORD = re.compile('a')\n"
        "NAMES = ('a', 'b')\nKIND = frozenset({1})\nEnvFn = dict[str, int]\n\n\n@dataclass(frozen=True)\nclass Preset:\n    n: int\n\n\n"
        "CARTPOLE = Preset(3)\n\n\ndef f():\n    local = {}\n    local['a'] = 1\n\n\nif __name__ == '__main__':\n    f()"
    )
    assert architecture.module_state(fake_package(tmp_path, config=source)) == []


def test_a_long_core_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text('"""Doc."""\n\n\n# why\nx = 1\n', encoding="utf-8")
    assert architecture.lines_of(path) == 3


class Undocumented(NamedTuple):
    obs: np.ndarray


class NoShape(NamedTuple):
    """Some arrays."""

    obs: np.ndarray


class WithShape(NamedTuple):
    """Some arrays, each [T, N]."""

    obs: np.ndarray


def no_docstring(values: np.ndarray) -> np.ndarray:
    return values


def no_shape(values: np.ndarray) -> np.ndarray:
    """The values."""
    return values


def with_shape(values: np.ndarray) -> float:
    """The mean of values [T, N]."""
    return float(values.mean())


def no_arrays(name: str) -> str:
    """The name."""
    return name


class Methods:
    """A class."""

    def act(self, obs: np.ndarray) -> np.ndarray:
        """The action."""
        return obs

    def close(self):
        return None


def test_missing_docstrings_and_shapes_are_caught() -> None:
    module = ModuleType("fake")
    things = [Undocumented, NoShape, WithShape, no_docstring, no_shape, with_shape, no_arrays, Methods]
    module.__all__ = [thing.__name__ for thing in things]
    vars(module).update({thing.__name__: thing for thing in things})
    assert architecture.docstring_problems(module) == [
        "Undocumented has no docstring",
        "NoShape: its docstring states no shape",
        "no_docstring has no docstring",
        "no_shape: its docstring states no shape",
        "Methods.act: its docstring states no shape",
        "Methods.close has no docstring",
    ]
