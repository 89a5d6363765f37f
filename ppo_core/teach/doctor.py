"""Is this computer ready for the book? A dozen short checks, each with what to do about it. Nothing is sent anywhere."""

from __future__ import annotations

import argparse
import functools
import html
import importlib.metadata
import json
import multiprocessing
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

LAB = 'pip install "ppo-core[lab]" (make lab does it)'


class Check(NamedTuple):
    """What one check found; `remedy` is empty where all is well. What is not `needed` fails without harm."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    needed: bool = True


class Report(NamedTuple):
    """Everything that was found; prints as a text table, and shows as an HTML table in a notebook."""

    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        """Whether everything that the chapters need is there."""
        return all(check.ok for check in self.checks if check.needed)

    def to_dict(self) -> dict:
        """Plain values, as `--json` prints them."""
        return {"ready": self.ready, "checks": [check._asdict() for check in self.checks]}

    def __str__(self) -> str:
        return "\n".join([*map(_line, self.checks), _verdict(self)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td style="text-align:left;white-space:nowrap">{_word(check)}</td><th scope="row" style="text-align:left">{html.escape(check.name)}</th>'
            f'<td style="text-align:left">{html.escape(check.detail)}{"<br>" if check.remedy else ""}<em>{html.escape(check.remedy)}</em></td></tr>'
            for check in self.checks
        )
        head = '<tr><th scope="col">state</th><th scope="col">what</th><th scope="col">found</th></tr>'
        return f'<table class="dataframe ppo-report"><thead>{head}</thead><tbody>{rows}</tbody></table><p>{html.escape(_verdict(self))}</p>'


class Problem(Exception):
    """What is wrong, and what to do about it."""

    def __init__(self, detail: str, remedy: str):
        super().__init__(detail)
        self.detail, self.remedy = detail, remedy


def doctor(smoke_seconds: float = 5.0) -> Report:
    """Run every check; the last one trains for `smoke_seconds` to measure steps per second."""
    return Report(tuple(examine(smoke_seconds)))


def report_card(smoke_seconds: float = 2.0) -> Report:
    """The report for a notebook: a table as the cell's output."""
    return doctor(smoke_seconds)


def main(argv: list[str] | None = None) -> int:
    """The command `python -m ppo_core doctor`. Returns the exit code: 0 ready, 1 not ready."""
    parser = argparse.ArgumentParser(
        prog="python -m ppo_core doctor", description="Check that this computer is ready for the book."
    )
    parser.add_argument(
        "--json", action="store_true", help="print the report as JSON, to paste into a question"
    )
    options = parser.parse_args(argv)
    found = []
    for check in examine():
        found.append(check)
        if not options.json:
            print(_line(check), flush=True)
    report = Report(tuple(found))
    print(json.dumps(report.to_dict(), indent=1, ensure_ascii=False) if options.json else _verdict(report))
    return 0 if report.ready else 1


def examine(smoke_seconds: float = 5.0) -> Iterator[Check]:
    """The checks, one after the other, each as soon as it is done. No check stops the ones after it."""
    probes: list[tuple[str, bool, Callable[[], str]]] = [
        ("Python", True, python),
        ("computer", True, computer),
        ("working folder", True, working_folder),
        ("torch", True, torch_works),
        ("threads", False, threads),
        ("accelerator", False, accelerator),
        ("environment", True, environment),
        ("pictures of it", False, pictures),
        ("worker processes", True, workers),
        ("notebooks", False, notebooks),
        ("kernel", False, kernel),
        ("films", False, films),
        ("training", True, functools.partial(training, smoke_seconds)),
    ]
    for name, needed, probe in probes:
        try:
            yield Check(name, True, _private(probe()), needed=needed)
        except Problem as problem:
            yield Check(name, False, _private(problem.detail), _private(problem.remedy), needed)
        except Exception as error:  # what a check could not foresee is a finding too
            yield Check(
                name,
                False,
                _private(f"{type(error).__name__}: {error}"),
                "see the message; if it is unclear, report it with --json",
                needed,
            )


# ---- the checks: each returns what it found, or raises Problem


def python() -> str:
    """Python's version, and whether torch has builds for it."""
    version = platform.python_version()
    if sys.maxsize < 2**32:
        raise Problem(f"{version}, 32 bit", "install a 64-bit Python: torch has no other builds")
    inside = (
        "in a virtual environment"
        if sys.prefix != sys.base_prefix or "CONDA_PREFIX" in os.environ
        else "without a virtual environment"
    )
    return f"{version}, {inside}"


def computer() -> str:
    """Cores, memory, and free disk."""
    cores, memory, disk = usable_cores(), memory_gib(), shutil.disk_usage(".").free / 2**30
    found = f"{platform.system()} {platform.machine()}, {cores} {'core' if cores == 1 else 'cores'}, "
    found += f"{memory:.1f} GiB of memory, " if memory else "memory unknown, "
    found += f"{disk:.0f} GiB free on the disk"
    if memory and memory < 3:
        raise Problem(found, "close other programs: a chapter needs about 2 GiB")
    if disk < 1:
        raise Problem(found, "free some disk space: the book and its outputs need about 1 GiB")
    return found


def working_folder() -> str:
    """Whether checkpoints and films can be written here."""
    try:
        with tempfile.NamedTemporaryFile(dir="."):
            return "can be written"
    except OSError as error:
        raise Problem(
            f"cannot be written ({error.strerror})", "start from a folder that belongs to you"
        ) from None


def torch_works() -> str:
    """A matrix product and its gradient."""
    try:
        import torch
    except (ImportError, OSError) as error:
        raise Problem(
            f"cannot be imported: {error}",
            "pip install torch (on Linux add --index-url https://download.pytorch.org/whl/cpu for the small CPU build)",
        ) from None
    x = torch.eye(64, requires_grad=True)
    (x @ x).sum().backward()
    if not torch.equal(x.grad, torch.full((64, 64), 2.0)):
        raise Problem(
            f"{torch.__version__} computes a wrong gradient",
            "reinstall torch: pip install --force-reinstall torch",
        )
    return f"{torch.__version__}, a product and its gradient are right"


def threads() -> str:
    """How many threads torch takes: for small networks one is fastest, and workers compete for the rest."""
    import torch

    return f"torch takes {torch.get_num_threads()} of {usable_cores()}; the trainer uses 1, which is fastest for small networks"


def accelerator() -> str:
    """A GPU, if there is one, and what it is good for here."""
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name(0)}; not needed: networks this small are faster on the CPU"
    if torch.backends.mps.is_available():
        return "Apple GPU (MPS); not needed: networks this small are faster on the CPU"
    return "none, and none is needed"


def environment() -> str:
    """One step of CartPole."""
    try:
        import gymnasium as gym
    except ImportError as error:
        raise Problem(
            f"gymnasium cannot be imported: {error}", 'pip install "gymnasium[classic-control]"'
        ) from None
    env = gym.make("CartPole-v1")
    obs, _ = env.reset(seed=0)
    reward = env.step(0)[1]
    env.close()
    if obs.shape != (4,) or reward != 1.0:
        raise Problem(
            f"CartPole answers oddly: {obs.shape}, reward {reward}", "pip install --upgrade gymnasium"
        )
    return f"gymnasium {gym.__version__}, CartPole-v1 steps"


def pictures() -> str:
    """A frame of CartPole, drawn without a display."""
    import gymnasium as gym

    driver = os.environ.get("SDL_VIDEODRIVER")
    os.environ["SDL_VIDEODRIVER"] = driver or "dummy"  # else SDL complains where there is no display
    try:
        env = gym.make("CartPole-v1", render_mode="rgb_array")
        env.reset(seed=0)
        frame = env.render()
        env.close()
    except (ImportError, gym.error.DependencyNotInstalled) as error:
        raise Problem(
            f"cannot be drawn: {error}",
            'pip install "gymnasium[classic-control]" (it brings pygame-ce; remove pygame first)',
        ) from None
    finally:
        if driver is None:
            del os.environ["SDL_VIDEODRIVER"]
    return f"a frame of {frame.shape[1]} by {frame.shape[0]}, without a display"


def workers() -> str:
    """Two worker processes that step CartPole, or an error within a minute."""
    import numpy as np

    from ppo_core.envs import make_env
    from ppo_core.errors import WorkerError
    from ppo_core.parallel import ParallelVectorEnv

    started = time.perf_counter()
    try:
        with ParallelVectorEnv(
            [functools.partial(make_env, "CartPole-v1")] * 2, num_workers=2, step_timeout=20, start_timeout=60
        ) as env:
            env.reset(seed=0)
            ready = time.perf_counter() - started
            started = time.perf_counter()
            for _ in range(200):
                env.step(np.array([0, 1]))
            rate = 400 / (time.perf_counter() - started)
    except WorkerError as error:
        raise Problem(
            str(error).splitlines()[0],
            "let the security software start Python processes, and see chapter 7; num_workers=0 works without them",
        ) from None
    return f"2 started in {ready:.1f} s ({multiprocessing.get_start_method()} is this Python's default), {rate:,.0f} environment steps per second"


def notebooks() -> str:
    """JupyterLab, widgets and plots."""
    names = ("jupyterlab", "ipykernel", "ipywidgets", "anywidget", "matplotlib")
    versions = {name: _version(name) for name in names}
    if missing := [name for name, version in versions.items() if not version]:
        raise Problem(f"not installed: {', '.join(missing)}", LAB)
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def kernel() -> str:
    """Whether JupyterLab's kernel is this Python, and not another one that lacks the package."""
    if "ipykernel" in sys.modules:
        return "this notebook runs in the Python that was checked"
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError:
        raise Problem("jupyter_client is not installed", LAB) from None
    try:
        command = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        raise Problem("there is no kernel called python3", LAB) from None
    if Path(command).name == command:  # "python" means the Python that runs Jupyter
        command = (
            shutil.which("jupyter-lab", path=str(Path(sys.executable).parent))
            or shutil.which(command)
            or command
        )
    found = Path(command)
    if found.parent.resolve() != Path(sys.executable).parent.resolve():
        raise Problem(
            f"the kernel python3 is {found}, not this Python",
            "python -m ipykernel install --sys-prefix --name python3",
        )
    return "python3 is this Python"


def films() -> str:
    """ffmpeg, for films of the agent."""
    try:
        import imageio_ffmpeg

        return f"ffmpeg {imageio_ffmpeg.get_ffmpeg_version()}"
    except (ImportError, RuntimeError):
        raise Problem("no ffmpeg: films will be GIFs", LAB) from None


def training(seconds: float) -> str:
    """PPO on CartPole for some seconds: does it run, and how fast?"""
    from ppo_core.config import PPOConfig
    from ppo_core.trainer import Trainer

    with Trainer(PPOConfig()) as trainer:
        started, losses = time.perf_counter(), []
        for stats in trainer.run():
            losses.append(stats.value_loss)
            if time.perf_counter() - started >= seconds:
                break
        rate = stats.global_step / (time.perf_counter() - started)
    minutes = PPOConfig().total_timesteps / rate / 60
    found = (
        f"{rate:,.0f} steps per second: solving CartPole takes about {max(minutes * 60, 1):.0f} s"
        if minutes < 2
        else f"{rate:,.0f} steps per second: solving CartPole takes about {minutes:.0f} min"
    )
    if rate < 500:
        raise Problem(
            found,
            "close other programs, and plug the computer in; the chapters will take longer than they say",
        )
    return found


# ---- helpers


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_gib() -> float | None:
    """Memory of the computer, or of the container if that is less; None where it cannot be found out."""
    sizes = []
    try:
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        if sys.platform == "win32":
            sizes.append(_windows_memory())
    try:
        sizes.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        pass
    return min(sizes) / 2**30 if sizes else None


def _windows_memory() -> int:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *(
                (name, ctypes.c_ulonglong)
                for name in ("total", "free", "page", "freepage", "virtual", "freevirtual", "extended")
            ),
        ]

    status = Status(length=ctypes.sizeof(Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return status.total


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _private(text: str) -> str:
    """The text without the name of the user's folder."""
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text


def _word(check: Check) -> str:
    return "ok" if check.ok else "MISSING" if check.needed else "optional"


def _line(check: Check) -> str:
    remedy = f"\n{'':10}{'':18}-> {check.remedy}" if check.remedy else ""
    return f"{_word(check):<10}{check.name:<18}{check.detail}{remedy}"


def _verdict(report: Report) -> str:
    missing = [check.name for check in report.checks if check.needed and not check.ok]
    if missing:
        return f"Not ready: {', '.join(missing)}. The lines marked MISSING say what to do."
    optional = [check.name for check in report.checks if not check.ok]
    return "Ready." + (f" Without harm for the core: {', '.join(optional)}." if optional else "")
