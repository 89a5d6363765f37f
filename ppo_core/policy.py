"""The policy and the critic: two small networks, and what can be asked of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from ppo_core.errors import UnsupportedSpaceError


class PolicyOutput(NamedTuple):
    """What policy and critic say about given observations and actions; every tensor is [B]."""

    logprobs: Tensor  # log π(a|o), nats
    entropy: Tensor  # H[π(·|o)], nats
    values: Tensor  # V(o), discounted reward units


class ActorCritic(nn.Module):
    """An actor and a critic with two hidden layers each, for Discrete or Box actions.

    Discrete: the actor gives logits, π(a|o) = softmax(logits)_a. Box: it gives the mean of a Gaussian whose
    log standard deviation is a parameter of its own, one for each action dimension, the same in every state.

    Args: spaces of one environment; `hidden_size` units in each hidden layer; `generator` for the initial weights.
    Raises: UnsupportedSpaceError for other spaces, with the remedy.
    Source: Huang et al. 2022, details 2 (orthogonal weights) and 13 (separate networks).
    """

    def __init__(
        self,
        observation_space: gym.Space,
        action_space: gym.Space,
        hidden_size: int = 64,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        if not isinstance(observation_space, gym.spaces.Box):
            raise UnsupportedSpaceError(
                f"observation_space {observation_space} is not a Box: "
                "wrap the environment, for example in gymnasium.wrappers.FlattenObservation"
            )
        self.is_discrete = isinstance(action_space, gym.spaces.Discrete) and action_space.start == 0
        is_vector = isinstance(action_space, gym.spaces.Box) and len(action_space.shape) == 1
        if not self.is_discrete and not (is_vector and action_space.dtype.kind == "f"):
            raise UnsupportedSpaceError(
                f"action_space {action_space} is neither Discrete (from 0) nor a Box of floats of shape [A]: "
                "wrap the environment so that it is"
            )
        self.obs_size = math.prod(observation_space.shape)
        self.action_size = int(action_space.n) if self.is_discrete else action_space.shape[0]
        self.actor = mlp(self.obs_size, hidden_size, self.action_size, last_gain=0.01, generator=generator)
        self.critic = mlp(self.obs_size, hidden_size, 1, last_gain=1.0, generator=generator)
        self.log_std = None if self.is_discrete else nn.Parameter(torch.zeros(self.action_size))  # [A]

    def value(self, obs: Tensor) -> Tensor:
        """V(o) of observations [B, *obs]. Returns [B], never [B, 1]: that would broadcast against returns [B]."""
        return self.critic(self._flat(obs)).squeeze(-1)

    def evaluate(self, obs: Tensor, actions: Tensor) -> PolicyOutput:
        """Log-probabilities, entropy and values of obs [B, *obs] and the actions taken there, [B] or [B, A]."""
        out = self.actor(self._flat(obs))
        if self.is_discrete:
            logprobs, entropy = categorical(out, actions)
        else:
            logprobs, entropy = gaussian(out, self.log_std, actions)
        return PolicyOutput(logprobs, entropy, self.value(obs))

    def noise(self, *shape: int, generator: torch.Generator | None = None) -> Tensor:
        """Randomness for `act`, [*shape, A]: Gumbel for Discrete actions, standard normal for Box actions."""
        noise = torch.empty(*shape, self.action_size, dtype=self.dtype)
        if self.is_discrete:
            return -noise.exponential_(generator=generator).log()
        return noise.normal_(generator=generator)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights, and of every number computed with them."""
        return next(self.parameters()).dtype

    @torch.no_grad()
    def act(self, obs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Actions for observations [B, *obs]: a sample of π for `noise` [B, A], the most probable action without it.

        argmax(logits + Gumbel noise) is a sample of softmax(logits), and mean + std · normal noise of the Gaussian.
        Returns [B] int64, or [B, A] float32: as sampled, not clipped to the bounds of the action space.
        """
        out = self.actor(self._flat(obs))
        if self.is_discrete:
            return (out if noise is None else out + noise).argmax(-1)
        return out if noise is None else out + self.log_std.exp() * noise

    def _flat(self, obs: Tensor) -> Tensor:
        return obs.reshape(-1, self.obs_size).to(self.dtype)


def categorical(logits: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probability of `actions` [B] and entropy under softmax(logits), logits [B, A].

    log π(a) = logits_a - log Σ_b exp(logits_b),   H = - Σ_a π(a) log π(a)

    Returns: two tensors [B], in nats.
    """
    log_probs = torch.log_softmax(logits, dim=-1)  # [B, A]
    logprobs = log_probs.gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    return logprobs, -(log_probs.exp() * log_probs).sum(-1)


def gaussian(mean: Tensor, log_std: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Log-density of `actions` [B, A] and entropy under independent normal distributions, mean [B, A], log_std [A].

    log π(a) = - Σ_k ( ½ z_k² + log σ_k + ½ log 2π ),   z = (a - mean) / σ
    H = Σ_k ( log σ_k + ½ log 2πe )

    Returns: two tensors [B], in nats; the dimensions are summed, because they are independent.
    """
    z = (actions - mean) * torch.exp(-log_std)
    logprobs = -(0.5 * z.square() + log_std + 0.5 * math.log(2 * math.pi)).sum(-1)
    entropy = (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum()
    return logprobs, entropy.expand(len(mean))


def mlp(
    inputs: int, hidden: int, outputs: int, last_gain: float, generator: torch.Generator | None = None
) -> nn.Sequential:
    """Two hidden tanh layers; [B, inputs] to [B, outputs]."""
    return nn.Sequential(
        linear(inputs, hidden, math.sqrt(2), generator),
        nn.Tanh(),
        linear(hidden, hidden, math.sqrt(2), generator),
        nn.Tanh(),
        linear(hidden, outputs, last_gain, generator),
    )


def linear(inputs: int, outputs: int, gain: float, generator: torch.Generator | None = None) -> nn.Linear:
    """A linear layer whose weight [outputs, inputs] is orthogonal, every singular value equal to `gain`; bias 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def is_stock(policy: nn.Module) -> bool:
    """Whether `policy` is an ActorCritic as it is made here, so that its two tanh networks may be written out."""
    kinds = [nn.Linear, nn.Tanh] * 2 + [nn.Linear]
    return type(policy) is ActorCritic and all(
        [*map(type, n)] == kinds for n in (policy.actor, policy.critic)
    )


def numpy_act(policy: ActorCritic) -> Callable[[np.ndarray, np.ndarray | None], np.ndarray]:
    """`policy.act` on NumPy arrays, without torch's cost per call, which outweighs a handful of observations.

    The weights are views of torch's memory, so each optimiser step is seen here with nothing copied.
    Args of the result: obs [N, *obs], noise [N, A] or None. Another policy keeps its own `act`.
    """
    if not is_stock(policy):
        return lambda obs, noise: policy.act(
            torch.from_numpy(obs), None if noise is None else torch.from_numpy(noise)
        ).numpy()
    layers = [(m.weight.detach().numpy().T, m.bias.detach().numpy()) for m in policy.actor[::2]]
    log_std = None if policy.is_discrete else policy.log_std.detach().numpy()

    def act(obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        x = obs.reshape(len(obs), policy.obs_size).astype(layers[0][0].dtype, copy=False)
        for weight, bias in layers[:-1]:
            x = x @ weight
            x += bias
            np.tanh(x, out=x)
        out = x @ layers[-1][0] + layers[-1][1]
        if log_std is None:
            return (out if noise is None else out + noise).argmax(-1)
        return out if noise is None else out + np.exp(log_std) * noise

    return act
