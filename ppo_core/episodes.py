"""What happened to whole episodes, across rollouts that begin and end in the middle of them."""

from __future__ import annotations

from collections import deque

import numpy as np
import torch
from torch import Tensor

from ppo_core.buffer import Rollout

RECENT = 20  # episodes over which episodic_return and episodic_length are averaged


class EpisodeLog:
    """Returns and lengths of finished episodes, and what it takes to replay those under way."""

    def __init__(self, num_envs: int, no_actions: np.ndarray):
        self.no_actions = no_actions  # [0] or [0, A]
        self.count = np.zeros(
            num_envs, np.int64
        )  # [N]: episodes finished; also the number of the one under way
        self.recent: deque[tuple[float, int]] = deque(
            maxlen=RECENT
        )  # (return, length) of the last finished ones
        self.forget_running()

    def forget_running(self) -> None:
        """Begin to count the episodes under way from here."""
        self.returns = np.zeros(len(self.count))  # [N]: so far
        self.lengths = np.zeros(len(self.count), np.int64)  # [N]: so far
        self.actions: list[np.ndarray] = [self.no_actions] * len(
            self.count
        )  # each [steps since its reset, ...]

    def record(self, rollout: Rollout) -> int:
        """Take in a rollout. Returns the number of episodes that ended in it."""
        rewards, actions = rollout.rewards.numpy().astype(np.float64), rollout.actions.numpy()
        ends = np.argwhere((rollout.terminated | rollout.truncated).numpy())  # rows (t, i), in order of time
        start = np.zeros_like(self.count)
        for t, i in ends:
            self.recent.append(
                (
                    self.returns[i] + rewards[start[i] : t + 1, i].sum(),
                    int(self.lengths[i] + t + 1 - start[i]),
                )
            )
            start[i], self.returns[i], self.lengths[i], self.actions[i] = t + 1, 0.0, 0, self.no_actions
            self.count[i] += 1
        for i, since in enumerate(start):
            self.returns[i] += rewards[since:, i].sum()
            self.lengths[i] += len(rewards) - since
            self.actions[i] = np.concatenate([self.actions[i], actions[since:, i]])
        return len(ends)

    def means(self) -> tuple[float, float]:
        """Mean return and mean length of the recent episodes; NaN before the first."""
        return tuple(np.mean(self.recent, axis=0).tolist()) if self.recent else (float("nan"), float("nan"))

    def state(self) -> dict[str, Tensor]:
        """The log as tensors."""
        played = np.concatenate(self.actions)
        arrays = {
            "count": self.count,
            "returns": self.returns,
            "lengths": self.lengths,
            "recent": np.array(self.recent, float).reshape(-1, 2),
            "played": played,
        }
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """The log as it was when `state()` was called."""
        arrays = {name: tensor.numpy().copy() for name, tensor in state.items()}
        self.count, self.returns, self.lengths = arrays["count"], arrays["returns"], arrays["lengths"]
        self.recent = deque(((r, int(n)) for r, n in arrays["recent"]), maxlen=RECENT)
        self.actions = np.split(arrays["played"], self.lengths.cumsum()[:-1])
