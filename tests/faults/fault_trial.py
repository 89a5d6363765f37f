"""One case against one adapter, in a fresh process: `python fault_trial.py FACTORY CASE START_METHOD EVENTS`.

Everything that happens is written to the file EVENTS, one JSON object on a line, at once: where this process then
hangs or dies, the runner reads how far it came. `Trial` is what a case gets; it knows what each row must hold.
"""

from __future__ import annotations

import functools
import importlib
import json
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [path for path in (str(HERE), str(HERE.parents[1])) if path not in sys.path]

import fault_envs  # noqa: E402

SCALE = float(os.environ.get("FAULT_LIMIT_SCALE", "1"))
SLACK = 0.7  # seconds, for a busy machine
TOKEN = "PPO_FAULT_TOKEN"  # in the environment of this process, and so of every process that descends from it
RAW = (EOFError, BrokenPipeError, ConnectionError)


class Silent(Exception):
    """Something wrong went by without an error."""


class Trial:
    """What a case does with the environment under test; says what it does before it does it."""

    def __init__(self, factory: Callable, start_method: str, events: str):
        self.factory, self.start_method = factory, start_method
        self.lacks = tuple(getattr(factory, "lacks", ()))
        self.serial = "processes" in self.lacks
        self.file = open(events, "a", encoding="utf-8")
        self.env: Any = None
        self.kind: type = fault_envs.Rows
        self.last: list[list[float]] | None = None
        self.steps = 0
        self.env_fns: Sequence = ()

    # ---- what is written down

    def log(self, **event: Any) -> None:
        self.file.write(json.dumps({"t": time.monotonic(), **event}) + "\n")
        self.file.flush()

    def note(self, text: str) -> None:
        """A shortcoming: what would have been a pass is WEAK."""
        self.log(note=text)

    def saw(self, text: str) -> None:
        self.log(saw=text)

    def started(self) -> None:
        """Now the fault begins: its time limit counts from here."""
        self.log(started=True)

    # ---- calls

    def make(self, fault: Callable = fault_envs.Rows, *args: Any, num_envs: int = 2, **options: Any) -> Any:
        """An environment of `num_envs` times `fault(index, *args)`."""
        return self.make_from([functools.partial(fault, i, *args) for i in range(num_envs)], **options)

    def make_from(self, env_fns: Sequence, **options: Any) -> Any:
        self.log(phase="making the environment")
        options = {name: value for name, value in options.items() if name not in self.lacks}
        self.last, self.env_fns = None, env_fns
        self.env = self.factory(env_fns, self.start_method, **options)
        return self.env

    def reset(self, seed: int | None = None) -> np.ndarray:
        self.log(phase="reset()")
        obs = np.asarray(self.env.reset(seed=seed))
        rows = self.rows(obs)
        for i, (index, _, elapsed, last) in enumerate(rows):
            if (index, elapsed, last) != (i, 0, -1):
                raise Silent(
                    f"reset() returned row {rows[i]} for environment {i}: not the begin of an episode"
                )
        self.last = rows
        return obs

    def rows(self, obs: np.ndarray) -> list[list[float]]:
        obs = np.asarray(obs, np.float64).reshape(len(obs), -1, 4)
        if not (obs == obs[:, :1]).all():
            raise Silent("an observation is a mixture of two")
        return obs[:, 0].tolist()

    def actions(self) -> np.ndarray:
        """Actions that were not used before, one for each environment."""
        self.steps += 1
        n = len(self.env_fns)
        marks = [(11 * self.steps + 37 * i) % fault_envs.ACTIONS for i in range(n)]
        if self.kind is fault_envs.BoxRows:
            return np.array([[mark / fault_envs.ACTIONS, 0.5] for mark in marks], np.float32)
        return np.array(marks)

    def step(self, actions: np.ndarray | None = None) -> tuple:
        """Step and look at every row: does it answer this action, in this episode?"""
        actions = self.actions() if actions is None else actions
        self.log(phase="step()")
        return self.answers(self.env.step(actions), actions)

    def answers(self, answer: Any, actions: np.ndarray) -> tuple:
        final = getattr(answer, "next_obs", None)
        if final is not None:
            obs, rewards, ends = answer.obs, answer.rewards, (answer.terminated, answer.truncated)
        else:
            obs, rewards, *ends = answer[:4]
        done = np.asarray(ends[0], bool) | np.asarray(ends[1], bool)
        rows = self.rows(np.asarray(obs))
        marks = np.asarray(actions, np.float32).reshape(len(rows), -1)[:, 0].astype(float).tolist()
        for i, (before, mark) in enumerate(zip(self.last or [], marks, strict=True)):
            _, episode, elapsed, _ = before
            expected = [float(i), episode, elapsed + 1, mark]
            ended = elapsed + 1 >= fault_envs.length(i, int(episode))
            if ended:
                last = None if final is None else self.rows(np.asarray(final))[i]
                if last not in (None, expected):
                    raise Silent(f"next_obs {last} of environment {i}, expected {expected}")
                expected = [float(i), episode + 1, 0, -1]
            told = f"row {i} is {rows[i]}, expected {expected}"
            if rows[i] != expected:
                raise Silent(told)
            if (
                bool(done[i]) != ended
                or abs(float(np.ravel(rewards[i])[0]) - 1000 * (elapsed + 1) - mark) > 0.01
            ):
                raise Silent(
                    f"reward {rewards[i]} and end {bool(done[i])} of environment {i} belong to another step"
                )
        self.last = rows
        return obs, rewards, done

    def close(self, within: float = 3.0, what: str = "close()") -> None:
        """Close the environment; whatever its state, that returns quietly within 3 s."""
        env, self.env = self.env, None
        if env is None:
            return
        self.log(phase=what)
        began = time.monotonic()
        try:
            env.close()
        except BaseException as error:
            self.note(f"{what} raised {short(error)}")
        self.in_time(began, within, what)

    # ---- what must be told

    def in_time(self, began: float, within: float, what: str) -> None:
        seconds = time.monotonic() - began
        if seconds > (within + SLACK) * SCALE:
            self.log(late=f"{what} took {seconds:.1f} s, allowed {within:g} s")

    def told(
        self,
        call: Callable[[], Any],
        what: str,
        *,
        index: int | None = 1,
        words: Sequence[str] = (),
        trace: bool = False,
        within: float = 1.0,
        accepted: str = "no error",
    ) -> BaseException:
        """The error of `call`: in time, of a type of its own, naming the environment, with `words` and the worker's traceback."""
        self.log(phase=what)
        began = time.monotonic()
        try:
            call()
        except Silent:
            raise
        except BaseException as error:
            self.in_time(began, within, f"the error of {what}")
            self.saw(f"{short(error)} after {time.monotonic() - began:.2f} s")
            self.judge(error, index, words, trace)
            return error
        raise Silent(f"{what}: {accepted}")

    def judge(self, error: BaseException, index: int | None, words: Sequence[str], trace: bool) -> None:
        text = everything(error)
        if isinstance(error, RAW) or type(error) is OSError:
            self.note(f"the error is a raw {type(error).__name__}")
        named = getattr(error, "index", None) == index or re.search(
            rf"\b(env\w*|worker|index|process|actions?)\D{{0,15}}\b{index}\b", text, re.I
        )
        if index is not None and not named and not (self.serial and trace):
            self.note("the error does not say which environment")
        if words and not any(word.lower() in text.lower() for word in words):
            self.note(f"the error says none of: {', '.join(words)}")
        formatted = "".join(traceback.format_exception(error))
        if trace and "fault_envs.py" not in formatted:
            self.note("the worker's traceback is not in the error")

    def aftermath(self) -> None:
        """After an error: reset() goes on or is refused in words; then close()."""
        self.log(phase="reset() after the error")
        began = time.monotonic()
        try:
            self.last = None
            self.reset(seed=1)
        except Silent:
            raise
        except BaseException as error:
            if isinstance(error, RAW) or type(error) in (
                OSError,
                ValueError,
                TypeError,
                AttributeError,
                AssertionError,
            ):
                self.note(f"reset() after the error raised {short(error)}")
            self.in_time(began, 3.0, "reset() after the error")
        else:
            self.step()
        self.close()

    def still_usable(self) -> None:
        """What was refused has changed nothing: the next steps are right, without a reset."""
        try:
            for _ in range(3):
                self.step()
        except Silent as error:
            raise Silent(f"refused, but afterwards {error}") from None
        except BaseException as error:
            self.note(f"not usable afterwards: {short(error)}")
        self.close()

    # ---- interrupts

    def interrupted(
        self, call: Callable[[], Any], group: bool = False, after: float = 0.4, times: int = 1
    ) -> None:
        """Ctrl-C during `call`, for this process alone or for its whole group: the caller's own KeyboardInterrupt."""
        self.log(phase="an interrupted call", quiet=True)

        def send() -> None:
            for _ in range(times):
                time.sleep(after)
                self.interrupted_at = time.monotonic()
                (os.killpg if group else os.kill)(os.getpid(), signal.SIGINT)

        self.interrupted_at = time.monotonic()
        sender = threading.Thread(target=send)
        sender.start()
        seen = 0
        try:
            try:
                call()
            except KeyboardInterrupt:
                seen += 1
                self.in_time(self.interrupted_at, 2.0, "KeyboardInterrupt")
            while sender.is_alive():  # further interrupts come while nothing runs
                try:
                    sender.join(0.05)
                except KeyboardInterrupt:
                    seen += 1
            time.sleep(0.1)
        except KeyboardInterrupt:
            seen += 1
        if seen < times:
            self.note(f"{times} interrupts were sent and {seen} KeyboardInterrupt raised")

    # ---- the end

    def exits(self, code: int = 0, quiet: bool = True) -> None:
        """From here on this process ends by itself: the runner looks how, and what it leaves behind."""
        self.log(exits=code, quiet=quiet, phase="exit")

    def leftovers(self, allowed: Sequence[int] = ()) -> list[str]:
        """Processes that descend from this one and are none of the interpreter's helpers."""
        mine = {os.getpid(), *helpers(), *allowed}
        return [f"process {name}" for pid, name in carriers(os.environ[TOKEN]).items() if pid not in mine]

    def nothing_left(self, within: float = 3.0) -> None:
        """After close() no worker process is there any more."""
        deadline = time.monotonic() + within * SCALE
        while (left := self.leftovers()) and time.monotonic() < deadline:
            time.sleep(0.05)
        if left:
            self.log(leak=f"{len(left)} processes outlive close()")


def short(error: BaseException) -> str:
    """Type and first line of an error, without paths."""
    try:
        line = str(error).strip().split("\n")[0]
    except Exception:
        line = ""
    line = re.sub(r"/[^\s:'\"]*/", "", line)
    line = re.sub(r"0x[0-9a-f]+", "0x", line)
    text = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return text if len(text) <= 110 else text[:107] + "..."


def everything(error: BaseException) -> str:
    """The texts of an error and of what it came from."""
    texts, seen = [], set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        try:
            texts.append(f"{type(error).__name__}: {error}")
        except Exception:
            texts.append(type(error).__name__)
        texts += getattr(error, "__notes__", [])
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(texts)


def carriers(token: str) -> dict[int, str]:
    """Processes whose environment holds the token (Linux), with their command; zombies do not count."""
    found, wanted = {}, f"{TOKEN}={token}".encode()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if path.stat().st_uid != os.getuid() or wanted not in (path / "environ").read_bytes().split(
                b"\0"
            ):
                continue
            state = (path / "stat").read_text().rsplit(")", 1)[1].split()[0]
            if state not in "ZX":
                found[int(path.name)] = (path / "comm").read_text().strip()
        except OSError:
            continue
    return found


def helpers() -> set[int]:
    """The interpreter's own helpers, which live as long as this process."""
    pids = set()
    for module, name, attribute in (
        ("forkserver", "_forkserver", "_forkserver_pid"),
        ("resource_tracker", "_resource_tracker", "_pid"),
    ):
        loaded = sys.modules.get(f"multiprocessing.{module}")
        pids.add(getattr(getattr(loaded, name, None), attribute, None))
    return pids - {None}


def load(spec: str) -> Callable:
    """The factory behind `module:name` or `path/to/file.py:name`."""
    where, _, name = spec.rpartition(":")
    if where.endswith(".py"):
        sys.path.insert(0, str(Path(where).resolve().parent))
        where = Path(where).stem
    return getattr(importlib.import_module(where), name)


def main(spec: str, case: str, start_method: str, events: str) -> None:
    from fault_cases import CASES

    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a job in the background inherits that it is ignored
    # semaphores and shared memory get names that the runner can find
    prefix = f"/{os.environ[TOKEN]}"
    multiprocessing.process.current_process()._config["semprefix"] = prefix
    import multiprocessing.shared_memory as memory

    memory._SHM_NAME_PREFIX = prefix
    trial = Trial(load(spec), start_method, events)
    try:
        CASES[case].run(trial)
    except Silent as error:
        trial.log(silent=str(error)[:200])
    except (SystemExit, ZeroDivisionError):
        raise  # the case's own way to end
    except BaseException as error:
        trial.note(f"not expected: {short(error)}")
        if os.environ.get("FAULT_TRACEBACK"):
            traceback.print_exc()
    trial.close()
    trial.nothing_left()
    trial.log(finished=True)


if __name__ == "__main__":
    import fault_trial  # the module that the cases know, and not a second one of the same text

    fault_trial.main(*sys.argv[1:])
