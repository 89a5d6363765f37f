"""Arrays that several processes see at once: one file without a name, mapped into each of them.

The file vanishes with the last process that holds it, however that process ends.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Any

import numpy as np

from ppo_core.checks import array_spec


def layout_of(observation_space: Any, action_space: Any, num_envs: int, num_workers: int) -> dict[str, tuple]:
    """Name to (offset in bytes, shape, dtype) of each array, and under "" the size of it all."""
    obs_shape, obs_dtype = array_spec(observation_space)
    arrays = {
        "obs": ((num_envs, *obs_shape), obs_dtype),
        "last_obs": ((num_envs, *obs_shape), obs_dtype),  # where an episode ended; otherwise old
        "actions": ((num_envs, *action_space.shape), action_space.dtype),
        "rewards": ((num_envs,), np.float32),
        "terminated": ((num_envs,), bool),
        "truncated": ((num_envs,), bool),
        "episode": ((num_envs,), np.int64),
        "seed": ((1,), np.int64),  # -1: go on to the next episode
        "command": ((num_workers,), np.int64),
        "request": ((num_workers,), np.int64),
        "answer": ((num_workers,), np.int64),
        "ok": ((num_workers,), bool),
    }
    layout, offset = {}, 0
    for name, (shape, dtype) in arrays.items():
        layout[name] = (offset, shape, np.dtype(dtype).str)
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        offset += -(-size // 64) * 64  # each array begins on a cache line of its own
    return {**layout, "": (offset, (), "")}


def nameless_file(layout: dict) -> Any:
    """A temporary file of the size of `layout`: in memory rather than on a disk, where the system offers that."""
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    file = tempfile.TemporaryFile(dir=folder)
    file.truncate(layout[""][0])
    return file


def map_arrays(descriptor: int, layout: dict) -> dict[str, np.ndarray]:
    """The arrays of `layout`, each with its own shape, as views of the file."""
    memory = mmap.mmap(descriptor, layout[""][0])
    return {
        name: np.frombuffer(memory, dtype, int(np.prod(shape)), offset).reshape(shape)
        for name, (offset, shape, dtype) in layout.items()
        if name
    }
