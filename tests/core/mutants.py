"""Planted bugs. Each is the whole package with a few words of one module exchanged, written to a folder and imported.

A mutant carries the number of the bug in the book's bug zoo where it has one (B1 to B24), or says in `why` where it
would come from. `killed_by` names one oracle that must reject it; that oracle accepts the package as it is.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import NamedTuple

import pytest
import suites  # noqa: F401  (defines all oracles)
from oracles import ORACLES, Core

from ppo_core.teach.zoo.builder import exchange, forget_package, write_package


class Mutant(NamedTuple):
    """`old`, whatever its line breaks, occurs in the module exactly once: a mutant that no longer applies is an error."""

    name: str
    module: str
    old: str
    new: str
    killed_by: str  # an oracle, and where it needs one, the kind of vector environment: "oracle:serial"
    why: str = ""


def build(mutant: Mutant, folder: Path) -> Core:
    """The package with the bug, under a name of its own, importable here and in worker processes."""
    changed = exchange(mutant.name, mutant.module, mutant.old, mutant.new)
    package = "ppo_mutant_" + "".join(c if c.isalnum() else "_" for c in mutant.name)
    write_package(folder, package, mutant.module, changed)
    core = Core(package)
    getattr(core, mutant.module)  # a mutant that cannot even be imported is an error too
    return core


def forget(core: Core, folder: Path) -> None:
    sys.path.remove(str(folder))
    forget_package(core.package)


def rejected(mutant: Mutant, folder: Path) -> None:
    """Fail unless the oracle rejects the mutant: by an assertion, or because the mutant's own code broke down."""
    name, _, kind = mutant.killed_by.partition(":")
    oracle, core = ORACLES[name], build(mutant, folder)
    try:
        oracle(core, *([kind] if kind else []))
    except AssertionError:
        return
    except Exception as error:
        if not any(
            Path(frame.filename).is_relative_to(folder) for frame in traceback.extract_tb(error.__traceback__)
        ):
            raise
        return
    finally:
        forget(core, folder)
    pytest.fail(f"the mutant {mutant.name} survived {mutant.killed_by}", pytrace=False)


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
    M("std squared in both", "policy", "return noise.normal_(generator=generator)", "return noise.normal_(generator=generator) * 1.1", "actions_are_drawn_from_the_policy"),
    M("Gumbel sign", "policy", "return -noise.exponential_", "return noise.exponential_", "actions_are_drawn_from_the_policy"),
    M("logits as probabilities", "policy", "log_probs = torch.log_softmax(logits, dim=-1)", "log_probs = logits - logits.exp().sum()", "categorical_agrees_with_scipy_and_torch", "the sum runs over the batch too"),
    # ---- the gradient by hand
    M("by hand: no entropy", "analytic", "pull(d_logprobs, -config.ent_coef / B)", "pull(d_logprobs, 0.0)", "analytic_gradient_is_that_of_autograd", "the loss is right, and its gradient forgets the bonus"),
    M("by hand: B7", "analytic", "d_entropy * (log_probs + entropy)", "d_entropy * (log_probs - entropy)", "analytic_gradient_is_the_slope_of_the_loss"),
    M("by hand: B12", "analytic", "np.where(gains <= clipped_gains, gains, 0)", "np.where(np.abs(ratio - 1) <= clip_coef, gains, 0)", "analytic_gradient_is_that_of_autograd", "believes that clipping is two-sided"),
    M("by hand: unclipped", "analytic", "np.where(gains <= clipped_gains, gains, 0)", "gains", "analytic_gradient_is_the_slope_of_the_loss"),
    M("by hand: no ratio", "analytic", "np.where(gains <= clipped_gains, gains, 0)", "np.where(gains <= clipped_gains, advantages, 0)", "analytic_gradient_is_that_of_autograd", "right only where the ratio is 1"),
    M("by hand: no derivative of tanh", "analytic", "d_y *= np.subtract(1, x, out=x)", "np.subtract(1, x, out=x)", "analytic_gradient_is_the_slope_of_the_loss"),
    M("by hand: derivative of tanh", "analytic", "x *= x", "pass", "analytic_gradient_is_that_of_autograd", "1 - y for 1 - y²"),
    M("by hand: mean for sum", "analytic", "np.ones(len(d_y), d_y.dtype)", "np.full(len(d_y), 1 / len(d_y), d_y.dtype)", "analytic_gradient_is_that_of_autograd"),
    M("by hand: transposed", "analytic", "d_y @ weight if", "d_y @ (weight.T if k == 1 else weight) if", "analytic_gradient_is_the_slope_of_the_loss"),
    M("by hand: gradients add up", "analytic", "np.matmul(d_y.T, x, out=d_weight)", "d_weight += d_y.T @ x", "analytic_gradient_is_that_of_autograd"),
    M("by hand: c1", "analytic", "backward(config.vf_coef * d_values[:, None])", "backward(d_values[:, None])", "analytic_gradient_is_the_slope_of_the_loss"),
    M("by hand: B28", "analytic", "taken | (np.abs(moved) <= clip_coef), errors, 0", "np.abs(moved) <= clip_coef, errors, 0", "analytic_gradient_is_that_of_autograd", "the gradient of no maximum"),
    M("by hand: value unclipped", "analytic", "slopes = np.where(taken | (np.abs(moved) <= clip_coef), errors, 0)", "pass", "analytic_gradient_is_the_slope_of_the_loss"),
    M("by hand: log_std", "analytic", "d_logprobs @ (z * z - 1)", "d_logprobs @ (z * z)", "analytic_gradient_is_that_of_autograd"),
    M("by hand: entropy of a Gaussian", "analytic", " + len(z) * d_entropy", " + d_entropy", "analytic_gradient_is_the_slope_of_the_loss", "the entropy is a mean over samples, each of which depends on log_std"),
    M("by hand: scale", "analytic", "d_logprobs[:, None] * z * scale", "d_logprobs[:, None] * z", "analytic_gradient_is_that_of_autograd"),
    M("by hand: biased std", "analytic", "(B - 1)", "B", "analytic_gradient_is_that_of_autograd", "NumPy's default, not torch's"),
    M("by hand: B19", "analytic", "config.normalize_advantages and B > 1", "config.normalize_advantages", "analytic_gradient_is_that_of_autograd"),
    M("by hand: copies", "analytic", "m.weight.detach().numpy(), m.bias.detach().numpy()", "m.weight.detach().numpy().copy(), m.bias.detach().numpy()", "analytic_update_is_that_of_autograd", "does not see the weights change"),
    M("by hand: Adam's second moment uncorrected", "analytic", "scale *= (1 - beta2 ** t.item()) ** -0.5", "pass", "analytic_update_is_that_of_autograd"),
    M("by hand: Adam's first moment uncorrected", "analytic", 'group["lr"] / (1 - beta1 ** t.item())', 'group["lr"]', "analytic_update_is_that_of_autograd"),
    M("by hand: Adam's epsilon", "analytic", 'scale += group["eps"]', "pass", "analytic_steps_are_those_of_torch"),
    M("by hand: Adam's square", "analytic", "(g * g)", "np.abs(g)", "analytic_steps_are_those_of_torch"),
    M("by hand: the other outputs", "analytic", "self._head(self.actor.forward(self._flat(obs)), actions.numpy())", "self._head(self.actor.forward(self._flat(obs) * 0), actions.numpy())", "analytic_answers_are_those_of_the_policy"),
    M("by hand: any policy", "analytic", "if not is_stock(policy):", "if False:", "analytic_gradient_refuses_other_policies"),
    M("any tanh network", "policy", "[*map(type, n)] == kinds for", "True for", "analytic_gradient_refuses_other_policies", "ReLU is taken for tanh"),
    M("half in float32", "policy", ".to(self.dtype)", ".to(torch.float32).to(self.dtype)", "a_run_in_float64_is_in_float64"),
    M("noise in float32", "policy", "noise = torch.empty(*shape, self.action_size, dtype=self.dtype)", "noise = torch.empty(*shape, self.action_size)", "a_run_in_float64_is_in_float64"),
    M("rollout in float32", "trainer", "self.env.num_envs, *spaces, dtype)", "self.env.num_envs, *spaces)", "a_run_in_float64_is_in_float64"),
    M("replay in another type", "evaluation", ".astype(space.dtype, copy=False)", "", "a_run_in_float64_is_in_float64", "a replayed action has more digits than the played one had"),
    M("numpy_act copies", "policy", "m.weight.detach().numpy().T", "m.weight.detach().numpy().T.copy()", "numpy_act_is_act", "does not see the weights change"),
    M("any space", "policy", "isinstance(action_space, gym.spaces.Discrete) and action_space.start == 0", "isinstance(action_space, gym.spaces.Discrete)", "policy_refuses_other_spaces"),
    # ---- the rollout
    M("B9 buffer", "buffer", "rows[t] = value", "rows[min(t + 1, self.num_steps - 1) if name == 'rewards' else t] = value", "rollout_keeps_every_row", "rewards are stored one row late"),
    M("not shuffled", "buffer", "order = torch.randperm(self.num_steps * self.num_envs, generator=generator)", "order = torch.arange(self.num_steps * self.num_envs)", "minibatches_hold_every_step_once"),
    M("with replacement", "buffer", "order = torch.randperm(self.num_steps * self.num_envs, generator=generator)", "order = torch.randint(self.num_steps * self.num_envs, (self.num_steps * self.num_envs,), generator=generator)", "minibatches_hold_every_step_once"),
    M("transposed", "buffer", "x.flatten(0, 1)[order]", "(x if x.ndim > 2 else x.T).flatten(0, 1)[order]", "minibatches_hold_every_step_once", "columns do not belong together"),
    M("ragged part lost", "buffer", ".tensor_split(num_minibatches)", "[: self.num_steps * self.num_envs // num_minibatches * num_minibatches].tensor_split(num_minibatches)", "minibatches_hold_every_step_once"),
    M("no shape check", "buffer", "if value.shape != shape:", "if False:", "rollout_keeps_every_row", "NumPy broadcasts [1, 4] into [N, 4]"),
    # ---- settings
    M("no range", "config", "(at_most is not None and value > at_most)", "False", "config_refuses_what_cannot_work"),
]  # fmt: skip

WORKERS = [
    # ---- environments in one process
    M("B1 reset observation", "envs", "next_obs[i] = last", "pass", "rows_are_true_transitions:serial", "what follows an end is the next episode's first observation"),
    M("B27", "envs", "self.seed, self.episode = seed, -1", "self.seed = seed", "rows_are_true_transitions:serial", "reset(seed) keeps the counter of episodes"),
    M("reset forgotten", "envs", "return self.reset(None), reward", "return last, reward", "rows_are_true_transitions:serial", "steps go on after an end"),
    M("flags merged", "envs", "bool(terminated), bool(truncated), last", "bool(terminated or truncated), bool(truncated), last", "rows_are_true_transitions:serial"),
    M("one seed for all", "envs", "np.random.SeedSequence((seed, index, episode))", "np.random.SeedSequence((seed, 0, episode))", "seeds_make_the_numbers"),
    M("ready too early", "envs", "obs = np.empty((self.num_envs", "self._state = \"ready\"\n        obs = np.empty((self.num_envs", "an_interrupt_at_any_line_mixes_no_rows:serial"),
    M("closed but open", "envs", 'if self._state == "after close()":', "if False:", "calls_out_of_turn_are_refused:serial"),
    M("last observation aliased", "envs", "last = obs.copy()", "last = obs", "careless_environments_do_no_harm:serial"),
    M("replay off by one", "envs", "self.seed, self.episode = seed, episode - 1", "self.seed, self.episode = seed, episode", "restore_goes_on_where_it_was:serial"),
    M("NaN reward", "envs", "reward - reward != 0.0", "False", "wrong_answers_of_environments_are_refused:serial"),
    M("any shape", "envs", "obs.shape != self.shape or not castable", "not castable", "wrong_answers_of_environments_are_refused:serial", "a scalar is broadcast into a row"),
    M("NaN observation", "checks", "and not np.isfinite(obs).all():", "and False:", "wrong_answers_of_environments_are_refused"),
    M("one action too many", "checks", "max(listed) >= space.start + space.n:", "max(listed) > space.start + space.n:", "wrong_actions_are_refused:serial"),
    M("NaN action", "checks", "inside = (actions >= space.low) & (actions <= space.high) & np.isfinite(actions)", "inside = ~((actions < space.low) | (actions > space.high))", "wrong_actions_are_refused"),
    M("float action", "checks", 'actions.dtype.kind not in "iu":', "False:", "wrong_actions_are_refused", "1.7 is taken for 1"),
    M("actions aliased", "checks", "actions = np.array(actions)", "actions = np.asarray(actions)", "careless_environments_do_no_harm:serial"),
    M("unequal spaces", "checks", "if mine != first:", "if False:", "env_fns_that_cannot_work_are_refused:serial"),
    # ---- Gymnasium's vectors
    M("B3", "adapters", 'obs = self.envs.reset(seed=self._seeds(), options={"reset_mask": done})[0].copy()', "pass", "gymnasium_rows_are_true_transitions", "the reset step of NEXT_STEP is stored as data"),
    M("B4 final_obs", "adapters", 'next_obs[done] = np.stack(list(infos["final_obs"][done]))', "pass", "gymnasium_rows_are_true_transitions", "the key of an older version: nothing is found, nothing is said"),
    M("NEXT_STEP accepted", "adapters", "self.mode == gym.vector.AutoresetMode.NEXT_STEP and not resets_a_part", "False", "gymnasium_vectors_that_hide_rows_are_refused"),
    # ---- worker processes
    M("index in the worker", "worker", "first_index + first + len(slots), check", "first_index + len(slots), check", "parallel_equals_serial", "environment 0 of each worker gets the same seed"),
    M("last observation lost", "parallel", 'next_obs[done] = self._shared["last_obs"][done]', "pass", "rows_are_true_transitions"),
    M("views of shared memory", "parallel", "self._shared[name].copy() for name in", "self._shared[name] for name in", "results_belong_to_the_caller", "a later step overwrites an earlier result"),
    M("step at any time", "parallel", 'if self._state != "ready":', "if False:", "calls_out_of_turn_are_refused"),
    M("stale rows", "parallel", "if worker.last_answer() == self._request:", "if woken:", "an_interrupt_mixes_no_rows", "Stable-Baselines3 and TorchRL: an answer to an earlier action"),
    M("ready before the rows are read", "parallel", "rewards[lost], terminated[lost], truncated[lost] =", 'self._state = "ready"\n        rewards[lost], terminated[lost], truncated[lost] =', "an_interrupt_at_any_line_mixes_no_rows"),
    M("request before its states", "parallel", "if states is not None:  #", "self.shared[\"command\"][self.number] = COMMANDS.index(command)\n        self.shared[\"request\"][self.number] = request\n        self.asked.release()\n        if states is not None:  #", "an_interrupt_at_any_line_mixes_no_rows"),
    M("wrong environment named", "worker", "Failure(block.first_index + block.at, command, error)", "Failure(block.first_index + block.first, command, error)", "errors_of_environments_are_told"),
    M("no traceback", "worker", 'f"{happened}\\n\\nThe worker\'s traceback:\\n{self.traceback}"', "happened", "errors_of_environments_are_told"),
    M("errors that cannot travel", "worker", "except Exception:  # not even its text can be had", "except ZeroDivisionError:", "errors_of_environments_are_told"),
    M("pickle", "parallel", "cloudpickle.dumps(env_fns[first:last])", "pickle.dumps(env_fns[first:last])", "any_function_can_make_an_environment"),
    M("deaths unnoticed", "parallel", "if code is None or (request is not None and self.last_answer() == request):", "if True:", "a_dead_worker_is_noticed"),
    M("late", "parallel", "deadline = time.monotonic() + self.step_timeout", "deadline = time.monotonic() + 10 * self.step_timeout", "a_hung_worker_is_noticed"),
    M("no SIGKILL", "parallel", '("kill", 1.0)', '("terminate", 1.0)', "close_ends_everything_from_any_state"),
    M("close only once", "parallel", "_end(self._workers)\n            self._end_workers.cancel()", "self._end_workers()", "close_ends_everything_from_any_state", "an interrupted close() cannot be called again"),
    M("Ctrl-C is dead", "parallel", "before = signal.pthread_sigmask(signal.SIG_BLOCK, ())", "before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})", "an_interrupt_at_any_line_leaves_no_process", "an interrupt between blocking the signal and entering the block that lets it through again"),
    M("interrupted close", "parallel", "_end(self._workers)\n            self._end_workers.cancel()", "self._end_workers()", "an_interrupt_at_any_line_leaves_no_process"),
    M("restart in the same episode", "parallel", "0 if again else int(k) + 1", "0 if again else int(k)", "a_new_worker_takes_over"),
    M("restart terminates", "parallel", "= 0.0, False, True", "= 0.0, True, False", "a_new_worker_takes_over"),
    M("restart for ever", "parallel", "and self.restarts_left > 0", "and True", "a_new_worker_takes_over"),
    M("a file with a name", "shared", "tempfile.TemporaryFile(dir=folder)", "tempfile.NamedTemporaryFile(dir=folder, delete=False)", "nothing_is_left_while_the_object_lives"),
    M("semaphores kept", "parallel", "worker.shared = worker.asked = worker.answered = None", "worker.shared = None", "nothing_is_left_while_the_object_lives:spawn"),
    M("no guard", "parallel", "if self.shared is None:\n            remedy", "if False:\n            remedy", "a_script_without_a_guard_is_told_so"),
    M("daemons", "parallel", "daemon=False,", "daemon=True,", "environments_may_have_children"),
    M("orphans", "worker", "threading.Thread(target=_end_with_parent, daemon=True).start()", "pass", "the_parents_death_ends_the_workers"),
    M("no finalizer", "parallel", "exitpriority=100", "exitpriority=None", "a_program_ends_without_close"),
    M("workers hear Ctrl-C", "worker", "signal.signal(signal.SIGINT, signal.SIG_IGN)", "pass", "control_c_in_a_terminal_is_the_parents_business:spawn"),
    M("the mask is lost", "parallel", "resource_tracker.ensure_running()  # besides, starting it lets the signal through again", "pass", "control_c_while_workers_are_born:spawn", "multiprocessing's own helper unblocks the signal when it is first started"),
    M("torch in the worker", "parallel", "import cloudpickle", "import cloudpickle\nimport torch", "workers_do_not_import_torch"),
]  # fmt: skip

TRAINING = [
    # ---- collecting
    M("B2 trainer", "trainer", "rollout.terminated, rollout.truncated, config.gamma", "rollout.terminated | rollout.truncated, rollout.truncated, config.gamma", "a_time_limit_is_no_death", "truncation is taken for termination"),
    M("B9 observation", "trainer", "rollout.add(t, self.obs, actions, result)", "rollout.add(t, result.obs, actions, result)", "collected_rows_are_true_transitions", "each row holds the observation of the next"),
    M("B11", "trainer", "rollout.returns.copy_(gae.returns)", "rollout.returns.copy_((gae.returns - gae.returns.mean()) / (gae.returns.std() + 1e-8))", "collected_rows_are_true_transitions", "the critic's target is normalised in each batch"),
    M("B11 learned", "trainer", "rollout.returns.copy_(gae.returns)", "rollout.returns.copy_((gae.returns - gae.returns.mean()) / (gae.returns.std() + 1e-8))", "a_corridor_is_evaluated", "the critic's scale is that of no reward"),
    M("B16 gradient", "trainer", "with torch.no_grad():\n            output =", "with torch.enable_grad():\n            output =", "collected_rows_are_true_transitions", "advantages carry gradient"),
    M("bootstrap from the reset observation", "trainer", "judge.value(rollout.next_obs.flatten(0, 1))", "judge.value(torch.cat([rollout.obs[1:], torch.from_numpy(self.obs)[None]]).flatten(0, 1))", "collected_rows_are_true_transitions"),
    M("B17", "trainer", "rollout.add(t, self.obs, actions, result)", "rollout.add(t, self.obs, within_bounds(actions, self.env.single_action_space), result)", "sampled_actions_are_stored_and_clipped_ones_are_played", "the clipped action is stored"),
    M("B4", "episodes", "ends = np.argwhere((rollout.terminated | rollout.truncated).numpy())", "ends = np.argwhere((rollout.terminated | rollout.truncated).numpy())[:0]", "episodes_are_counted", "nothing is logged, and nobody notices"),
    M("B6 log", "episodes", "ends = np.argwhere((rollout.terminated | rollout.truncated).numpy())", "ends = np.argwhere(rollout.terminated.numpy())", "episodes_are_counted", "a truncated episode bleeds into the next"),
    M("B24", "episodes", "start[i], self.returns[i], self.lengths[i], self.actions[i] = t + 1, 0.0, 0, self.no_actions", "start[i], self.lengths[i], self.actions[i] = t + 1, 0, self.no_actions", "episodes_are_counted", "the sum of rewards is not reset"),
    M("B24 rollout", "episodes", "self.returns[i] += rewards[since:, i].sum()", "self.returns[i] = rewards[since:, i].sum()", "episodes_are_counted", "what an episode got in earlier rollouts is forgotten"),
    # ---- updating
    M("B14 log_std", "trainer", "parameters = list(policy.parameters())", 'parameters = [p for n, p in policy.named_parameters() if n != "log_std"]', "updates_and_metrics_are_those_of_a_second_implementation", "log_std is left out"),
    M("B14 per element", "trainer", "grad.mul_((max_norm / (norm + 1e-6)).clamp(max=1.0))", "grad.clamp_(-max_norm, max_norm)", "updates_and_metrics_are_those_of_a_second_implementation", "not one norm over all parameters"),
    M("no annealing", "trainer", "learning_rate *= 1 - self.iteration / self.config.num_iterations", "pass", "updates_and_metrics_are_those_of_a_second_implementation"),
    M("annealed too early", "trainer", "learning_rate *= 1 - self.iteration", "learning_rate *= 1 - (self.iteration + 1)", "updates_and_metrics_are_those_of_a_second_implementation", "the first update does not use the full rate, the last does nothing"),
    M("Adam's epsilon", "trainer", 'eps=config.adam_eps', 'eps=1e-8', "updates_and_metrics_are_those_of_a_second_implementation", "PyTorch's default"),
    M("gradients add up", "trainer", "self.weights.grad.zero_()", "pass", "updates_and_metrics_are_those_of_a_second_implementation"),
    M("last minibatch", "trainer", "LossTerms(*map(mean, zip(*terms, strict=True)))", "LossTerms(*map(float, terms[-1]))", "updates_and_metrics_are_those_of_a_second_implementation", "a metric named mean is that of the last minibatch"),
    M("target_kl ignored", "trainer", "if config.target_kl is not None and", "if False and", "updates_and_metrics_are_those_of_a_second_implementation"),
    M("gradient norm after clipping", "trainer", "return norm", "return grad.norm()", "updates_and_metrics_are_those_of_a_second_implementation"),
    # ---- the same numbers
    M("global random state", "trainer", "self.config.num_envs, generator=self.generator)", "self.config.num_envs)", "one_seed_gives_one_history"),
    M("hash seed", "envs", "np.random.SeedSequence((seed, index, episode))", "np.random.SeedSequence((abs(hash(str(seed))), index, episode))", "a_new_process_gives_the_same_numbers"),
    M("evaluation without a seed", "evaluation", "self.policy.noise(len(obs), generator=self.generator)", "self.policy.noise(len(obs))", "evaluation_plays_whole_episodes"),
    M("no Adam in checkpoints", "trainer", 'if "adam.step" in tensors:', "if False:", "resuming_is_not_interrupting"),
    M("no random state in checkpoints", "trainer", 'self.generator.set_state(tensors["generator"])', "pass", "resuming_is_not_interrupting"),
    M("environments begin anew", "trainer", "self.episodes.count.tolist(), actions", "self.episodes.count.tolist(), [a[:0] for a in actions]", "resuming_is_not_interrupting"),
    M("B21", "trainer", 'value.copy_(tensors[f"buffer.{name}"])', "pass", "resuming_keeps_what_a_policy_remembers", "evaluation begins with fresh statistics of observations"),
    M("another seed", "trainer", '"hidden_size", "seed", "dtype"}', '"hidden_size", "dtype"}', "resuming_refuses_what_cannot_go_on"),
    # ---- interrupts and faults
    M("half an iteration", "trainer", "self._set_state(*self._complete)", "pass", "an_interrupted_iteration_never_happened"),
    M("half a recovery", "trainer", "self._roll_back()\n            self._complete = self._state()", "self._complete = self._state()", "an_interrupt_at_any_line_never_happened"),
    M("half a recovery is saved", "trainer", "self._roll_back()\n        save_checkpoint", "save_checkpoint", "an_interrupt_at_any_line_never_happened"),
    M("gradients stay off", "trainer", "@torch.enable_grad()", "", "an_interrupt_at_any_line_never_happened"),
    M("NaN", "trainer", "if torch.isfinite(tensor).all():", "if True:", "what_is_not_finite_is_named"),
    M("NaN next_obs", "trainer", '"obs", "next_obs", "rewards"', '"obs", "rewards"', "what_is_not_finite_is_named", "the wrong tensor is named"),
    M("no replay, no training", "trainer", "self.episodes.forget_running()\n                none", "none", "environments_that_cannot_be_put_back_begin_anew"),
    M("episode numbers after a death", "parallel", 'next_obs[lost] = self._obs[lost]\n            self._episodes = self._shared["episode"].copy()', "next_obs[lost] = self._obs[lost]", "a_worker_may_die_in_training"),
    # ---- looking at what was learned
    M("evaluation goes on", "evaluation", "returns += result.rewards * playing", "returns += result.rewards", "evaluation_plays_whole_episodes", "rewards of the next episode are counted"),
    M("probe: sign", "loss", "return -torch.min", "return torch.min", "probes_are_solved"),
    M("probe: gamma", "gae", "deltas = rewards + gamma * next_values", "deltas = rewards + next_values", "probes_are_solved"),
    M("probe: critic", "loss", "squared_error = (values - returns).square()\n    if", "squared_error = (values.detach() - returns).square()\n    if", "probes_are_solved"),
    M("probe: rows", "buffer", "order = torch.randperm(self.num_steps * self.num_envs, generator=generator)", "order = torch.randperm(self.num_steps * self.num_envs, generator=generator)\n        self.advantages.copy_(self.advantages.roll(1, 1))", "probes_are_solved", "advantages of another environment"),
    M("nothing is learned", "loss", "return -torch.min", "return torch.min", "cartpole_is_solved"),
    M("exact values", "probes", "self.rewards + gamma * self.transitions @ values - values[:, None]", "self.rewards + self.transitions @ values - values[:, None]", "exact_values_are_exact"),
    M("time limit late", "probes", "self.elapsed == self.time_limit", "self.elapsed - 1 == self.time_limit", "exact_values_are_exact", "one step more than the limit"),
    # ---- checkpoints
    M("nothing kept", "checkpoint", '_name_too(path, earlier)', "pass", "checkpoints_keep_everything"),
    M("killed predecessor", "checkpoint", "second.unlink(missing_ok=True)  # of a process with the same number that was killed here", "", "checkpoints_keep_everything"),
    M("no digest", "checkpoint", 'if header.get("sha256") != _digest(tensors, header.get("facts", "")):', "if False:", "damaged_checkpoints_are_refused"),
    M("facts without digest", "checkpoint", "digest = hashlib.sha256(header.encode())", "digest = hashlib.sha256()", "damaged_checkpoints_are_refused"),
    M("pickle is read", "checkpoint", "with safe_open(path", "try:\n            torch.load(path, weights_only=False)\n        except Exception:\n            pass\n        with safe_open(path", "hostile_files_run_nothing"),
    M("written in place", "checkpoint", "_replace(beside, path)", "path.write_bytes(content[:100])\n            time.sleep(0.02)\n            path.write_bytes(content)", "a_kill_leaves_a_whole_checkpoint", "Stable-Baselines3: 5 of 6 unreadable after a kill"),
    M("old one emptied first", "checkpoint", "path.parent.mkdir(parents=True, exist_ok=True)", "path.parent.mkdir(parents=True, exist_ok=True)\n        path.write_bytes(b'')", "a_full_disk_keeps_the_old_checkpoint"),
    M("a moment with one checkpoint", "checkpoint", "_replace(beside, path)  # not later", "_replace(earlier, path.with_name(path.name + '.previous'))\n            _replace(beside, path)  # not later", "two_checkpoints_are_there_at_any_moment"),
    M("a file says what is imported", "checkpoint", "if makes_env and colon and module not in sys.modules:", "if False:", "a_checkpoint_made_with_intent_is_refused"),
    M("not flushed", "checkpoint", "os.fsync(file.fileno())", "pass", "checkpoints_reach_the_disk_in_order"),
]  # fmt: skip

COMMANDS = [
    M("no unit", "__main__", "{f.metadata['help']}{unit}", "{f.metadata['help']}", "help_explains_every_option"),
    M("no default", "__main__", "(default: {'none' if f.default is None else f.default})", "", "help_explains_every_option"),
    M("wrong exit code", "__main__", "isinstance(error, (ConfigError, CheckpointError, UnsupportedSpaceError))", "isinstance(error, CheckpointError)", "wrong_usage_is_one_sentence_and_code_2"),
    M("an error with a traceback", "parallel", "if isinstance(error.__cause__, PPOError):", "if False:", "wrong_usage_is_one_sentence_and_code_2", "the sentence of a worker's ConfigError is buried"),
    M("pictures lost", "__main__", "append_images=images[1:]", "append_images=images[3:]", "an_agent_is_trained_evaluated_and_filmed"),
    M("seed ignored", "__main__", "options.episodes, options.seed,", "options.episodes, 0,", "an_agent_is_trained_evaluated_and_filmed"),
    M("interrupt reported as success", "__main__", 'train --resume {path}")\n            return 130', 'train --resume {path}")\n            return 0', "control_c_loses_nothing"),
]  # fmt: skip

ALL = [*NUMBERS, *WORKERS, *TRAINING, *COMMANDS]
