"""The cases: one fault each, with what counts as a pass.

`@case(group, "what a pass is")` puts a function into `CASES`, the table. A case gets a `Trial` and lets the fault
happen; how it ended is judged by the runner. Where a case says nothing else, an error must come within a second, be
no raw pipe error, name the environment, and leave a vector that `reset()` goes on with or that refuses in words;
`close()` then returns within 3 s, raises nothing, and leaves no process.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import fault_envs
import gymnasium as gym
import numpy as np
from fault_envs import ACTIONS, BoxRows, Faulty, Rows, Slow
from fault_trial import HERE, RAW, SCALE, Silent, Trial, carriers, everything, helpers, short

GROUPS = {
    "worker": "An environment or its process fails",
    "parent": "The parent ends, closes, or forgets",
    "interrupt": "Ctrl-C and “interrupt kernel”",
    "action": "Wrong actions",
    "answer": "Wrong observations, rewards and spaces",
    "making": "How an environment is made",
    "rows": "Every row answers its action",
}


class Case(NamedTuple):
    name: str
    group: str
    passes: str  # what a pass is, in one line
    run: Callable[[Trial], None]
    needs: tuple[str, ...]  # an adapter that lacks one of these is not scored on this case
    limit: float  # seconds, from the moment when the fault begins


CASES: dict[str, Case] = {}
WORKERS = ("processes",)


def case(
    group: str, passes: str, *, needs: tuple[str, ...] = (), limit: float = 10.0, name: str = ""
) -> Callable:
    def keep(function: Callable[[Trial], None]) -> Callable[[Trial], None]:
        key = name or function.__name__
        CASES[key] = Case(key, group, passes, function, needs, limit)
        return function

    return keep


def cases(group: str, *rows: tuple, needs: tuple[str, ...] = (), limit: float = 10.0) -> Callable:
    """The same function for several cases: each row is (name, what a pass is, arguments...)."""

    def keep(function: Callable) -> Callable:
        for name, passes, *arguments in rows:
            case(group, passes, needs=needs, limit=limit, name=name)(_with(function, arguments))
        return function

    return keep


def _with(function: Callable, arguments: list) -> Callable[[Trial], None]:
    return lambda trial: function(trial, *arguments)


def begun(t: Trial, *args, steps: int = 0, **kwargs) -> None:
    """A vector environment that has been reset, and stepped, when the fault begins."""
    t.make(*args, **kwargs)
    t.reset(seed=1)
    for _ in range(steps):
        t.step()
    t.started()


# ---- an environment raises


@cases(
    "worker",
    ("raise_in_step", "the error names environment 1, the original error, and holds the worker's traceback", "raise", "Boom"),
    ("raise_two_arguments", "the same for an exception that cannot be rebuilt from its pickle", "two arguments", "TwoArguments"),
    ("raise_unpicklable", "the same for an exception that cannot be pickled", "unpicklable", "Unpicklable"),
)  # fmt: skip
def raises_in_step(t: Trial, how: str, name: str) -> None:
    begun(t, Faulty, how, steps=1)
    t.told(t.step, "step()", words=[name], trace=True)
    t.aftermath()


@case(
    "worker",
    "the environment's own KeyboardInterrupt is reported as its error, not as the caller's Ctrl-C",
    needs=WORKERS,
)
def raise_keyboard_interrupt(t: Trial) -> None:
    begun(t, Faulty, "KeyboardInterrupt", steps=1)
    error = t.told(t.step, "step()", words=["KeyboardInterrupt"], trace=True)
    if isinstance(error, KeyboardInterrupt):
        t.note("it looks like the caller's own Ctrl-C")
    t.aftermath()


@cases(
    "worker",
    ("raise_in_reset", "an error in reset() is told as one in step() is", "reset"),
    ("raise_in_autoreset", "so is an error in the reset at the end of an episode", "autoreset"),
)
def raises_in_reset(t: Trial, where: str) -> None:
    t.make(Faulty, "raise", where)
    t.started()
    act = (lambda: t.reset(seed=1)) if where == "reset" else (lambda: [t.step() for _ in range(9)])
    if where == "autoreset":
        t.reset(seed=1)
    t.told(act, "reset()" if where == "reset" else "step()", words=["Boom"], trace=True)
    t.close()


@case("worker", "an error in env_fn names environment 1 and holds its traceback; no process is left")
def raise_in_env_fn(t: Trial) -> None:
    t.started()
    t.told(
        lambda: t.make(Faulty, "raise", "make"),
        "making the environment",
        words=["Boom"],
        trace=True,
        within=9.0,
    )


@case(
    "worker",
    "a worker that dies in env_fn: an error names it and how it ended; no process is left",
    needs=WORKERS,
)
def die_in_env_fn(t: Trial) -> None:
    t.started()
    make = partial(t.make, Faulty, "os._exit", "make")
    t.told(make, "making the environment", words=["exit code 7", "exitcode 7", "died", "exited"], within=9.0)


@case(
    "worker",
    "a worker that hangs in env_fn: an error at the start limit (4 s, where there is one)",
    needs=WORKERS,
    limit=25.0,
)
def hang_in_env_fn(t: Trial) -> None:
    t.started()
    make = partial(t.make, Faulty, "hang", "make", start_timeout=4.0 * SCALE)
    t.told(make, "making the environment", words=["no answer", "timeout", "timed out", "time"], within=10.0)


# ---- a worker dies


@cases(
    "worker",
    ("worker_killed", "an error within 1 s names environment 1 and the signal (SIGKILL in a step)", "SIGKILL", ("SIGKILL", "signal 9", "-9")),
    ("worker_segfault", "the same for a segmentation fault", "segfault", ("SIGSEGV", "signal 11", "-11")),
    ("worker_sys_exit", "the same for sys.exit(3) in a step, with its code", "sys.exit", ("SystemExit", "exit code 3", "exitcode 3")),
    ("worker_os_exit", "the same for os._exit(7), with its code", "os._exit", ("exit code 7", "exitcode 7", "exit status 7")),
    needs=WORKERS,
)  # fmt: skip
def dies_in_step(t: Trial, how: str, words: tuple[str, ...]) -> None:
    begun(t, Faulty, how, steps=1)
    t.told(t.step, "step()", words=words)
    t.aftermath()


@case(
    "worker",
    "a worker killed in reset(): an error within 1 s names environment 1 and the signal",
    needs=WORKERS,
)
def worker_killed_in_reset(t: Trial) -> None:
    t.make(Faulty, "SIGKILL", "reset")
    t.started()
    t.told(lambda: t.reset(seed=1), "reset()", words=["SIGKILL", "signal 9", "-9"])
    t.close()


def workers_of(t: Trial) -> list[int]:
    """Process ids of the workers, in the order in which they were started."""
    mine = {os.getpid(), *helpers()}
    return sorted(pid for pid in carriers(os.environ["PPO_FAULT_TOKEN"]) if pid not in mine)


@case(
    "worker",
    "a worker killed between two steps: the next step is an error that names it and the signal",
    needs=WORKERS,
)
def worker_killed_between_steps(t: Trial) -> None:
    begun(t, steps=2)
    os.kill(workers_of(t)[-1], signal.SIGKILL)
    time.sleep(0.3)
    t.told(t.step, "step()", words=["SIGKILL", "signal 9", "-9"])
    t.aftermath()


@case(
    "worker",
    "a worker killed between two steps: reset() is an error in words, and close() is quick",
    needs=WORKERS,
)
def worker_killed_then_reset(t: Trial) -> None:
    begun(t, steps=2)
    os.kill(workers_of(t)[-1], signal.SIGKILL)
    time.sleep(0.3)
    t.told(lambda: t.reset(seed=1), "reset()", words=["SIGKILL", "signal 9", "-9"])
    t.close()


@case("worker", "a worker killed, then nothing but close(): quick, quiet, nothing left", needs=WORKERS)
def worker_killed_then_close(t: Trial) -> None:
    begun(t, steps=2)
    os.kill(workers_of(t)[-1], signal.SIGKILL)
    time.sleep(0.3)
    t.close()


@case(
    "worker",
    "a worker killed when it has sent half of a large answer: right rows or a told death, never a mixture",
    needs=WORKERS,
)
def worker_killed_half_answered(t: Trial) -> None:
    begun(t, fault_envs.DiesAfterAnswer)
    try:
        t.step()
    except Silent:
        raise
    except BaseException as error:
        t.saw(short(error))
        t.judge(error, 1, ["SIGKILL", "signal 9", "-9"], False)
    else:
        t.told(t.step, "step()", words=["SIGKILL", "signal 9", "-9"])
    t.close()


# ---- a worker hangs, or only takes its time


@cases(
    "worker",
    (
        "hang_in_step",
        "a worker that hangs in step(): an error at the step limit (2 s, where one can be set)",
        "step",
    ),
    ("hang_in_reset", "the same in reset()", "reset"),
    needs=WORKERS,
)
def hangs(t: Trial, where: str) -> None:
    t.make(Faulty, "hang", where, timeout=2.0)
    if where == "step":
        t.reset(seed=1)
        t.step()
    t.started()
    call = t.step if where == "step" else lambda: t.reset(seed=1)
    t.told(call, f"{where}()", words=["no answer", "timeout", "timed out"], within=3.0)
    t.aftermath()


@case(
    "worker",
    "the same with nothing set: there is a limit by default, of at most 60 s",
    needs=WORKERS,
    limit=75.0,
)
def hang_with_defaults(t: Trial) -> None:
    begun(t, Faulty, "hang", steps=1)
    t.told(t.step, "step()", words=["no answer", "timeout", "timed out"], within=62.0)
    t.aftermath()


@case(
    "worker",
    "two workers, one hangs and the other raises: an error at the step limit at the latest",
    needs=WORKERS,
)
def hang_beside_an_error(t: Trial) -> None:
    fns = [partial(fault_envs.Hang, 0), partial(Faulty, 1, "raise", "step", 1)]
    t.make_from(fns, timeout=2.0)
    t.reset(seed=1)
    t.started()
    t.told(t.step, "step()", index=None, within=3.0)
    t.close()


@case("worker", "a step of 3 s is waited for; its rows are right")
def slow_step(t: Trial) -> None:
    begun(t, Slow, 3.0, (1,))
    t.step()
    t.close()


@case("worker", "a megabyte printed in each step, on both streams, delays nothing")
def print_flood(t: Trial) -> None:
    begun(t, fault_envs.Flood)
    for _ in range(3):
        t.step()
    t.close()


@case("worker", "observations of 4 MB arrive as they are")
def large_observations(t: Trial) -> None:
    begun(t, fault_envs.Large)
    for _ in range(4):
        t.step()
    t.close()


@case(
    "worker",
    "an info that cannot be pickled: right rows, or an error that names the environment",
    needs=WORKERS,
)
def unpicklable_info(t: Trial) -> None:
    begun(t, Faulty, "unpicklable info", steps=1)
    try:
        t.step()
    except Silent:
        raise
    except BaseException as error:
        t.saw(short(error))
        t.judge(error, 1, ["pickle"], False)
        t.aftermath()
    else:
        t.still_usable()


@case(
    "worker",
    "torch with two threads in the parent, then torch in the workers: right rows",
    needs=WORKERS,
    limit=40.0,
)
def torch_threads(t: Trial) -> None:
    import torch

    torch.set_num_threads(2)
    fault_envs.matrices()
    begun(t, fault_envs.WithTorch)
    for _ in range(2):
        t.step()
    t.close()


@case("worker", "an environment may have a process of its own, which its close() ends")
def environment_has_a_process(t: Trial) -> None:
    t.started()
    t.make(fault_envs.Parent)
    t.reset(seed=1)
    t.step()
    t.close()


@case(
    "worker",
    "with restarts allowed, a killed worker is replaced: the row says truncated, reward 0, and the rows after it are right",
    needs=("processes", "restarts"),
)
def restart_after_death(t: Trial) -> None:
    folder = tempfile.TemporaryDirectory()
    flag = Path(folder.name) / "fail"
    flag.touch()
    t.make(fault_envs.DiesOnce, str(flag), restarts=2)
    before = t.reset(seed=1)
    t.started()
    actions = t.actions()
    t.log(phase="step()")
    result = t.env.step(actions)
    rows, last = t.rows(result.obs), t.rows(result.next_obs)
    if not (result.truncated[1] and not result.terminated[1] and result.rewards[1] == 0):
        raise Silent("the lost step is not a truncated one with reward 0")
    if last[1] != before[1].tolist() or rows[1][2:] != [0, -1] or rows[0][2:] != [1, actions[0]]:
        raise Silent(f"after the restart the rows are {rows}, the last observation {last[1]}")
    t.last = rows
    for _ in range(8):
        t.step()
    t.close()


@case(
    "worker",
    "restarts are counted: with none left, the next death is an error",
    needs=("processes", "restarts"),
    limit=20.0,
)
def restarts_run_out(t: Trial) -> None:
    t.make(Faulty, "SIGKILL", "step", 1, restarts=2)
    t.reset(seed=1)
    t.started()
    t.last = None

    def until_it_ends() -> None:
        for _ in range(4):
            t.env.step(t.actions())

    t.told(until_it_ends, "step()", words=["SIGKILL"], within=9.0)
    t.close()


# ---- the parent ends, closes, or forgets


@cases(
    "parent",
    ("parent_killed_idle", "SIGKILL of the parent between steps: within 3 s no process and no shared memory is left", "idle"),
    ("parent_killed_in_step", "the same in the middle of a step", "step"),
    ("parent_killed_two_vectors", "the same with two vector environments", "two"),
    ("parent_killed_hung_worker", "the same while a worker hangs", "hang"),
    ("parent_killed_stubborn_worker", "the same while a worker hangs and ignores SIGTERM", "stubborn"),
    needs=WORKERS,
)  # fmt: skip
def parent_killed(t: Trial, when: str) -> None:
    kinds = {
        "step": (Slow, 9.0),
        "hang": (Faulty, "hang", "step", 1),
        "stubborn": (Faulty, "hang, SIGTERM ignored", "step", 1),
    }
    t.make(*kinds.get(when, (Rows,)))
    t.reset(seed=1)
    if when == "two":
        first = t.env
        t.make(Rows)
        t.reset(seed=1)
        t.first = first
    t.started()
    t.exits(-signal.SIGKILL, quiet=False)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start()
    if when in kinds:
        t.env.step(t.actions())
    time.sleep(9)


@case("parent", "SIGTERM of the parent: within 3 s no process and no shared memory is left", needs=WORKERS)
def parent_terminated(t: Trial) -> None:
    begun(t, steps=1)
    t.exits(-signal.SIGTERM, quiet=False)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(9)


@case("parent", "a program that ends without close(): its own exit code, within 3 s, quietly")
def exit_without_close(t: Trial) -> None:
    begun(t, steps=1)
    t.exits(0)
    sys.exit(0)


@case(
    "parent", "a program that ends by an exception: exit code 1, its own traceback and no other, within 3 s"
)
def exit_by_exception(t: Trial) -> None:
    begun(t, steps=1)
    t.exits(1)
    1 / 0  # noqa: B018


@case("parent", "a program that ends by sys.exit(5) keeps that code")
def exit_by_sys_exit(t: Trial) -> None:
    begun(t, steps=1)
    t.exits(5)
    sys.exit(5)


@case(
    "parent",
    "a program that ends after an interrupted step, without close(): within 3 s, quietly",
    needs=WORKERS,
)
def exit_in_a_step(t: Trial) -> None:
    begun(t, Slow, 1.5)
    t.interrupted(lambda: t.env.step(t.actions()), after=0.2)
    t.exits(0)
    sys.exit(0)


@case(
    "parent", "a program that ends while a worker hangs, without close(): within 3 s, quietly", needs=WORKERS
)
def exit_with_a_hung_worker(t: Trial) -> None:
    begun(t, Faulty, "hang", "step", 1)
    t.interrupted(lambda: t.env.step(t.actions()), after=0.2)
    t.exits(0)
    sys.exit(0)


@case("parent", "close() twice is as good as once")
def close_twice(t: Trial) -> None:
    begun(t, steps=1)
    env = t.env
    t.close()
    t.env = env
    t.close(what="the second close()")


@case("parent", "close() before the first reset()")
def close_before_reset(t: Trial) -> None:
    t.make(Rows)
    t.started()
    t.close()


@cases(
    "parent",
    ("step_after_close", "step() after close() is refused in words", "step"),
    ("reset_after_close", "reset() after close() is refused in words", "reset"),
)
def after_close(t: Trial, call: str) -> None:
    begun(t, steps=1)
    env = t.env
    t.close()
    t.env = env
    t.told(t.step if call == "step" else t.reset, f"{call}() after close()", index=None, words=["close"])
    t.env = None


@case(
    "parent",
    "close() in the middle of a step that was interrupted, while the workers still work",
    needs=WORKERS,
)
def close_while_working(t: Trial) -> None:
    begun(t, Slow, 2.5)
    t.interrupted(lambda: t.env.step(t.actions()), after=0.2)
    t.close()


@case("parent", "a vector environment that is forgotten without close() ends its processes")
def forgotten(t: Trial) -> None:
    begun(t, steps=1)
    gone = weakref.ref(t.env)
    t.log(phase="garbage collection")
    t.env = None
    gc.collect()
    t.nothing_left()
    if gone() is not None:
        t.note("the object itself is still held")


@case(
    "parent",
    "100 times made, stepped and closed: as many processes, descriptors and names in shared memory as before",
    limit=130.0,
)
def a_hundred_cycles(t: Trial) -> None:
    t.started()
    began, counts = time.monotonic(), []
    for _ in range(100):
        t.make(Rows)
        t.reset(seed=1)
        t.step()
        t.close()
        counts.append((len(os.listdir("/proc/self/fd")), len(t.leftovers()), names_in_shared_memory()))
        if time.monotonic() - began > 100 * SCALE and len(counts) >= 10:
            break
    gc.collect()
    after = (len(os.listdir("/proc/self/fd")), len(t.leftovers()), names_in_shared_memory())
    t.saw(
        f"{len(counts)} cycles: descriptors {counts[1][0]} to {after[0]}, processes {after[1]}, shared memory {after[2]}"
    )
    if (
        after[0] > counts[1][0] + 1 or after[1] or after[2]
    ):  # the first cycle starts the interpreter's helpers
        t.log(
            leak=f"after {len(counts)} cycles: descriptors {counts[1][0]} to {after[0]}, {after[1]} processes, {after[2]} names"
        )


def names_in_shared_memory() -> int:
    token = os.environ["PPO_FAULT_TOKEN"]
    return sum(token in name or f"-{os.getpid()}-" in name for name in os.listdir("/dev/shm"))


@case("parent", "the program's start method, signal handlers and signal mask stay as they were")
def nothing_global_changes(t: Trial) -> None:
    import multiprocessing

    def state() -> tuple:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
        return (
            multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0],
            *(signal.getsignal(number) for number in numbers),
            signal.pthread_sigmask(signal.SIG_BLOCK, ()),
            os.getcwd(),
        )

    before = state()
    begun(t, steps=2)
    during = state()
    t.close()
    if not before == during == state():
        raise Silent(f"before {before}, while open {during}, after {state()}"[:180])


# ---- Ctrl-C


@cases(
    "interrupt",
    ("interrupt_then_step", "Ctrl-C in a step, for the parent alone: the next step is refused in words, or right", False, "step"),
    ("interrupt_then_reset", "Ctrl-C in a step, for the parent alone: reset() begins anew, with right rows", False, "reset"),
    ("interrupt_then_close", "Ctrl-C in a step, for the parent alone: close() is quick and quiet, and a new vector works", False, "close"),
    ("group_interrupt_then_step", "Ctrl-C for the whole group, as in a terminal: the next step is refused in words, or right", True, "step"),
    ("group_interrupt_then_reset", "Ctrl-C for the whole group: reset() begins anew, with right rows", True, "reset"),
    ("group_interrupt_then_close", "Ctrl-C for the whole group: close() is quick and quiet, and a new vector works", True, "close"),
    needs=WORKERS,
    limit=15.0,
)  # fmt: skip
def interrupt(t: Trial, group: bool, then: str) -> None:
    begun(t, Slow, 1.0, steps=1)
    t.interrupted(lambda: t.env.step(t.actions()), group)
    time.sleep(0.2)
    if then == "step":
        refused_or_right(t)
    if then in ("step", "reset"):
        t.log(phase="reset() after the interrupt")
        try:
            t.reset(seed=1)
            t.step()
            t.step()
        except Silent:
            raise
        except BaseException as error:
            t.note(f"after an interrupt, reset() and step() raised {short(error)}")
    t.close()
    if then == "close":
        t.make(Rows)
        t.reset(seed=1)
        t.step()
        t.close()


def refused_or_right(t: Trial) -> None:
    t.log(phase="step() after the interrupt")
    try:
        t.step()
    except Silent:
        raise
    except BaseException as error:
        t.saw(f"step() after the interrupt: {short(error)}")
        t.judge(error, None, ["reset"], False)
    else:
        t.step()


@case(
    "interrupt", "Ctrl-C in reset(): the next reset() begins anew, with right rows", needs=WORKERS, limit=15.0
)
def interrupt_in_reset(t: Trial) -> None:
    begun(t, fault_envs.SlowReset, 1.0, steps=1)
    t.interrupted(lambda: t.env.reset(seed=2))
    try:
        t.reset(seed=3)
        t.step()
    except Silent:
        raise
    except BaseException as error:
        t.note(f"after an interrupt, reset() and step() raised {short(error)}")
    t.close()


@case(
    "interrupt", "Ctrl-C for the whole group between two steps: the steps after it are right", needs=WORKERS
)
def group_interrupt_between_steps(t: Trial) -> None:
    begun(t, steps=2)
    t.interrupted(lambda: time.sleep(2), group=True)
    try:
        for _ in range(3):
            t.step()
    except Silent:
        raise
    except BaseException as error:
        t.note(f"step() raised {short(error)}")
    t.close()


@case("interrupt", "two interrupts, 0.4 s apart, then close()", needs=WORKERS)
def two_interrupts_then_close(t: Trial) -> None:
    begun(t, Slow, 1.5, steps=1)
    t.interrupted(lambda: t.env.step(t.actions()), group=True, times=2)
    t.close()


@cases(
    "interrupt",
    ("hung_worker_interrupt_close", "a worker hangs, Ctrl-C, close(): within 3 s", "hang"),
    (
        "stubborn_worker_interrupt_close",
        "the same with a worker that ignores SIGTERM",
        "hang, SIGTERM ignored",
    ),
    needs=WORKERS,
)
def hung_and_interrupted(t: Trial, how: str) -> None:
    begun(t, Faulty, how, "step", 1)
    t.interrupted(lambda: t.env.step(t.actions()))
    t.close()


@case(
    "interrupt",
    "Ctrl-C while the environments are being made: KeyboardInterrupt, and nothing is left",
    needs=WORKERS,
    limit=20.0,
)
def interrupt_while_making(t: Trial) -> None:
    t.started()
    t.interrupted(lambda: t.make(fault_envs.SlowToMake, 6.0), after=1.2)
    t.env = None
    gc.collect()


# ---- wrong actions


@cases(
    "action",
    ("action_too_large", "an action outside Discrete(n) is refused before anything is sent; the next steps are right", Rows, [3, ACTIONS]),
    ("action_negative", "the same for a negative one", Rows, [3, -1]),
    ("action_float", "the same for a fraction where the space is Discrete", Rows, [3.0, 4.5]),
    ("action_none", "the same for None among the actions", Rows, [3, None]),
    ("action_too_many", "the same for three actions where there are two environments", Rows, [1, 2, 3]),
    ("action_too_few", "the same for one action", Rows, [1]),
    ("box_action_nan", "the same for a NaN in a Box", BoxRows, [[0.0, 0.1], [np.nan, 0.1]]),
    ("box_action_out_of_bounds", "the same for a number outside the Box", BoxRows, [[0.0, 0.1], [1.5, 0.1]]),
    ("box_action_wrong_width", "the same for one number where the Box has two", BoxRows, [[0.5], [0.5]]),
    ("box_action_flat", "the same for all numbers in one row", BoxRows, [0.0, 0.1, 0.2, 0.3]),
)  # fmt: skip
def wrong_action(t: Trial, kind: type, actions: list) -> None:
    t.kind = kind
    begun(t, kind, steps=1)
    wrong = np.array(actions)
    words = ["action", "shape", "actions"]
    t.told(
        lambda: t.env.step(wrong), "step() with wrong actions", index=None, words=words, accepted="accepted"
    )
    t.still_usable()


@case("action", "step() before reset() is refused in words")
def step_before_reset(t: Trial) -> None:
    t.make(Rows)
    t.started()
    t.told(
        lambda: t.env.step(np.array([1, 2])),
        "step() before reset()",
        index=None,
        words=["reset"],
        accepted="accepted",
    )
    t.close()


# ---- wrong answers of an environment


@cases(
    "answer",
    ("observation_shape", "an observation of another shape: an error names environment 1 and what was expected", "shape"),
    ("observation_scalar", "the same for a number", "scalar"),
    ("observation_none", "the same for None", "None"),
    ("observation_nan", "the same for a NaN", "NaN"),
    ("observation_infinite", "the same for a float64 that is infinite as float32", "infinite after the cast"),
    ("reward_nan", "the same for a reward that is NaN", "reward NaN"),
    ("reward_none", "the same for a reward that is None", "reward None"),
    ("reward_array", "the same for a reward that is three numbers", "reward array"),
    ("four_tuple", "the same for the old step() with four values", "4-tuple"),
)  # fmt: skip
def wrong_answer(t: Trial, how: str) -> None:
    begun(t, Faulty, how, steps=1)
    expected = ["expected", "shape", "finite", "NaN", "bounds", "outside", "broadcast", "unpack"]
    t.told(lambda: t.env.step(t.actions()), f"step() with {how}", words=expected, accepted="accepted")
    t.aftermath()


@case("answer", "a number outside the observation space: an error or a warning names environment 1")
def observation_out_of_bounds(t: Trial) -> None:
    begun(t, Faulty, "out of bounds", steps=1)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        t.log(phase="step()")
        try:
            t.env.step(t.actions())
        except BaseException as error:
            t.judge(error, 1, ["bounds", "outside", "space"], False)
            warned.append(error)
    if not warned:
        raise Silent("an observation out of bounds: accepted")
    if all(isinstance(one, warnings.WarningMessage) for one in warned):
        t.saw(f"a warning: {short(warned[0].message)}")
        t.judge(warned[0].message, 1, ["bounds", "outside", "space"], False)
    t.aftermath()


@case(
    "answer", "a reward in an array of shape (1,): the right number, or an error that names the environment"
)
def reward_in_array(t: Trial) -> None:
    begun(t, fault_envs.RewardInArray)
    try:
        for _ in range(6):
            t.step()
    except Silent:
        raise
    except BaseException as error:
        t.saw(short(error))
        t.judge(error, 0, ["reward", "expected"], False)
    t.close()


@case("answer", "reset() that returns no info: an error names an environment and what was expected")
def reset_without_info(t: Trial) -> None:
    t.make(fault_envs.ResetWithoutInfo)
    t.started()
    t.told(lambda: t.env.reset(seed=1), "reset()", index=0, words=["expected", "info", "unpack"])
    t.close()


@cases(
    "answer",
    ("spaces_shape", "observation spaces of two shapes: refused when made, naming environment 1", "shape"),
    (
        "spaces_bounds",
        "observation spaces with two bounds: refused when made, naming environment 1",
        "bounds",
    ),
    ("spaces_actions", "two action spaces: refused when made, naming environment 1", "actions"),
)
def unequal_spaces(t: Trial, which: str) -> None:
    t.started()
    make = partial(t.make, fault_envs.OtherSpaces, which)
    t.told(make, "making the environment", words=["space"], within=9.0, accepted="accepted")


@cases(
    "answer",
    ("kept_observation", "an observation that was returned does not change in later steps", Rows),
    (
        "environment_reuses_its_array",
        "the same where an environment returns one array over and over",
        fault_envs.Thrifty,
    ),
)
def kept(t: Trial, kind: type) -> None:
    begun(t, kind)
    results = []
    for _ in range(8):
        obs, rewards, _ = t.step()
        results.append((obs, np.array(obs), rewards, np.array(rewards)))
    if not all(np.array_equal(obs, was) and np.array_equal(r, r_was) for obs, was, r, r_was in results):
        raise Silent("a result that was returned has changed in a later step")
    t.close()


# ---- how an environment is made


def a_lambda(t: Trial) -> list:
    return [lambda i=i: Rows(i) for i in range(2)]


def a_closure(t: Trial) -> list:
    def maker(i: int) -> Callable:
        def make() -> gym.Env:
            return Rows(i)

        return make

    return [maker(i) for i in range(2)]


def a_local_class(t: Trial) -> list:
    class Local(Rows):
        pass

    return [partial(Local, i) for i in range(2)]


def a_class_in_a_cell(t: Trial) -> list:
    scope = vars(sys.modules["__main__"])
    exec("class InACell(__import__('fault_envs').Rows):\n    pass", scope)
    return [partial(scope["InACell"], i) for i in range(2)]


@cases(
    "making",
    ("env_fn_lambda", "a lambda makes the environment", a_lambda),
    ("env_fn_closure", "a function inside a function does", a_closure),
    ("env_fn_local_class", "a class inside a function is the environment", a_local_class),
    ("env_fn_class_in_a_cell", "a class of the main program, as in a notebook's cell, is the environment", a_class_in_a_cell),
)  # fmt: skip
def any_function(t: Trial, fns: Callable) -> None:
    t.started()
    t.make_from(fns(t))
    t.reset(seed=1)
    for _ in range(3):
        t.step()
    t.close()


@case(
    "making",
    "an env_fn that holds a lock: it works, or an error before the first process says that it cannot be pickled",
)
def env_fn_with_a_lock(t: Trial) -> None:
    lock = threading.Lock()
    t.started()
    try:
        t.make_from([lambda i=i: (lock, Rows(i))[1] for i in range(2)])
        t.reset(seed=1)
        t.step()
    except Silent:
        raise
    except BaseException as error:
        t.saw(short(error))
        if "pickle" not in everything(error) or isinstance(error, RAW):
            t.note("the error does not say what cannot be sent")
        if t.leftovers():
            t.note("processes had been started before it was said")
    t.close()


SCRIPT = """import sys
sys.path[:0] = {path!r}
from functools import partial
import fault_envs, fault_trial
env = fault_trial.load({spec!r})([partial(fault_envs.Rows, i) for i in range(2)], {method!r})
env.reset(seed=1)
print("works")
env.close()
"""


@case(
    "making",
    "a script without `if __name__ == '__main__':` works, or its last error says that this line is missing",
    needs=WORKERS,
    limit=40.0,
)
def no_main_guard(t: Trial) -> None:
    spec = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.py"
        script.write_text(SCRIPT.format(path=[*sys.path[:3], str(HERE)], spec=spec, method=t.start_method))
        t.started()
        t.log(phase="the script without a guard")
        done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    if done.returncode == 0 and "works" in done.stdout:
        return
    last = [line for line in done.stderr.splitlines() if line and not line.startswith(" ")]
    errors = [line for line in last if "Error" in line or "Died" in line]
    t.saw(
        f"{len(done.stderr)} characters on stderr; the last error is {errors[-1][:60] if errors else 'none'}"
    )
    if not any("__main__" in line for line in errors[-1:]):
        t.note("the last error does not name the missing line")
    if len(done.stderr) > 8000:
        t.note(f"{len(done.stderr)} characters on stderr")


# ---- every row


@case(
    "rows",
    "80 steps over many episodes: each row answers its action, in its episode, with its reward and end",
    limit=20.0,
)
def row_integrity(t: Trial) -> None:
    begun(t, num_envs=3)
    for _ in range(80):
        t.step()
    t.close()


@case(
    "rows",
    "reset() in the middle of episodes and right after an end: the rows after it are right",
    limit=20.0,
)
def resets_in_between(t: Trial) -> None:
    begun(t, num_envs=3)
    for steps in (1, 2, 3, 4, 5, 6, 7):
        for _ in range(steps):
            t.step()
        t.reset()
    t.step()
    t.close()


@case("rows", "two vector environments side by side do not mix their rows", limit=20.0)
def two_vectors(t: Trial) -> None:
    begun(t)
    first, rows, fns = t.env, t.last, t.env_fns
    t.make(Rows)
    t.reset(seed=1)
    second, others = t.env, t.last
    for _ in range(12):
        t.env, t.last = first, rows
        t.step()
        rows, t.env, t.last = t.last, second, others
        t.step()
        others = t.last
    t.close()
    t.env, t.last, t.env_fns = first, rows, fns
    t.step()
    t.close()


@case("rows", "eight environments in eight processes", limit=20.0)
def eight_environments(t: Trial) -> None:
    begun(t, num_envs=8)
    for _ in range(30):
        t.step()
    t.close()


@case("rows", "one environment", limit=20.0)
def one_environment(t: Trial) -> None:
    begun(t, num_envs=1)
    for _ in range(30):
        t.step()
    t.close()
