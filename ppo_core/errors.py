"""Every error that ppo_core raises on purpose, in one place.

Each message names the value that was wrong and the remedy. `except PPOError` catches them all; those that
replace a standard error (a bad value, a lost process) also are that standard error.
"""


class PPOError(Exception):
    """Base class of every error that ppo_core raises on purpose."""


class ConfigError(PPOError, ValueError):
    """A setting, or a combination of settings, that cannot work."""


class UnsupportedSpaceError(PPOError, TypeError):
    """An observation or action space that the core does not handle."""


class EnvironmentFault(PPOError, RuntimeError):
    """An environment broke its contract: a wrong shape, a NaN, a 4-tuple from `step`, unequal spaces."""


class WorkerError(PPOError, RuntimeError):
    """An environment raised inside a worker process.

    `index` is the environment's index and `worker` the worker's; the message ends with the worker's traceback,
    and `__cause__` is the original exception where it could be sent.
    """

    def __init__(self, message: str, index: int | None = None, worker: int | None = None):
        super().__init__(message)
        self.index, self.worker = index, worker


class WorkerDied(WorkerError):
    """A worker process ended without being asked to (killed, crashed, or `os._exit`)."""


class WorkerTimeout(WorkerError, TimeoutError):
    """A worker did not answer within its time limit."""


class OutOfStep(PPOError, RuntimeError):
    """The environments cannot be stepped now; the message says which call puts them right."""


class NonFiniteError(PPOError, ArithmeticError):
    """A NaN or an infinity, found before the optimiser could spread it into the weights."""


class CheckpointError(PPOError, OSError):
    """A file that is not a complete, untouched checkpoint of this book."""
