"""The PPO loss: a policy that moves towards better actions but not too far at once, and a critic that keeps up."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ppo_core.buffer import Minibatch
    from ppo_core.config import PPOConfig
    from ppo_core.policy import ActorCritic


class LossTerms(NamedTuple):
    """The loss of one minibatch and what it is made of: scalar tensors, of which only `loss` carries gradient."""

    loss: Tensor  # policy_loss + vf_coef · value_loss - ent_coef · entropy
    policy_loss: Tensor
    value_loss: Tensor  # reward units, squared
    entropy: Tensor  # nats
    approx_kl: Tensor  # nats; the k3 estimator, never negative
    clip_frac: Tensor  # share of samples with |ratio - 1| > ε


def clipped_policy_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip_coef: float
) -> Tensor:
    """PPO's clipped surrogate objective, negated so that smaller is better.

    L(θ) = - mean( min( ratio · A, clip(ratio, 1 - ε, 1 + ε) · A ) ),   ratio = exp(logprobs - old_logprobs)

    The gradient of a sample is zero only where A > 0 and ratio > 1 + ε, or A < 0 and ratio < 1 - ε.

    Args: three tensors [B]; log-probabilities in nats. `clip_coef` is ε ≥ 0.
    Returns: a scalar to minimise.
    Raises: ValueError if the shapes are not one and the same [B].
    Source: Schulman et al. 2017, arXiv:1707.06347, equation 7. Tested sample by sample in plain Python.
    """
    _check_shapes(logprobs=logprobs, old_logprobs=old_logprobs, advantages=advantages)
    ratio = torch.exp(logprobs - old_logprobs)
    clipped_ratio = ratio.clamp(1 - clip_coef, 1 + clip_coef)
    return -torch.min(ratio * advantages, clipped_ratio * advantages).mean()


def value_loss(
    values: Tensor, returns: Tensor, old_values: Tensor | None = None, clip_coef: float | None = None
) -> Tensor:
    """Half the mean squared error of the critic.

    L(φ) = ½ mean( (V - returns)² ), or with clipping ½ mean( max( (V - returns)², (V_clip - returns)² ) ),
    where V_clip = V_old + clip(V - V_old, -ε, ε).

    Args: tensors [B], in reward units; give `old_values` and `clip_coef` together or not at all.
    Returns: a scalar to minimise.
    Raises: ValueError if the shapes are not one and the same [B], or only one of the two is given.
    Source: Huang et al. 2022, detail 9 (clipped form, with the max of OpenAI's baselines).
    """
    _check_shapes(values=values, returns=returns)
    if (old_values is None) != (clip_coef is None):
        raise ValueError("value_loss needs old_values and clip_coef together, or neither of them")
    squared_error = (values - returns).square()
    if old_values is not None:
        _check_shapes(values=values, old_values=old_values)
        clipped_values = old_values + (values - old_values).clamp(-clip_coef, clip_coef)
        squared_error = torch.max(squared_error, (clipped_values - returns).square())
    return 0.5 * squared_error.mean()


def normalize(advantages: Tensor) -> Tensor:
    """Advantages [B] shifted to mean 0 and scaled to standard deviation 1.

    (A - mean) / (std + 1e-8), with the unbiased std; a single sample has none and is returned as it is.
    """
    if advantages.numel() < 2:
        return advantages
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)


def approximate_kl(logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    """Estimate of KL(π_old ‖ π) from samples [B] of π_old, in nats: the estimator k3.

    k3 = mean( (ratio - 1) - log ratio ) ≥ 0, with expm1 so that round-off cannot make it negative.
    Source: Schulman 2020, "Approximating KL divergence".
    """
    log_ratio = logprobs - old_logprobs
    return (torch.expm1(log_ratio) - log_ratio).mean()


def ppo_loss(policy: ActorCritic, minibatch: Minibatch, config: PPOConfig) -> LossTerms:
    """The whole loss of one minibatch.

    L = L_policy + c₁ · L_value - c₂ · mean entropy,   c₁ = vf_coef, c₂ = ent_coef

    Args: `minibatch` holds tensors [B, ...]; `policy` evaluates its observations and actions.
    Returns: LossTerms, scalars; only `loss` carries gradient.
    Raises: ValueError if a shape of the minibatch does not fit.
    Source: Schulman et al. 2017, arXiv:1707.06347, equation 9.
    """
    logprobs, entropy, values = policy.evaluate(minibatch.obs, minibatch.actions)
    advantages = normalize(minibatch.advantages) if config.normalize_advantages else minibatch.advantages
    policy_term = clipped_policy_loss(logprobs, minibatch.old_logprobs, advantages, config.clip_coef)
    if config.clip_value_loss:
        value_term = value_loss(values, minibatch.returns, minibatch.old_values, config.clip_coef)
    else:
        value_term = value_loss(values, minibatch.returns)
    entropy = entropy.mean()
    loss = policy_term + config.vf_coef * value_term - config.ent_coef * entropy
    with torch.no_grad():
        ratio = torch.exp(logprobs - minibatch.old_logprobs)
        clip_frac = ((ratio - 1).abs() > config.clip_coef).to(ratio.dtype).mean()
        approx_kl = approximate_kl(logprobs, minibatch.old_logprobs)
    return LossTerms(loss, policy_term.detach(), value_term.detach(), entropy.detach(), approx_kl, clip_frac)


def _check_shapes(**tensors: Tensor) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise ValueError(
            "expected tensors of one shape [B], got "
            + ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        )
