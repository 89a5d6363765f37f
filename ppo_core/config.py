"""Every setting of the algorithm, in one frozen dataclass that refuses values which cannot work."""

from __future__ import annotations

import difflib
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from ppo_core.errors import ConfigError


def setting(
    default: Any, help: str, unit: str = "", at_least: Any = None, at_most: Any = None, choices: tuple = ()
) -> Any:
    """A dataclass field that carries its own help text, unit and range, or the words to choose from."""
    allowed = {"range": (at_least, at_most), "choices": choices}
    return field(default=default, metadata={"help": help, "unit": unit, **allowed})


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """The settings of one training run.

    Sizes: a rollout is [num_steps, num_envs]; `batch_size` = T·N steps are cut into `num_minibatches`
    minibatches, visited `update_epochs` times. Defaults solve CartPole-v1.
    Raises: ConfigError (a ValueError) that names the field, its value and the remedy.
    Source of the defaults: Schulman et al. 2017, arXiv:1707.06347, and Huang et al. 2022 (37 details).
    """

    # fmt: off
    env_id: str = setting("CartPole-v1", "Gymnasium environment to train on")
    seed: int = setting(1, "seed of weights, sampling, shuffling and environments", at_least=0, at_most=2**63 - 1)
    total_timesteps: int = setting(50_000, "length of training", "environment steps", at_least=1)
    num_envs: int = setting(8, "environments stepped side by side (N)", "environments", at_least=1)
    num_steps: int = setting(32, "steps of each environment per rollout (T)", "steps", at_least=1)
    num_workers: int = setting(0, "worker processes for the environments; 0: this process", "processes", at_least=0)

    learning_rate: float = setting(2e-3, "Adam's step size at the start", at_least=0.0)
    anneal_lr: bool = setting(True, "lower the learning rate linearly, to reach 0 after the last update")
    adam_eps: float = setting(1e-5, "Adam's epsilon", at_least=0.0)
    gamma: float = setting(0.98, "discount γ", at_least=0.0, at_most=1.0)
    gae_lambda: float = setting(0.95, "λ of generalized advantage estimation", at_least=0.0, at_most=1.0)
    num_minibatches: int = setting(4, "parts into which each rollout is cut", "minibatches", at_least=1)
    update_epochs: int = setting(4, "passes over each rollout", "epochs", at_least=1)
    normalize_advantages: bool = setting(True, "shift and scale advantages to mean 0 and deviation 1 in each minibatch")
    clip_coef: float = setting(0.2, "ε: how far the probability ratio may move before clipping", at_least=0.0)
    clip_value_loss: bool = setting(False, "clip the value loss around the old values too")
    ent_coef: float = setting(0.01, "weight of the entropy bonus", at_least=0.0)
    vf_coef: float = setting(0.5, "weight of the value loss", at_least=0.0)
    max_grad_norm: float = setting(0.5, "largest global norm of the gradient", at_least=0.0)
    target_kl: float | None = setting(None, "end an update once its KL divergence is above this", "nats", at_least=0.0)

    hidden_size: int = setting(64, "width of the two hidden layers of actor and critic", "units", at_least=1)
    gradient: str = setting("autograd", "who differentiates the loss: autograd, or analytic (by hand, for the stock policy)", choices=("autograd", "analytic"))
    dtype: str = setting("float32", "numbers from the policy inward: float32 or float64", choices=("float32", "float64"))
    check: str = setting("always", "answers of environments that are checked: always, or first (of each)", choices=("always", "first"))
    torch_threads: int = setting(1, "1 is fastest for small networks; 0: torch's own choice", "threads", at_least=0)
    # fmt: on

    def __post_init__(self) -> None:
        for f in fields(self):
            _check(f, getattr(self, f.name))
        if self.num_minibatches > self.batch_size:
            raise ConfigError(
                f"num_minibatches={self.num_minibatches} is more than the {self.batch_size} steps of a rollout "
                f"(num_envs={self.num_envs} × num_steps={self.num_steps}): lower it, or collect longer rollouts"
            )
        if self.total_timesteps < self.batch_size:
            raise ConfigError(
                f"total_timesteps={self.total_timesteps} is less than one rollout of {self.batch_size} steps "
                f"(num_envs={self.num_envs} × num_steps={self.num_steps}): raise it, or collect shorter rollouts"
            )
        if self.num_workers > self.num_envs:
            raise ConfigError(
                f"num_workers={self.num_workers} is more than num_envs={self.num_envs}: each worker needs one"
            )

    @property
    def batch_size(self) -> int:
        """Steps in a rollout, T·N."""
        return self.num_envs * self.num_steps

    @property
    def minibatch_size(self) -> int:
        """Steps in the largest minibatch; minibatches of one epoch differ by one step at most."""
        return -(-self.batch_size // self.num_minibatches)

    @property
    def num_iterations(self) -> int:
        """Rollouts that fit into `total_timesteps`; what is left over is not collected."""
        return self.total_timesteps // self.batch_size

    def replace(self, **changes: Any) -> PPOConfig:
        """A copy with some settings changed, checked again."""
        _known(changes)
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain Python values, in the order of their definition."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> PPOConfig:
        """The settings from plain values, as a checkpoint stores them."""
        _known(settings)
        return cls(**settings)

    @classmethod
    def preset(cls, env_id: str, **overrides: Any) -> PPOConfig:
        """Settings known to work on `env_id`; the defaults where we know none. `overrides` win."""
        return cls.from_dict({"env_id": env_id, **PRESETS.get(env_id, {}), **overrides})


# What differs from the defaults, for the environments that the book trains on.
PRESETS: dict[str, dict[str, Any]] = {
    "CartPole-v1": {},
    "Acrobot-v1": {"num_envs": 16, "num_steps": 64, "total_timesteps": 150_000, "gamma": 0.99},
    "Pendulum-v1": {
        "num_envs": 16, "num_steps": 128, "total_timesteps": 300_000, "learning_rate": 1e-3, "gamma": 0.9,
        "update_epochs": 10, "num_minibatches": 16, "ent_coef": 0.0,
    },
}  # fmt: skip


def _known(settings: dict[str, Any]) -> None:
    names = [f.name for f in fields(PPOConfig)]
    for name in settings:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            raise ConfigError(
                f"PPOConfig has no setting {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(names)}")
            )


def _check(f: Field, value: Any) -> None:
    name, choices, (at_least, at_most) = f.name, f.metadata["choices"], f.metadata["range"]
    number = (int, float)
    kinds = {"str": str, "bool": bool, "int": int, "float": number, "float | None": (*number, type(None))}
    if not isinstance(value, kinds[f.type]) or (isinstance(value, bool) and f.type != "bool"):
        raise ConfigError(f"{name}={value!r} must be of type {f.type}, got {type(value).__name__}")
    if choices and value not in choices:
        raise ConfigError(f"{name}={value!r} must be {' or '.join(map(repr, choices))}")
    if isinstance(value, number) and not isinstance(value, bool):
        if value != value or value in (float("inf"), float("-inf")):
            raise ConfigError(f"{name}={value} must be a finite number")
        if (at_least is not None and value < at_least) or (at_most is not None and value > at_most):
            bounds = f"at least {at_least}" if at_most is None else f"between {at_least} and {at_most}"
            raise ConfigError(f"{name}={value} must be {bounds}")
