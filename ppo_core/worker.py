"""What a worker process does: it makes its environments, answers requests, and ends with its parent.

`ppo_core.parallel` is the other side, and says how the two talk. This module never imports torch.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from multiprocessing import connection, reduction
from typing import Any

import cloudpickle
import numpy as np

from ppo_core.checks import check_finite
from ppo_core.envs import Slot
from ppo_core.errors import WorkerError
from ppo_core.shared import map_arrays

STEP, RESET, RESTORE, CLOSE = "step()", "reset()", "restore()", "close()"
COMMANDS = (STEP, RESET, RESTORE, CLOSE)  # their positions are what shared memory holds


class _Block:
    """A worker's environments and their rows, from `first` on, of the shared memory; `at` is the row at work.

    `first_index` is the index of the whole vector's row 0, for messages.
    """

    def __init__(self, slots: list[Slot], first: int, first_index: int, shared: dict[str, np.ndarray]):
        self.slots, self.first, self.first_index, self.shared, self.at = (
            slots,
            first,
            first_index,
            shared,
            first,
        )

    def step(self, states: None) -> None:
        obs, actions, rewards = self.shared["obs"], self.shared["actions"], self.shared["rewards"]
        terminated, truncated = self.shared["terminated"], self.shared["truncated"]
        for i, slot in enumerate(self.slots, self.first):
            self.at = i
            action = actions[i].item() if actions.ndim == 1 else actions[i].copy()
            obs[i], rewards[i], terminated[i], truncated[i], last = slot.step(action)
            if last is not None:
                self.shared["last_obs"][i] = last
                self.shared["episode"][i] = slot.episode
                check_finite(self.shared["last_obs"][i : i + 1], self.first_index + i)
        check_finite(obs[self.first : self.at + 1], self.first_index + self.first)

    def reset(self, states: None) -> None:
        seed = int(self.shared["seed"][0])
        for i, slot in enumerate(self.slots, self.first):
            self.at = i
            self._begun(slot, slot.reset(None if seed < 0 else seed))

    def restore(self, states: list[tuple]) -> None:
        for i, (slot, state) in enumerate(zip(self.slots, states, strict=True), self.first):
            self.at = i
            self._begun(slot, slot.restore(*state))

    def _begun(self, slot: Slot, obs: np.ndarray) -> None:
        self.shared["obs"][self.at], self.shared["episode"][self.at] = obs, slot.episode
        check_finite(self.shared["obs"][self.at : self.at + 1], self.first_index + self.at)


class Failure:
    """An exception on its way to the parent: as text, and pickled where that is possible and short."""

    def __init__(self, index: int, call: str, error: BaseException):
        self.index, self.call = index, call
        text = "".join(traceback.format_exception(error))
        self.traceback = text if len(text) < 20_000 else f"{text[:10_000]}\n...\n{text[-10_000:]}"
        try:
            self.summary = f"{type(error).__name__}: {error}"[:2000]
        except Exception:  # not even its text can be had
            self.summary = type(error).__name__
        try:
            pickled = cloudpickle.dumps(error)
            same = type(pickle.loads(pickled)) is type(error)  # some can be pickled, but not built again
            self.pickled = pickled if same and len(pickled) < 20_000 else b""
        except Exception:
            self.pickled = b""

    def as_error(self, worker: int) -> WorkerError:
        happened = f"environment {self.index} (in worker {worker}) raised in {self.call}: {self.summary}"
        return WorkerError(f"{happened}\n\nThe worker's traceback:\n{self.traceback}", self.index, worker)

    def original(self) -> BaseException | None:
        try:
            return pickle.loads(self.pickled)
        except Exception:
            return None


def work(
    number: int,
    first: int,
    first_index: int,
    check: str,
    payload: bytes,
    pipe: Any,
    asked: Any,
    answered: Any,
) -> None:
    """The whole life of worker `number`, whose environments are rows `first` onward of the vector."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if (
        "torch" in sys.modules
    ):  # forked: the threads of the parent's torch are not here, and it would wait for them
        sys.modules["torch"].set_num_threads(1)
    slots: list[Slot] = []
    try:
        try:
            for env_fn in pickle.loads(payload):
                slots.append(Slot(env_fn, first_index + first + len(slots), check))
        except BaseException as error:
            pipe.send((0, Failure(first_index + first + len(slots), "env_fn()", error)))
            return
        pipe.send((0, [(slot.env.observation_space, slot.env.action_space) for slot in slots]))
        layout = pipe.recv()
        handle = reduction.recv_handle(pipe)
        if os.name == "nt":
            import msvcrt

            handle = msvcrt.open_osfhandle(handle, os.O_RDWR)
        shared = map_arrays(handle, layout)
        os.close(handle)
        _serve(number, _Block(slots, first, first_index, shared), pipe, asked, answered)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent is gone, or has closed us
    finally:
        for slot in slots:
            slot.env.close()


def _serve(number: int, block: _Block, pipe: Any, asked: Any, answered: Any) -> None:
    shared, last_request = block.shared, 0
    calls = {STEP: block.step, RESET: block.reset, RESTORE: block.restore}
    while True:
        asked.acquire()
        request, command = int(shared["request"][number]), COMMANDS[shared["command"][number]]
        if command == CLOSE:
            return
        if request == last_request:
            continue  # a wake-up left over from an interrupted call
        last_request, about, states = request, None, None
        while command == RESTORE and about != request:
            about, states = pipe.recv()
        failure = None
        try:
            calls[command](states)
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: they are the environment's
            failure = Failure(block.first_index + block.at, command, error)
        shared["ok"][number] = failure is None
        shared["answer"][number] = request
        answered.release()
        if failure is not None:  # now, because it may be more than a pipe holds while nobody reads
            pipe.send((request, failure))


def _end_with_parent() -> None:
    """End this process, however busy or hung it is, when the parent is gone."""
    parent, original = multiprocessing.parent_process(), os.getppid()
    while not connection.wait([parent.sentinel], timeout=0.5):
        if os.getppid() != original:  # after a fork, siblings may hold the sentinel open
            break
    os._exit(1)
