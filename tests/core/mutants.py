"""Planted bugs. Each is the whole package with a few words of one module exchanged, written to a folder and imported.

A mutant carries the number of the bug in the book's bug zoo where it has one (B1 to B24), or says in `why` where it
would come from. `killed_by` names one oracle that must reject it; that oracle accepts the package as it is.
"""

from __future__ import annotations

import importlib
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from oracles import Core

import ppo_core

SOURCE = Path(ppo_core.__file__).parent


class Mutant(NamedTuple):
    """`old`, whatever its line breaks, occurs in the module exactly once: a mutant that no longer applies is an error."""

    name: str
    module: str
    old: str
    new: str
    killed_by: str
    why: str = ""


def pattern(old: str) -> re.Pattern:
    """`old` with any white space between its tokens, and with the commas that a formatter adds before a bracket."""
    tokens = re.findall(r"\w+|[^\w\s]", old)
    joined = re.escape(tokens[0])
    for before, token in pairwise(tokens):
        gap = r"\s+" if before[-1].isalnum() and token[0].isalnum() else r"\s*"
        joined += (r"\s*,?\s*" if token in ")]}" else gap) + re.escape(token)
    return re.compile(joined)


def build(mutant: Mutant, folder: Path) -> Core:
    """The package with the bug, under a name of its own, importable here and in worker processes."""
    text = (SOURCE / f"{mutant.module}.py").read_text(encoding="utf-8")
    changed, count = pattern(mutant.old).subn(lambda match: mutant.new, text)
    if count != 1:
        raise LookupError(f"mutant {mutant.name}: {mutant.old!r} occurs {count} times in {mutant.module}.py, expected once: adapt the table")
    package = "ppo_mutant_" + "".join(c if c.isalnum() else "_" for c in mutant.name)
    home = folder / package
    home.mkdir()
    for path in SOURCE.glob("*.py"):
        source = changed if path.stem == mutant.module else path.read_text(encoding="utf-8")
        (home / path.name).write_text(source.replace("ppo_core", package), encoding="utf-8")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    core = Core(package)
    getattr(core, mutant.module)  # a mutant that cannot even be imported is an error too
    return core


def forget(core: Core, folder: Path) -> None:
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name == core.package or name.startswith(core.package + ".")]:
        del sys.modules[name]


M = Mutant
NUMBERS = [
    # ---- advantages
    M("B1", "gae", "done = terminated | truncated", "done = terminated", "gae_keeps_episodes_apart", "truncation is ignored: advantages leak into the next episode"),
    M("B2", "gae", "* ~terminated - values", "* ~done - values", "gae_is_the_double_sum", "truncation is taken for termination"),
    M("B5", "gae", "advantages = torch.empty_like", "deltas[-1] -= gamma * (next_values * ~terminated)[-1]\n    advantages = torch.empty_like", "gae_does_not_see_where_a_rollout_is_cut", "nothing is bootstrapped where the rollout ends"),
    M("B6", "gae", "done = terminated | truncated", "done = truncated", "gae_by_hand", "returns of one episode bleed into the last"),
    M("B8", "gae", "deltas =", "terminated, truncated = terminated.roll(1, 0), truncated.roll(1, 0)\n    done = done.roll(1, 0)\n    deltas =", "gae_by_hand", "the flag of an end is read one row late"),
    M("B9", "gae", "deltas = rewards +", "deltas = rewards.roll(1, 0) +", "gae_limits", "rewards are shifted by one step"),
    M("B10", "gae", "* (~done).to(deltas.dtype)", "* torch.ones_like(deltas)", "gae_agrees_with_torchrl", "the recursion does not stop where an episode ends"),
    M("B15 missing gamma", "gae", "decay = gamma * gae_lambda", "decay = gae_lambda", "gae_agrees_with_stable_baselines3", "a printed formula without γ"),
    M("B15 power", "gae", "decay = gamma * gae_lambda", "decay = (gamma * gae_lambda) ** 2", "gae_is_the_double_sum", "a printed formula with a wrong exponent"),
    M("B16 range", "gae", "in reversed(range(len(deltas))):", "in reversed(range(len(deltas) - 1)):", "gae_by_hand", "the last row is left out of the loop"),
    M("B22", "gae", "* ~terminated - values", "* ~(terminated & ~truncated) - values", "gae_by_hand", "a death at the time limit is bootstrapped"),
    M("same state", "gae", "gamma * next_values *", "gamma * values *", "gae_limits", "bootstraps from the value of the same state"),
    M("masked twice", "gae", "running = torch.zeros_like", "deltas = deltas * ~done\n    running = torch.zeros_like", "gae_limits", "the end of an episode is masked out of δ as well"),
    M("returns", "gae", "Advantages(advantages, advantages + values)", "Advantages(advantages, advantages)", "gae_of_exact_values_is_zero", "the critic learns advantages"),
    M("environments", "gae", "running = deltas[t] + decay[t] * running", "running = deltas[t] + decay[t] * running.roll(1)", "gae_treats_environments_alike", "environments are flattened in the wrong order"),
    M("no check", "gae", "tensor.ndim != 2 or tensor.shape != rewards.shape", "False", "gae_refuses_what_cannot_be_right", "[T, N, 1] broadcasts in silence"),
    M("in place", "gae", "deltas = rewards + gamma * next_values * ~terminated - values", "deltas = rewards.add_(1.0) + gamma * next_values * ~terminated - values - 1.0", "gae_refuses_what_cannot_be_right", "modifies what it was given"),
    # ---- losses
    M("B7", "loss", "- config.ent_coef * entropy", "+ config.ent_coef * entropy", "entropy_bonus_raises_entropy", "the entropy bonus has the wrong sign"),
    M("B12", "loss", "-torch.min(ratio * advantages, clipped_ratio * advantages).mean()", "-(clipped_ratio * advantages).mean()", "policy_loss_in_the_six_cases", "believes that clipping is two-sided"),
    M("B13", "loss", "-torch.min(ratio * advantages, clipped_ratio * advantages).mean()", "-(torch.min(ratio, clipped_ratio) * advantages).mean()", "policy_loss_in_the_six_cases", "takes the minimum before it multiplies"),
    M("B15 value clip", "loss", "clipped_values = old_values + (values - old_values).clamp", "clipped_values = (values - old_values).clamp", "value_loss_is_the_formula", "a printed formula without V_old"),
    M("B16 undetached", "loss", "advantages = normalize(minibatch.advantages) if config.normalize_advantages else minibatch.advantages", "advantages = minibatch.advantages + values - values.detach()\n    advantages = normalize(advantages) if config.normalize_advantages else advantages", "each_part_gets_its_own_gradient", "the policy's loss teaches the critic; the value of the loss is right"),
    M("B18", "loss", "len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values())", "False", "losses_refuse_to_broadcast", "[B, 1] - [B] is [B, B]"),
    M("B18 policy", "policy", "return self.critic(self._flat(obs)).squeeze(-1)", "return self.critic(self._flat(obs))", "policy_evaluates_each_row_by_itself", "values are [B, 1]"),
    M("B19", "loss", "if advantages.numel() < 2:", "if False:", "normalize_gives_mean_zero_and_deviation_one", "the deviation of one sample is NaN"),
    M("B19 no eps", "loss", "(advantages.std() + 1e-8)", "advantages.std()", "normalize_gives_mean_zero_and_deviation_one", "0 / 0 where all advantages are equal"),
    M("B20", "loss", "torch.expm1(log_ratio) - log_ratio", "torch.exp(log_ratio) - 1 - log_ratio", "approximate_kl_is_never_negative_and_unbiased", "round-off makes k3 negative"),
    M("B23 squared", "loss", "ratio = torch.exp(logprobs - old_logprobs)\n    clipped_ratio", "ratio = torch.exp(logprobs - old_logprobs).square()\n    clipped_ratio", "policy_loss_is_the_formula", "a published checker squares the objective"),
    M("B23 unclipped", "loss", "-torch.min(ratio * advantages, clipped_ratio * advantages).mean()", "-(ratio * advantages).mean()", "policy_loss_is_the_formula", "passes every check whose ratios lie inside ε"),
    M("B28", "loss", "squared_error = torch.max(squared_error, (clipped_values - returns).square())", "squared_error = (clipped_values - returns).square()", "value_loss_is_the_formula", "a choice of Stable-Baselines3, not ours: no maximum"),
    M("max for min", "loss", "-torch.min(ratio", "-torch.max(ratio", "policy_loss_is_the_formula"),
    M("ratio inverted", "loss", "ratio = torch.exp(logprobs - old_logprobs)\n    clipped_ratio", "ratio = torch.exp(old_logprobs - logprobs)\n    clipped_ratio", "policy_loss_at_ratio_one_is_the_policy_gradient"),
    M("ratio detached", "loss", "ratio = torch.exp(logprobs - old_logprobs)\n    clipped_ratio", "ratio = torch.exp(logprobs - old_logprobs).detach()\n    clipped_ratio", "gradients_pass_gradcheck"),
    M("ratio always one", "loss", "clipped_policy_loss(logprobs, minibatch.old_logprobs,", "clipped_policy_loss(logprobs, logprobs.detach(),", "ppo_loss_is_the_formula", "old log-probabilities are computed again"),
    M("sign", "loss", "return -torch.min", "return torch.min", "policy_loss_at_ratio_one_is_the_policy_gradient"),
    M("sum for mean", "loss", "clipped_ratio * advantages).mean()", "clipped_ratio * advantages).sum()", "losses_are_means_over_samples"),
    M("target is the advantage", "loss", "value_term = value_loss(values, minibatch.returns)", "value_term = value_loss(values, minibatch.advantages)", "ppo_loss_is_the_formula"),
    M("no half", "loss", "return 0.5 * squared_error.mean()", "return squared_error.mean()", "value_loss_is_the_formula"),
    M("biased std", "loss", "advantages.std() + 1e-8", "advantages.std(correction=0) + 1e-8", "normalize_gives_mean_zero_and_deviation_one"),
    M("clip_frac one-sided", "loss", "((ratio - 1).abs() > config.clip_coef)", "((ratio - 1) > config.clip_coef)", "ppo_loss_is_the_formula"),
    M("kl k1", "loss", "(torch.expm1(log_ratio) - log_ratio)", "(-log_ratio)", "approximate_kl_is_never_negative_and_unbiased"),
    M("kl reversed", "loss", "log_ratio = logprobs - old_logprobs", "log_ratio = old_logprobs - logprobs", "approximate_kl_is_never_negative_and_unbiased"),
    # ---- the policy
    M("B14 init", "policy", "nn.init.orthogonal_(layer.weight, gain, generator=generator)", "nn.init.orthogonal_(layer.weight, gain * 1e-3, generator=generator)", "weights_begin_orthogonal", "a factor that undoes the orthogonal weights"),
    M("log-prob mean over dimensions", "policy", "0.5 * math.log(2 * math.pi)).sum(-1)", "0.5 * math.log(2 * math.pi)).mean(-1)", "gaussian_agrees_with_scipy_and_torch"),
    M("log-prob without 2 pi", "policy", "+ log_std + 0.5 * math.log(2 * math.pi)).sum(-1)", "+ log_std).sum(-1)", "gaussian_agrees_with_scipy_and_torch"),
    M("std squared", "policy", "return out if noise is None else out + self.log_std.exp() * noise", "return out if noise is None else out + (2 * self.log_std).exp() * noise", "numpy_act_is_act"),
    M("std squared in both", "policy", "return torch.randn(*shape, self.action_size, generator=generator)", "return torch.randn(*shape, self.action_size, generator=generator) * 1.1", "actions_are_drawn_from_the_policy"),
    M("Gumbel sign", "policy", "return -torch.empty", "return torch.empty", "actions_are_drawn_from_the_policy"),
    M("logits as probabilities", "policy", "log_probs = torch.log_softmax(logits, dim=-1)", "log_probs = logits - logits.exp().sum()", "categorical_agrees_with_scipy_and_torch", "the sum runs over the batch too"),
    M("numpy_act copies", "policy", "m.weight.detach().numpy().T", "m.weight.detach().numpy().T.copy()", "numpy_act_is_act", "does not see the weights change"),
    M("any space", "policy", "isinstance(action_space, gym.spaces.Discrete) and action_space.start == 0", "isinstance(action_space, gym.spaces.Discrete)", "policy_refuses_other_spaces"),
    # ---- the rollout
    M("B9 buffer", "buffer", "rows[t] = value", "rows[min(t + 1, self.num_steps - 1) if name == 'rewards' else t] = value", "rollout_keeps_every_row", "rewards are stored one row late"),
    M("not shuffled", "buffer", "order = torch.randperm(self.num_steps * self.num_envs, generator=generator)", "order = torch.arange(self.num_steps * self.num_envs)", "minibatches_hold_every_step_once"),
    M("with replacement", "buffer", "order = torch.randperm(self.num_steps * self.num_envs, generator=generator)", "order = torch.randint(self.num_steps * self.num_envs, (self.num_steps * self.num_envs,), generator=generator)", "minibatches_hold_every_step_once"),
    M("transposed", "buffer", "x.flatten(0, 1)[order]", "(x if x.ndim > 2 else x.T).flatten(0, 1)[order]", "minibatches_hold_every_step_once", "columns do not belong together"),
    M("ragged part lost", "buffer", ".tensor_split(num_minibatches)", "[: self.num_steps * self.num_envs // num_minibatches * num_minibatches].tensor_split(num_minibatches)", "minibatches_hold_every_step_once"),
    M("no shape check", "buffer", "if value.shape != rows.shape[1:]:", "if False:", "rollout_keeps_every_row", "NumPy broadcasts [1, 4] into [N, 4]"),
    # ---- settings
    M("no range", "config", "(at_most is not None and value > at_most)", "False", "config_refuses_what_cannot_work"),
]  # fmt: skip
