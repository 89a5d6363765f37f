"""The gradient of PPO's loss, by hand: what autograd did for you.

Every function below goes forward and returns, beside its value, what the chain rule needs to go back: a derivative,
or a function `pull` that takes the derivatives of the loss with respect to its outputs and gives those with respect
to its inputs. All of it is NumPy on views of the policy's weights and gradients, which torch and Adam see too; for
two small networks the arithmetic is short, and what remains of autograd's time is its calls.
`d_x` is the derivative of the loss with respect to x, and has the shape of x.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from ppo_core.buffer import Minibatch
from ppo_core.config import PPOConfig
from ppo_core.errors import ConfigError
from ppo_core.loss import LossTerms
from ppo_core.policy import ActorCritic, PolicyOutput, is_stock

Pull = Callable[[np.ndarray, float], np.ndarray]


class AnalyticGradient:
    """`ppo_loss` of a minibatch, with its gradient left in the gradients of the policy's parameters.

    L = L_policy + c₁ · L_value - c₂ · mean entropy, and the gradient of each part with respect to the outputs of the
    networks is below; from there both networks go back layer by layer.

    Args: an ActorCritic whose parameters have their gradients allocated (`flatten_parameters` does), and the settings.
    Raises: ConfigError for a policy with other networks or another loss: only autograd can differentiate those.
    Tested against autograd, and against differences of the loss itself.
    """

    def __init__(self, policy: ActorCritic, config: PPOConfig):
        if not is_stock(policy):
            raise ConfigError(
                "gradient='analytic' is written for ActorCritic and its two tanh networks, not for this "
                f"{type(policy).__name__}: set gradient='autograd'"
            )
        self.policy, self.config = policy, config
        self.actor, self.critic = TanhNetwork(policy.actor), TanhNetwork(policy.critic)
        if (
            config.torch_threads
        ):  # NumPy's products have threads of their own, which torch's setting does not reach
            threadpool_limits(config.torch_threads, user_api="blas")

    def evaluate(self, obs: Tensor, actions: Tensor) -> PolicyOutput:
        """`policy.evaluate` of obs [B, *obs] and actions [B] or [B, A], without gradient; the mean entropy is a scalar."""
        logprobs, entropy, _ = self._head(self.actor.forward(self._flat(obs)), actions.numpy())
        return PolicyOutput(torch.from_numpy(logprobs), torch.tensor(entropy), self.value(obs))

    def value(self, obs: Tensor) -> Tensor:
        """`policy.value` of obs [B, *obs]: [B], without gradient."""
        return torch.from_numpy(self.critic.forward(self._flat(obs))[:, 0])

    def _flat(self, obs: Tensor) -> np.ndarray:
        return obs.numpy().reshape(len(obs), -1).astype(self.actor.dtype, copy=False)

    def __call__(self, minibatch: Minibatch) -> LossTerms:
        """The loss of a minibatch, tensors [B, ...]. Returns LossTerms, scalars without gradient."""
        config, B = self.config, len(minibatch.actions)
        actions, old_logprobs, advantages, returns, old_values = (x.numpy() for x in minibatch[1:])
        obs = self._flat(minibatch.obs)
        if config.normalize_advantages and B > 1:
            advantages = advantages - mean(advantages)
            advantages /= math.sqrt(advantages @ advantages / (B - 1)) + 1e-8

        logprobs, entropy, pull = self._head(self.actor.forward(obs), actions)
        policy_loss, d_logprobs, approx_kl, clip_frac = surrogate(
            logprobs, old_logprobs, advantages, config.clip_coef
        )
        self.actor.backward(pull(d_logprobs, -config.ent_coef / B))

        old_values = old_values if config.clip_value_loss else None
        values = self.critic.forward(obs)[:, 0]
        value_loss, d_values = squared_error(values, returns, old_values, config.clip_coef)
        self.critic.backward(config.vf_coef * d_values[:, None])

        loss = policy_loss + config.vf_coef * value_loss - config.ent_coef * entropy
        terms = np.array([loss, policy_loss, value_loss, entropy, approx_kl, clip_frac], obs.dtype)
        return LossTerms(*torch.from_numpy(terms).unbind())

    def _head(self, outputs: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, float, Pull]:
        if self.policy.is_discrete:
            return categorical(outputs, actions)
        log_std = self.policy.log_std
        return gaussian(outputs, log_std.detach().numpy(), log_std.grad.numpy(), actions)


class NumpyAdam(torch.optim.Adam):
    """torch's Adam for one flat parameter, with the step in NumPy on the same state: a third of the time of a call.

    m ← β₁ m + (1 - β₁) g,   v ← β₂ v + (1 - β₂) g²,   θ ← θ - α m̂ / (√v̂ + ε),   m̂ = m / (1 - β₁ᵗ),  v̂ = v / (1 - β₂ᵗ)

    Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1. Tested against torch's own.
    """

    def step(self, closure: None = None) -> None:
        """One step along the gradient [P], in place; shapes as torch has them."""
        group = self.param_groups[0]
        weights = group["params"][0]
        state = self.state[weights]
        if not state:
            state.update(
                step=torch.tensor(0.0),
                exp_avg=torch.zeros_like(weights),
                exp_avg_sq=torch.zeros_like(weights),
            )
        t, m, v = state["step"].numpy(), state["exp_avg"].numpy(), state["exp_avg_sq"].numpy()
        (beta1, beta2), g = group["betas"], weights.grad.numpy()
        t += 1
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * (g * g)
        scale = np.sqrt(v)
        scale *= (1 - beta2 ** t.item()) ** -0.5
        scale += group["eps"]
        np.divide(m, scale, out=scale)
        scale *= group["lr"] / (1 - beta1 ** t.item())
        np.subtract(theta := weights.detach().numpy(), scale, out=theta)

    step.hooked = True  # else torch wraps it into a profiler's record, which takes longer than the step


class TanhNetwork:
    """Linear layers with tanh between them, on views of torch's weights and gradients: [B, inputs] to [B, outputs].

    y = x Wᵀ + b:   d_W = d_yᵀ x,   d_b = Σ d_y,   d_x = d_y W
    y = tanh(x):    d_x = d_y (1 - y²)
    """

    def __init__(self, network: nn.Sequential):
        linears = [m for m in network if isinstance(m, nn.Linear)]
        self.weights = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in linears]
        self.gradients = [(m.weight.grad.numpy(), m.bias.grad.numpy()) for m in linears]
        self.dtype = self.weights[0][0].dtype

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The outputs [B, outputs] for x [B, inputs]; what each layer was given is kept for the way back."""
        self.inputs = [x]
        for weight, bias in self.weights[:-1]:
            x = x @ weight.T
            x += bias
            self.inputs.append(np.tanh(x, out=x))
        weight, bias = self.weights[-1]
        return x @ weight.T + bias

    def backward(self, d_y: np.ndarray) -> None:
        """Write the gradient of every weight and bias, given d_y [B, outputs]."""
        ones = np.ones(len(d_y), d_y.dtype)
        for k in reversed(range(len(self.weights))):
            x, (d_weight, d_bias) = self.inputs[k], self.gradients[k]
            np.matmul(d_y.T, x, out=d_weight)
            np.matmul(ones, d_y, out=d_bias)  # Σ over the batch; d_y.sum(0) takes three times as long
            if k:
                weight = self.weights[k][0]
                # with one output, a product of columns is sooner than a product of matrices
                d_y = d_y @ weight if len(weight) > 1 else d_y * weight
                x *= x
                d_y *= np.subtract(1, x, out=x)  # x was tanh's output, and nobody needs it again


def categorical(logits: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, float, Pull]:
    """Log-probabilities [B] of `actions` [B] and mean entropy under π = softmax(logits), logits [B, A], and `pull`.

    d log π(a) / d logits_b = [a = b] - π_b,   d H / d logits_b = -π_b (log π_b + H)
    """
    logits = logits - logits.max(-1, keepdims=True)
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    probs, rows = np.exp(log_probs), np.arange(len(actions))
    entropy = -(probs * log_probs).sum(-1, keepdims=True)

    def pull(d_logprobs: np.ndarray, d_entropy: float) -> np.ndarray:
        d_logits = -probs * (d_logprobs[:, None] + d_entropy * (log_probs + entropy))
        d_logits[rows, actions] += d_logprobs
        return d_logits

    return log_probs[rows, actions], mean(entropy), pull


def gaussian(
    mean: np.ndarray, log_std: np.ndarray, d_log_std: np.ndarray, actions: np.ndarray
) -> tuple[np.ndarray, float, Pull]:
    """Log-densities [B] of `actions` [B, A] and entropy under N(mean [B, A], exp(log_std [A])²), and `pull`.

    z = (a - mean) / σ:   d log π / d mean = z / σ,   d log π / d log σ = z² - 1,   d H / d log σ = 1
    `pull` returns d_mean and writes the gradient of log_std into `d_log_std`.
    """
    scale = np.exp(-log_std)
    z = (actions - mean) * scale
    logprobs = -(0.5 * z * z + (log_std + 0.5 * math.log(2 * math.pi))).sum(-1)

    def pull(d_logprobs: np.ndarray, d_entropy: float) -> np.ndarray:
        d_log_std[:] = d_logprobs @ (z * z - 1) + len(z) * d_entropy
        return d_logprobs[:, None] * z * scale

    return logprobs, (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(), pull


def surrogate(
    logprobs: np.ndarray, old_logprobs: np.ndarray, advantages: np.ndarray, clip_coef: float
) -> tuple[float, np.ndarray, float, float]:
    """`clipped_policy_loss` of four arrays [B], its derivative d_logprobs [B], `approximate_kl` and clip_frac.

    d L / d log π = -A · ratio / B, and 0 where A > 0 and ratio > 1 + ε, or A < 0 and ratio < 1 - ε
    """
    log_ratio = logprobs - old_logprobs
    ratio = np.exp(log_ratio)
    gains = ratio * advantages
    clipped_gains = np.minimum(np.maximum(ratio, 1 - clip_coef), 1 + clip_coef) * advantages
    d_logprobs = np.where(gains <= clipped_gains, gains, 0) * (-1 / len(gains))
    approx_kl = mean(np.expm1(log_ratio) - log_ratio)
    clip_frac = mean(np.abs(ratio - 1) > clip_coef)
    return -mean(np.minimum(gains, clipped_gains)), d_logprobs, approx_kl, clip_frac


def squared_error(
    values: np.ndarray, returns: np.ndarray, old_values: np.ndarray | None, clip_coef: float
) -> tuple[float, np.ndarray]:
    """`value_loss` of arrays [B], clipped around `old_values` unless they are None, and its derivative d_values [B].

    d L / d V = (V - returns) / B; where the clipped error is the larger one, V does not matter outside the clip range
    """
    errors = values - returns
    slopes = errors
    if old_values is not None:
        moved = values - old_values
        clipped_errors = old_values + np.minimum(np.maximum(moved, -clip_coef), clip_coef) - returns
        taken = np.abs(errors) >= np.abs(clipped_errors)
        slopes = np.where(taken | (np.abs(moved) <= clip_coef), errors, 0)
        errors = np.where(taken, errors, clipped_errors)
    return 0.5 * mean(errors * errors), slopes / len(errors)


def mean(values: np.ndarray) -> float:
    """The mean of an array [B] or [B, 1]; a third of the time of `values.mean()`."""
    return values.sum() / len(values)
