"""The same environments, spread over worker processes.

Observations, actions and rewards move through shared memory; a step costs each worker one wake-up and one answer.
Whatever happens to a worker, the parent gets a sentence that says so, within a bounded time, and nothing is left
behind. This is the parent's side; `ppo_core.worker` is the other. Neither imports torch: a new worker starts quickly.

    parent                                  worker w, with environments first to last - 1
    write actions, then request[w] = n
    release `asked`                     →   wake up, do what request n says, write its rows
    wait for `answered`                 ←   ok[w] = yes or no, answer[w] = n, release `answered`

Every answer carries the number of its request, so that no row can ever answer an earlier action.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection, reduction, util
from typing import Any

import cloudpickle
import numpy as np

from ppo_core.checks import (
    ObservationCheck,
    check_actions,
    check_env_fns,
    check_equal_spaces,
    check_mode,
    check_seed,
)
from ppo_core.envs import EnvFn, StepResult
from ppo_core.errors import ConfigError, OutOfStep, PPOError, WorkerDied, WorkerError, WorkerTimeout
from ppo_core.shared import layout_of, map_arrays, nameless_file
from ppo_core.worker import CLOSE, COMMANDS, RESET, RESTORE, STEP, Failure, work

SIGNALS = {int(number): number.name for number in signal.Signals}
POLL = 0.2  # seconds between two looks at whether a silent worker is still alive


class ParallelVectorEnv:
    """N environments in worker processes, with the interface and the numbers of SerialVectorEnv.

    Args: `env_fns`, N callables as for SerialVectorEnv. `num_workers`: processes; default one per core, but no more
        than environments. `start_method`: "fork", "spawn" or "forkserver"; default forkserver where there is one, else
        spawn. `step_timeout`, `start_timeout`: seconds a worker may take to answer, and to start.
        `on_worker_death`: "raise", or "restart": a new process takes over, at most `max_restarts` times, and begins new
        episodes; a lost step has reward 0, is truncated, and its next_obs repeats the last observation that arrived.
        `check` and `first_index` as for SerialVectorEnv.
    Raises: WorkerError (an environment raised), WorkerDied, WorkerTimeout, OutOfStep, EnvironmentFault, ConfigError.
        After WorkerError `reset()` goes on; after WorkerDied and WorkerTimeout every process is gone.
    """

    def __init__(
        self,
        env_fns: Sequence[EnvFn],
        num_workers: int | None = None,
        start_method: str | None = None,
        step_timeout: float = 60.0,
        on_worker_death: str = "raise",
        start_timeout: float = 120.0,
        max_restarts: int = 3,
        check: str = "always",
        first_index: int = 0,
    ):
        self._state = "before the first reset()"
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise SystemExit(
                1
            )  # a new worker imports a script without a guard; its parent says so, and only once
        check_mode(check, first_index)
        self.env_fns, self.check, self.first_index = check_env_fns(env_fns), check, first_index
        self.num_envs = len(self.env_fns)
        num_workers = min(num_workers or os.cpu_count() or 1, self.num_envs)
        methods = multiprocessing.get_all_start_methods()
        start_method = start_method or ("forkserver" if "forkserver" in methods else "spawn")
        if start_method not in methods:
            raise ConfigError(f"start_method={start_method!r} does not exist here: choose one of {methods}")
        if on_worker_death not in ("raise", "restart"):
            raise ConfigError(f"on_worker_death={on_worker_death!r} must be 'raise' or 'restart'")
        if num_workers < 1 or step_timeout <= 0 or start_timeout <= 0:
            raise ConfigError(f"{num_workers=}, {step_timeout=} and {start_timeout=} must all be positive")
        self.step_timeout, self.start_timeout = step_timeout, start_timeout
        self.on_worker_death, self.restarts_left = on_worker_death, max_restarts
        self._context = multiprocessing.get_context(start_method)
        self._seed, self._request, self._episodes = None, 0, np.zeros(self.num_envs, np.int64)
        bounds = np.linspace(0, self.num_envs, num_workers + 1).round().astype(int).tolist()
        options = (self.env_fns, check, first_index)
        self._workers = [_Worker(w, *bounds[w : w + 2], *options) for w in range(num_workers)]
        # Runs at close(), at garbage collection, or at exit before multiprocessing would wait for its children.
        self._end_workers = util.Finalize(self, _end, args=(self._workers,), exitpriority=100)
        try:
            self._start(self._workers)
        except BaseException as error:
            self.close()
            if isinstance(error.__cause__, PPOError):
                raise error.__cause__ from None  # its sentence says it all
            raise

    # ---- the interface

    def reset(self, seed: int | None = None) -> np.ndarray:
        """Start a new episode everywhere, also after an interrupted or failed call. Returns obs [N, *obs]."""
        self._refuse_if_closed("reset()")
        seed = check_seed(seed, first=self._seed is None)
        self._shared["seed"][0] = -1 if seed is None else seed
        self._ask(RESET)
        self._seed = self._seed if seed is None else seed
        return self._begun()

    def restore(self, seed: int, episodes: Sequence[int], actions: Sequence[np.ndarray]) -> np.ndarray:
        """Put environment i `len(actions[i])` steps into its episode number `episodes[i]`. Returns obs [N, *obs]."""
        self._refuse_if_closed("restore()")
        self._ask(RESTORE, [(seed, int(k), np.asarray(a)) for k, a in zip(episodes, actions, strict=True)])
        self._seed = seed
        return self._begun()

    def _begun(self) -> np.ndarray:
        self._obs, self._episodes = self._shared["obs"].copy(), self._shared["episode"].copy()
        self._check.warn_outside(self._obs)
        self._state = "ready"
        return self._obs.copy()

    def step(self, actions: np.ndarray) -> StepResult:
        """Step every environment; actions are [N] int for Discrete and [N, A] float for Box."""
        self._refuse_if_closed("step()")
        if self._state != "ready":
            raise OutOfStep(f"step() {self._state}: call reset() first")
        self._shared["actions"][:] = check_actions(actions, self.single_action_space, self.num_envs)
        lost = self._ask(STEP)  # environments whose worker died during this step
        obs, rewards, terminated, truncated = (
            self._shared[name].copy() for name in ("obs", "rewards", "terminated", "truncated")
        )
        rewards[lost], terminated[lost], truncated[lost] = 0.0, False, True
        next_obs, done = obs, terminated | truncated
        if done.any():
            next_obs = obs.copy()
            next_obs[done] = self._shared["last_obs"][done]
            next_obs[lost] = self._obs[lost]
            self._episodes = self._shared["episode"].copy()
        self._check.warn_outside(next_obs)  # the workers have seen to it that they are finite
        self._obs = obs.copy() if self.on_worker_death == "restart" else obs
        result = StepResult(obs, next_obs, rewards, terminated, truncated)
        self._state = "ready"  # last: after an interrupt these rows are lost, and the next step is refused
        return result

    def close(self) -> None:
        """End every worker, from any state, within about 3 s. Never raises for a sick worker; may be called again."""
        self._state = "after close()"
        if hasattr(self, "_end_workers"):
            _end(self._workers)
            self._end_workers.cancel()  # not before: after an interrupt the next close(), or the exit, ends them
        if hasattr(self, "_file"):
            self._file.close()

    def __enter__(self) -> ParallelVectorEnv:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # ---- asking, and waiting for answers

    def _refuse_if_closed(self, call: str) -> None:
        if self._state == "after close()":
            raise OutOfStep(f"{call} after close(): make a new environment")

    def _start(self, workers: list[_Worker]) -> None:
        """Start processes side by side, hear their spaces, and share the memory."""
        with _sigint_blocked(self._context):
            for worker in workers:
                worker.start(self._context)
        deadline = time.monotonic() + self.start_timeout
        spaces = [
            pair for worker in workers for pair in self._receive(worker, 0, deadline, self.start_timeout)
        ]
        if not hasattr(self, "_file"):
            check_equal_spaces(spaces, self.first_index)
            self.single_observation_space, self.single_action_space = spaces[0]
            self._check = ObservationCheck(spaces[0][0], self.check, self.first_index)
            self._layout = layout_of(*spaces[0], self.num_envs, len(workers))
            self._file = nameless_file(self._layout)
            self._shared = map_arrays(self._file.fileno(), self._layout)
        for worker in workers:
            worker.share(self._file, self._layout, self._shared)

    def _ask(self, command: str, states: list[tuple] | None = None) -> list[int]:
        """Send one request to every worker and wait for every answer. Returns the environments that were lost."""
        self._state = "after an interrupted or failed call"
        self._request += 1
        for worker in self._workers:
            worker.ask(self._request, command, states)
        waiting, lost, errors = list(self._workers), [], []
        deadline = time.monotonic() + self.step_timeout
        while waiting:
            worker = waiting[0]
            try:
                self._await_answer(worker, waiting, deadline)
            except WorkerError as error:
                worker = self._workers[error.worker]
                if (
                    isinstance(error, WorkerDied)
                    and self.on_worker_death == "restart"
                    and self.restarts_left > 0
                ):
                    self._restart(worker, command, states)
                    lost += range(worker.first, worker.last)
                else:
                    errors.append(error)
            waiting.remove(worker)
        if errors:
            errors.sort(
                key=lambda error: type(error) is WorkerError
            )  # a death explains more than an exception
            if type(errors[0]) is not WorkerError:
                self.close()  # without all its environments a vector is of no more use
            raise errors[0]
        return lost

    def _await_answer(self, worker: _Worker, waiting: list[_Worker], deadline: float) -> None:
        while True:
            patience = max(0.0, min(POLL, deadline - time.monotonic()))
            woken = worker.answered.acquire(timeout=patience)  # perhaps left over from an interrupted call
            if worker.last_answer() == self._request:
                break
            if not woken:
                for other in waiting:
                    other.check_alive(self._request)
                if patience < POLL:
                    raise worker.timeout(self.step_timeout)
        if not worker.shared["ok"][worker.number]:
            self._receive(worker, self._request, deadline + 1.0, self.step_timeout)

    def _receive(self, worker: _Worker, request: int, deadline: float, seconds: float) -> Any:
        """The worker's message about `request`, where older ones are dropped; a failure is raised here."""
        while True:
            ready = connection.wait(
                [worker.pipe, worker.process.sentinel], max(0.0, deadline - time.monotonic())
            )
            if not ready:
                raise worker.timeout(seconds)
            try:
                if worker.pipe not in ready and not worker.pipe.poll():
                    raise EOFError
                about, content = worker.pipe.recv()
            except (EOFError, OSError):
                worker.process.join(1.0)
                worker.check_alive()
                raise worker.timeout(seconds) from None
            if about == request and isinstance(content, Failure):
                raise content.as_error(worker.number) from content.original()
            if about == request:
                return content

    def _restart(self, worker: _Worker, command: str, states: list[tuple] | None) -> None:
        """A new process for the environments of a dead one; they begin their next episode, or are put where asked."""
        again = command == RESET and self._shared["seed"][0] >= 0
        seed = int(self._shared["seed"][0]) if again else self._seed
        full: list = states or [(seed, 0 if again else int(k) + 1, np.zeros(0, int)) for k in self._episodes]
        while True:
            self.restarts_left -= 1
            try:
                self._start([worker])
                worker.ask(self._request, RESTORE, full)
                return self._await_answer(worker, [worker], time.monotonic() + self.step_timeout)
            except BaseException as error:
                if not isinstance(error, WorkerDied) or self.restarts_left == 0:
                    self.close()  # without all its environments a vector is of no more use
                    raise


class _Worker:
    """The parent's side of one worker process, which owns the rows `first` to `last` - 1."""

    def __init__(
        self, number: int, first: int, last: int, env_fns: list[EnvFn], check: str, first_index: int
    ):
        self.number, self.first, self.last = number, first, last
        self.first_index, self.options = first_index, (first_index, check)
        self.process: Any = None
        self.shared: dict[str, np.ndarray] | None = None
        try:
            self.payload = cloudpickle.dumps(env_fns[first:last])
        except Exception as error:
            raise ConfigError(
                f"env_fns[{first}:{last}] cannot be sent to another process ({error}): "
                "make what cannot be pickled (a lock, an open file) inside the function"
            ) from error

    def __str__(self) -> str:
        first, last = self.first_index + self.first, self.first_index + self.last - 1
        return f"worker {self.number} with {f'environments {first} to {last}' if first < last else f'environment {first}'}"

    def start(self, context: Any) -> None:
        self.shared = None
        self.asked, self.answered = context.Semaphore(0), context.Semaphore(0)
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=work,
            args=(self.number, self.first, *self.options, self.payload, theirs, self.asked, self.answered),
            name=f"ppo_core {self}",
            daemon=False,  # a daemon may not have children, and an environment may need some
        )
        self.process.start()
        theirs.close()

    def share(self, file: Any, layout: dict, shared: dict[str, np.ndarray]) -> None:
        handle = file.fileno()
        if os.name == "nt":
            import msvcrt

            handle = msvcrt.get_osfhandle(handle)
        self.pipe.send(layout)
        reduction.send_handle(self.pipe, handle, self.process.pid)
        self.shared = shared

    def ask(self, request: int, command: str, states: list[tuple] | None = None) -> None:
        """Leave a request and wake the worker. The number is written last: it is what makes the request valid."""
        if states is not None:  # may be larger than a pipe holds: a hung worker must not make us hang too
            message = (request, states[self.first : self.last])
            threading.Thread(target=_send, args=(self.pipe, message), daemon=True).start()
        self.shared["command"][self.number] = COMMANDS.index(command)
        self.shared["request"][self.number] = request
        self.asked.release()

    def last_answer(self) -> int:
        return int(self.shared["answer"][self.number])

    def check_alive(self, request: int | None = None) -> None:
        """Raise WorkerDied if the process has ended, unless it has answered `request` before."""
        code = self.process.exitcode
        if code is None or (request is not None and self.last_answer() == request):
            return
        how = f"killed by {SIGNALS.get(-code, -code)}" if code < 0 else f"exit code {code}"
        remedy = "make a new ParallelVectorEnv, or pass on_worker_death='restart'"
        if self.shared is None:
            remedy = "a script needs `if __name__ == '__main__':` around what it does; any other cause is told above"
        raise WorkerDied(
            f"{self} died ({how}), and their episodes with it: {remedy}",
            self.first_index + self.first,
            self.number,
        ) from None

    def timeout(self, seconds: float) -> WorkerTimeout:
        remedy = "an environment hangs, or step_timeout (start_timeout while starting) is too short for it"
        told = f"{self} gave no answer within {seconds:g} s: {remedy}"
        return WorkerTimeout(told, self.first_index + self.first, self.number)


def _end(workers: list[_Worker]) -> None:
    """End the workers: ask, then SIGTERM, then SIGKILL. Waits for no answer."""
    started = [worker for worker in workers if worker.process is not None and worker.process.pid is not None]
    for worker in started:
        if worker.shared is not None:
            worker.ask(-1, CLOSE)
        else:
            worker.process.terminate()  # it is still starting
    for push, patience in ((None, 1.0), ("terminate", 0.5), ("kill", 1.0)):
        deadline = time.monotonic() + patience
        for process in [worker.process for worker in started if worker.process.is_alive()]:
            if push:
                getattr(process, push)()
        for worker in started:
            worker.process.join(max(0.0, deadline - time.monotonic()))
    for worker in started:
        worker.shared = worker.asked = worker.answered = None  # the semaphores have names in shared memory
        worker.pipe.close()


def _send(pipe: Any, message: Any) -> None:
    try:
        pipe.send(message)
    except (OSError, ValueError):
        pass  # the worker is gone, which whoever waits for its answer will find


@contextmanager
def _sigint_blocked(context: Any) -> Iterator[None]:
    """Holds Ctrl-C back while processes are born: the mask is inherited until a worker ignores the signal by itself.

    The mask is that of one thread. In a program with more of them, such as a notebook's kernel, another one may take
    the signal, and Python then interrupts this one all the same; so its handler waits until the end as well.
    """
    if context.get_start_method() != "fork":  # helpers that live on, and must not inherit the mask
        from multiprocessing import forkserver, resource_tracker

        resource_tracker.ensure_running()  # besides, starting it lets the signal through again
        if context.get_start_method() == "forkserver":
            forkserver.ensure_running()
    masks = hasattr(signal, "pthread_sigmask")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ()) if masks else None
    handler, held = signal.getsignal(signal.SIGINT), []
    waits = threading.current_thread() is threading.main_thread() and callable(handler)
    try:
        # inside the try, because this call itself can be interrupted
        if waits:
            signal.signal(signal.SIGINT, lambda *event: held.append(event))
        if masks:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        try:
            if masks:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        finally:
            if waits:
                signal.signal(signal.SIGINT, handler)
        if held:
            handler(*held[0])
