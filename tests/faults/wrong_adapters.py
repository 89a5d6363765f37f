"""Vectors that are wrong on purpose: each must get its verdict, or the suite would see nothing."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import fault_adapters


class Around:
    """Our vector, with something changed."""

    def __init__(self, env_fns: Sequence, start_method: str, **options: Any):
        self.env = fault_adapters.ours(env_fns, start_method, **options)

    def reset(self, seed: int | None = None) -> Any:
        return self.env.reset(seed=seed)

    def step(self, actions: Any) -> Any:
        return self.env.step(actions)

    def close(self) -> None:
        self.env.close()


class HangsInClose(Around):
    def close(self) -> None:
        super().close()
        time.sleep(600)


class LeavesAnOrphan(Around):
    """Starts a process that nobody ends, in a session of its own."""

    def close(self) -> None:
        super().close()
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)


class LeavesASemaphore(Around):
    """Makes a name in shared memory that nobody removes."""

    def close(self) -> None:
        super().close()
        prefix = multiprocessing.current_process()._config["semprefix"]
        open(f"/dev/shm/sem.{prefix[1:]}-left", "w").close()


class LosesDescriptors(Around):
    def close(self) -> None:
        super().close()
        os.dup(0)


class StaleRows(Around):
    """From the third step on, the answer to the step before."""

    def step(self, actions: Any) -> Any:
        before = getattr(self, "before", [])
        self.before = [*before, super().step(actions)]
        return self.before[-2] if len(before) > 1 else self.before[-1]


class MixesEnvironments(Around):
    def step(self, actions: Any) -> Any:
        result = super().step(actions)
        return result._replace(obs=result.obs[::-1], next_obs=result.next_obs[::-1])


class WrongReward(Around):
    def step(self, actions: Any) -> Any:
        result = super().step(actions)
        return result._replace(rewards=result.rewards + 1)


class AliasesRows(Around):
    """Returns one and the same arrays from every step."""

    def step(self, actions: Any) -> Any:
        result = super().step(actions)
        self.kept = getattr(self, "kept", result._replace(next_obs=result.next_obs.copy()))
        for mine, new in zip(self.kept, result, strict=True):
            mine[:] = new
        return self.kept


class ForgetsTheCause(Around):
    """Tells that something is wrong, and no more."""

    def step(self, actions: Any) -> Any:
        try:
            return super().step(actions)
        except Exception:
            raise RuntimeError("something went wrong") from None


class RawErrors(Around):
    def step(self, actions: Any) -> Any:
        try:
            return super().step(actions)
        except Exception:
            raise EOFError from None


class SwallowsErrors(Around):
    """Goes on with the rows of the step before."""

    def step(self, actions: Any) -> Any:
        try:
            self.before = super().step(actions)
        except Exception:
            pass
        return self.before


class SwallowsInterrupts(Around):
    def step(self, actions: Any) -> Any:
        try:
            return super().step(actions)
        except KeyboardInterrupt:
            return None


class Late(Around):
    """Its errors come two seconds late."""

    def step(self, actions: Any) -> Any:
        try:
            return super().step(actions)
        except Exception:
            time.sleep(2)
            raise


class RaisesInClose(Around):
    def close(self) -> None:
        super().close()
        raise BrokenPipeError("the worker is gone")


class Crashes(Around):
    def close(self) -> None:
        os.abort()


class ChangesTheStartMethod(Around):
    def __init__(self, env_fns: Sequence, start_method: str, **options: Any):
        multiprocessing.set_start_method("spawn", force=True)
        super().__init__(env_fns, start_method, **options)


class TooSlowToStart(Around):
    """Works, and works, and is not ready before the limit."""

    def __init__(self, env_fns: Sequence, start_method: str, **options: Any):
        end = time.monotonic() + 600
        while time.monotonic() < end:
            pass


class HangsAtStart(Around):
    def __init__(self, env_fns: Sequence, start_method: str, **options: Any):
        time.sleep(600)


class NoisyWorkers(Around):
    """Workers that print a traceback where only the parent was interrupted."""

    def step(self, actions: Any) -> Any:
        try:
            return super().step(actions)
        except KeyboardInterrupt:
            print("Traceback (most recent call last):\n  of a worker", file=sys.stderr)
            raise


class WrongExitCode(Around):
    def __init__(self, env_fns: Sequence, start_method: str, **options: Any):
        super().__init__(env_fns, start_method, **options)
        import atexit

        atexit.register(self.leave)

    def leave(self) -> None:
        self.close()
        os._exit(9)
