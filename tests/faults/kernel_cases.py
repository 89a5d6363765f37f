"""Vectors of environments, and training, in a real Jupyter kernel: interrupt, restart, shutdown.

A kernel is started by jupyter_client, as a notebook starts it. The class of the environment is defined in a cell. While a
step is under way, the kernel is interrupted in both ways there are: on Linux and macOS Jupyter sends SIGINT to the
whole process group, so that the workers get it too; elsewhere, and in some editors, only the kernel gets it.
The verdicts are those of `fault_suite.py`; each case has a kernel of its own.
"""

from __future__ import annotations

import argparse
import os
import queue
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [path for path in (str(HERE), str(HERE.parents[1])) if path not in sys.path]

import fault_adapters  # noqa: E402
from fault_suite import Result  # noqa: E402
from fault_trial import SCALE, TOKEN, carriers  # noqa: E402

ADAPTERS = ("ours", "gymnasium", "stable-baselines3")
ANSWER = 5.0 * SCALE  # seconds that an interrupt, a reset or close() may take
GONE = 3.0 * SCALE  # seconds after the end in which every process must be gone
LONG = 7  # the action that takes long

CELL = """
import multiprocessing, time
import gymnasium as gym
import numpy as np
import fault_adapters

class Slow(gym.Env):
    observation_space = gym.spaces.Box(-1e6, 1e6, (3,), np.float32)
    action_space = gym.spaces.Discrete(10)
    def __init__(self, index):
        self.index, self.t = index, 0
    def row(self, action):
        return np.array([self.index, self.t, action], np.float32)
    def reset(self, *, seed=None, options=None):
        self.t = 0
        return self.row(-1), {}
    def step(self, action):
        self.t += 1
        if action == 7:
            time.sleep(1.5)
        return self.row(action), 0.0, False, False, {}

def rows(result):
    return np.asarray(result.obs if hasattr(result, "obs") else result[0]).astype(int).tolist()

def make():
    factory = fault_adapters.ADAPTERS["%s"][2]
    return factory([lambda i=i: Slow(i) for i in range(2)], "%s")
"""


class Stuck(Exception):
    """A cell did not answer in time."""


class Kernel:
    """A Jupyter kernel whose processes can be found again. Use it as a context manager."""

    def __enter__(self) -> Kernel:
        from jupyter_client import KernelManager

        self.token = f"{os.getpid()}-{secrets.token_hex(8)}"
        paths = [str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, TOKEN: self.token, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # fmt: skip
        self.manager = KernelManager(kernel_name="python3")
        self.manager.shutdown_wait_time = 5.0
        self.manager.start_kernel(env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.connect()
        return self

    def connect(self) -> None:
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60 * SCALE)

    def __exit__(self, *exception: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        for pid in carriers(self.token):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    @property
    def pid(self) -> int:
        return self.manager.provisioner.pid

    def begin(self, code: str) -> str:
        return self.client.execute(code)

    def end(self, request: str, limit: float = 60.0 * SCALE) -> tuple[str, str]:
        """What the cell printed, and "ErrorName: message" or nothing. Raises Stuck."""
        text, error, until = "", "", time.monotonic() + limit
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                raise Stuck(f"no answer within {limit:g} s") from None
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "stream" and content["name"] == "stdout":
                text += content["text"]
            elif message["msg_type"] == "error":
                error = f"{content['ename']}: {content['evalue']}"
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                return text.strip(), error

    def cell(self, code: str, limit: float = 60.0 * SCALE) -> tuple[str, str]:
        return self.end(self.begin(code), limit)

    def must(self, code: str) -> str:
        text, error = self.cell(code)
        if error:
            raise AssertionError(f"{code.strip().splitlines()[-1]}: {error}")
        return text

    def interrupt(self, who: str) -> None:
        if who == "group":
            self.manager.interrupt_kernel()
        else:
            os.kill(self.pid, signal.SIGINT)

    def left(self, without: set[int] = frozenset()) -> set[int]:
        """The processes that are still there after the time in which they must be gone."""
        until = time.monotonic() + GONE
        while (there := set(carriers(self.token)) - without) and time.monotonic() < until:
            time.sleep(0.05)
        return there


Trial = Callable[[Kernel], tuple[str, str]]
CASES: dict[str, tuple[str, Trial]] = {}


def case(what: str) -> Callable[[Trial], Trial]:
    def add(trial: Trial) -> Trial:
        CASES[trial.__name__] = (what, trial)
        return trial

    return add


def interrupted_step(kernel: Kernel, who: str, times: int = 1) -> str:
    """Interrupt a step of both environments half a second after it began; the error in the learner's cell."""
    kernel.must("vec = make(); first = rows([vec.reset(seed=1)]); print(rows(vec.step([3, 4])))")
    request = kernel.begin(f"vec.step([{LONG}, {LONG}])")
    time.sleep(0.5)
    for _ in range(times):
        kernel.interrupt(who)
        time.sleep(0.1)
    return kernel.end(request, ANSWER)[1]


def judge_step(text: str, error: str, actions: list[int]) -> tuple[str, str]:
    if error:
        return ("PASS" if "reset" in error else "WEAK"), f"step(): {short(error)}"
    answered = [row[2] for row in eval(text)]
    return ("PASS", "right rows") if answered == actions else ("SILENT", f"rows answer {answered}, sent {actions}")  # fmt: skip


def then_step(kernel: Kernel, who: str) -> tuple[str, str]:
    interrupted_step(kernel, who)
    return judge_step(*kernel.cell("print(rows(vec.step([1, 2])))", ANSWER), [1, 2])


def then_reset(kernel: Kernel, who: str) -> tuple[str, str]:
    interrupted_step(kernel, who)
    text, error = kernel.cell("print(rows([vec.reset()]))", ANSWER)
    if error:
        return "WEAK", f"reset(): {short(error)}"
    if eval(text) != [[0, 0, -1], [1, 0, -1]]:
        return "SILENT", f"reset() gives {text}"
    text, error = kernel.cell("print(rows(vec.step([1, 2])))", ANSWER)
    if error or eval(text) != [[0, 1, 1], [1, 1, 2]]:
        return ("WEAK", short(error)) if error else ("SILENT", f"then step() gives {text}")
    return "PASS", "reset() and step() give right rows"


def then_close(kernel: Kernel, who: str, times: int = 1) -> tuple[str, str]:
    interrupted_step(kernel, who, times)
    text, error = kernel.cell("vec.close(); print(len(multiprocessing.active_children()))", ANSWER)
    if error:
        return "WEAK", f"close(): {short(error)}"
    return ("PASS", "closed, no worker left") if text == "0" else ("LEAK", f"{text} workers left")


@case("interrupt of the whole group, then step()")
def interrupt_then_step(kernel: Kernel) -> tuple[str, str]:
    return then_step(kernel, "group")


@case("interrupt of the whole group, then reset()")
def interrupt_then_reset(kernel: Kernel) -> tuple[str, str]:
    return then_reset(kernel, "group")


@case("interrupt of the whole group, then close()")
def interrupt_then_close(kernel: Kernel) -> tuple[str, str]:
    return then_close(kernel, "group")


@case("two interrupts of the whole group, then close()")
def two_interrupts_then_close(kernel: Kernel) -> tuple[str, str]:
    return then_close(kernel, "group", 2)


@case("interrupt of the kernel alone, then step()")
def lone_interrupt_then_step(kernel: Kernel) -> tuple[str, str]:
    return then_step(kernel, "alone")


@case("interrupt of the kernel alone, then reset()")
def lone_interrupt_then_reset(kernel: Kernel) -> tuple[str, str]:
    return then_reset(kernel, "alone")


@case("interrupt of the kernel alone, then close()")
def lone_interrupt_then_close(kernel: Kernel) -> tuple[str, str]:
    return then_close(kernel, "alone")


@case("interrupt while the environments are being made, then made anew")
def interrupt_while_made(kernel: Kernel) -> tuple[str, str]:
    kernel.must("make().close()")  # everything that is imported on the way is imported
    kernel.must("class Late(Slow):\n    def __init__(self, index):\n        time.sleep(1.5)\n        super().__init__(index)\nQuick, Slow = Slow, Late")  # fmt: skip
    request = kernel.begin("vec = make()")
    time.sleep(0.7)
    kernel.interrupt("group")
    _, error = kernel.end(request, ANSWER + 5)
    if "KeyboardInterrupt" not in error:
        return "WEAK", f"the cell says: {short(error) or 'nothing'}"
    text, error = kernel.cell("Slow = Quick; vec = make(); vec.reset(seed=1); print(rows(vec.step([1, 2])))", 30 * SCALE)  # fmt: skip
    return ("WEAK", short(error)) if error else judge_step(text, error, [1, 2])


@case("restart of the kernel while a step is under way, then everything anew")
def restart(kernel: Kernel) -> tuple[str, str]:
    kernel.must("vec = make(); vec.reset(seed=1)")
    kernel.begin(f"vec.step([{LONG}, {LONG}])")
    time.sleep(0.3)
    old = set(carriers(kernel.token))
    kernel.client.stop_channels()
    kernel.manager.restart_kernel(now=True)
    kernel.connect()
    until = time.monotonic() + GONE
    while (orphans := old & set(carriers(kernel.token))) and time.monotonic() < until:
        time.sleep(0.05)
    if orphans:
        return "LEAK", f"{len(orphans)} processes of the old kernel"
    kernel.must(kernel.source)
    return judge_step(*kernel.cell("vec = make(); vec.reset(seed=1); print(rows(vec.step([1, 2])))"), [1, 2])


@case("shutdown of the kernel, environments open")
def shutdown(kernel: Kernel) -> tuple[str, str]:
    kernel.must("vec = make(); vec.reset(seed=1)")
    started = time.monotonic()
    kernel.manager.shutdown_kernel(now=False)
    seconds = time.monotonic() - started
    if left := kernel.left():
        return "LEAK", f"{len(left)} processes"
    return ("PASS", "everything is gone") if seconds < ANSWER else ("HANG", "had to be killed")


@case("the kernel is killed while a step is under way")
def kernel_killed(kernel: Kernel) -> tuple[str, str]:
    kernel.must("vec = make(); vec.reset(seed=1)")
    kernel.begin(f"vec.step([{LONG}, {LONG}])")
    time.sleep(0.3)
    os.kill(kernel.pid, signal.SIGKILL)
    left = kernel.left()
    return ("LEAK", f"{len(left)} processes") if left else ("PASS", "everything is gone")


TRAINERS = {
    "ours": """
import hashlib, torch, ppo_core
torch.set_num_threads(1)
def make_trainer():
    return ppo_core.Trainer(ppo_core.PPOConfig(num_envs=2, num_steps=64, hidden_size=16, total_timesteps=128 * 12, num_workers=2))
def go_on(trainer):
    for stats in trainer.run():
        print(stats.iteration, flush=True)
    return hashlib.sha256(trainer.weights.detach().numpy().tobytes()).hexdigest()[:16]
""",
    "stable-baselines3": """
import hashlib, torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import SubprocVecEnv
torch.set_num_threads(1)
def make_trainer():
    env = SubprocVecEnv([lambda: gym.make("CartPole-v1")] * 2, start_method=METHOD)
    return PPO("MlpPolicy", env, n_steps=64, batch_size=32, n_epochs=4, seed=1, device="cpu", policy_kwargs={"net_arch": [16, 16]})
def go_on(model):
    from stable_baselines3.common.callbacks import BaseCallback
    class Tell(BaseCallback):
        def _on_step(self): return True
        def _on_rollout_start(self): print(self.num_timesteps, flush=True)
    model.learn(128 * 12 - model.num_timesteps, callback=Tell(), reset_num_timesteps=False)
    weights = b"".join(v.numpy().tobytes() for v in model.policy.state_dict().values())
    return hashlib.sha256(weights).hexdigest()[:16]
""",
}  # fmt: skip


@case("interrupt of a cell that trains, then the same cell again")
def interrupt_training(kernel: Kernel) -> tuple[str, str]:
    kernel.must(f"METHOD = {kernel.method!r}" + TRAINERS[kernel.adapter])
    expected = kernel.must("whole = make_trainer(); digest = go_on(whole); print(digest)").split()[-1]
    kernel.must("trainer = make_trainer()")
    request = kernel.begin("go_on(trainer)")
    time.sleep(0.25)
    kernel.interrupt("group")
    _, error = kernel.end(request, ANSWER)
    if not error:
        return "SLOW", "training had ended before the interrupt"
    text, error = kernel.cell("print(go_on(trainer))", 30 * SCALE)
    if error:
        return "WEAK", f"cannot go on: {short(error)}"
    same = text.split()[-1] == expected
    return ("PASS", "goes on, to the digest of an uninterrupted run") if same else ("WEAK", "goes on, with other numbers")  # fmt: skip


ONLY = {"interrupt_training": tuple(TRAINERS)}


def short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 140 else text[:137] + "..."


def trial(adapter: str, method: str, name: str) -> Result:
    """One case in a kernel of its own; whatever remains when it is gone is a leak."""
    started = time.monotonic()
    with Kernel() as kernel:
        kernel.adapter, kernel.method, kernel.source = adapter, method, CELL % (adapter, method)
        try:
            kernel.must(kernel.source)
            verdict, seen = CASES[name][1](kernel)
        except Stuck as error:
            verdict, seen = "HANG", str(error)
        except (AssertionError, RuntimeError) as error:
            verdict, seen = "CRASH", short(str(error))
        kernel.client.stop_channels()
        kernel.manager.shutdown_kernel(now=True)
        if left := kernel.left():
            verdict, seen = ("LEAK" if verdict in ("PASS", "WEAK") else verdict), f"{seen}; {len(left)} processes outlive the kernel"  # fmt: skip
    version = fault_adapters.version_of(adapter)
    return Result(
        name, "kernel", adapter, version, method, verdict, round(time.monotonic() - started, 2), seen
    )


def run_all(
    adapters: tuple[str, ...], methods: tuple[str, ...], names: list[str] | None = None
) -> Iterator[Result]:
    for adapter in adapters:
        for method in methods:
            for name in names or list(CASES):
                if adapter in ONLY.get(name, ADAPTERS):
                    yield trial(adapter, method, name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter", choices=ADAPTERS, nargs="*", default=ADAPTERS)
    parser.add_argument("--start-method", nargs="*", default=("forkserver",))
    parser.add_argument("cases", nargs="*", help=", ".join(CASES))
    options = parser.parse_args()
    for row in run_all(tuple(options.adapter), tuple(options.start_method), options.cases):
        print(f"{row.verdict:<6} {row.adapter:<18} {row.start_method:<10} {row.case:<28} {row.seconds:5.1f} s  {row.seen}", flush=True)  # fmt: skip
