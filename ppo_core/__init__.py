"""ppo_core: Proximal Policy Optimization, one idea a module.

Read it in this order: config, envs, policy, gae, buffer, loss, trainer; then parallel, checkpoint and the rest.
Names load when they are first used, so that a worker that only steps environments never imports torch.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "PPOConfig": "config",
    "StepResult": "envs",
    "VectorEnv": "envs",
    "make_env": "envs",
    "SerialVectorEnv": "envs",
    "GymnasiumVectorEnv": "adapters",
    "TabularEnv": "probes",
    "ParallelVectorEnv": "parallel",
    "ActorCritic": "policy",
    "PolicyOutput": "policy",
    "Advantages": "gae",
    "compute_gae": "gae",
    "Rollout": "buffer",
    "Minibatch": "buffer",
    "LossTerms": "loss",
    "clipped_policy_loss": "loss",
    "value_loss": "loss",
    "normalize": "loss",
    "approximate_kl": "loss",
    "ppo_loss": "loss",
    "Trainer": "trainer",
    "IterationStats": "trainer",
    "Evaluation": "evaluation",
    "save_checkpoint": "checkpoint",
    "load_checkpoint": "checkpoint",
    "PPOError": "errors",
    "ConfigError": "errors",
    "UnsupportedSpaceError": "errors",
    "EnvironmentFault": "errors",
    "WorkerError": "errors",
    "WorkerDied": "errors",
    "WorkerTimeout": "errors",
    "OutOfStep": "errors",
    "NonFiniteError": "errors",
    "CheckpointError": "errors",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"ppo_core.{_HOME[name]}"), name)
    raise AttributeError(f"module 'ppo_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
