"""Exercises of chapter 03, returns and REINFORCE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ppo_core.teach.exercise import Case, Exercise, Misconception, Wrong, differentiable

# ---------------------------------------------------------------------------------------------------------------
# discounted_returns(rewards, terminated, truncated, gamma) -> returns-to-go, all [T, N]


def discounted_returns(rewards, terminated, truncated, gamma):
    """The reference: one walk backwards, which begins anew at every end of an episode."""
    import torch

    done = terminated | truncated
    returns, running = torch.empty_like(rewards), torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        running = rewards[t] + gamma * ~done[t] * running
        returns[t] = running
    return returns


def returns_term_by_term(rewards, terminated, truncated, gamma):
    """The oracle: the definition, a sum over later rewards for every step, up to the end of its episode."""
    rewards, done = np.asarray(rewards, float), np.asarray(terminated) | np.asarray(truncated)
    returns = np.zeros(rewards.shape)
    for t, env in np.ndindex(rewards.shape):
        for later in range(t, len(rewards)):
            returns[t, env] += gamma ** (later - t) * rewards[later, env]
            if done[later, env]:
                break
    return returns


def walk(
    *,
    cut: str = "done",
    shift: int = 0,
    discounted: bool = True,
    forwards: bool = False,
    keep_last: bool = True,
) -> Callable[..., np.ndarray]:
    """The walk with one thing changed: what a misconception computes."""

    def wrong(rewards, terminated, truncated, gamma):
        rewards, terminated, truncated = (np.asarray(x) for x in (rewards, terminated, truncated))
        done = terminated | truncated
        ends = {"done": done, "terminated": terminated, "never": np.zeros_like(done)}[cut]
        if shift:  # the flag of the step before (1) or after (-1)
            ends = np.roll(ends, shift, axis=0)
            ends[0 if shift > 0 else -1] = False
        factor = gamma if discounted else 1.0
        returns, running = np.zeros(rewards.shape), np.zeros(rewards.shape[1])
        for t in range(len(rewards)) if forwards else reversed(range(len(rewards))):
            if forwards:  # the sum is complete at step t, and empty after an end
                returns[t] = rewards[t] + factor * running
                running = returns[t] * ~ends[t]
            else:
                own = rewards[t] if keep_last else rewards[t] * ~ends[t]
                returns[t] = running = own + factor * ~ends[t] * running
        return returns

    return wrong


def total_everywhere(rewards, terminated, truncated, gamma):
    """The return of the whole episode, at each of its steps."""
    to_go = np.asarray(returns_term_by_term(rewards, terminated, truncated, gamma))
    done = np.asarray(terminated) | np.asarray(truncated)
    for t in range(1, len(to_go)):
        to_go[t] = np.where(done[t - 1], to_go[t], to_go[t - 1])
    return to_go


def from_the_start(rewards, terminated, truncated, gamma):
    """Every reward discounted from step 0 of the array, not from the step that asks."""
    rewards = np.asarray(rewards, float)
    weights = gamma ** np.arange(len(rewards))[:, None]
    return returns_term_by_term(weights * rewards, terminated, truncated, 1.0)


def rollout(
    gamma: float,
    num_steps: int = 6,
    num_envs: int = 2,
    *,
    terminated: Sequence = (),
    truncated: Sequence = (),
) -> Callable[[], tuple]:
    """Arguments of `discounted_returns`: random rewards, and episode ends at the given (t, env)."""

    def arguments() -> tuple:
        import torch

        rewards = torch.randn(num_steps, num_envs, generator=torch.Generator().manual_seed(3))
        flags = torch.zeros(2, num_steps, num_envs, dtype=torch.bool)
        for kind, places in enumerate((terminated, truncated)):
            for t, env in places:
                flags[kind, t, env] = True
        return rewards, flags[0], flags[1], gamma

    return arguments


def _five_numbers() -> tuple:
    import torch

    rewards = torch.tensor([1.0, 0.0, 2.0, 0.0, 4.0])[:, None]
    terminated = torch.tensor([False, False, False, False, True])[:, None]
    return rewards, terminated, torch.zeros_like(terminated), 0.5


DISCOUNTED_RETURNS = Exercise(
    name="discounted_returns",
    chapter=3,
    prompt="Write the discounted return-to-go of every step, by a loop.",
    hints=(
        "Which return do you know without any other? Begin there, and walk backwards.",
        "running = rewards[t] + gamma * running, where running is [N]. Before step t is added, ask whether an episode ended at step t: what comes "
        "after an end belongs to another episode.",
        "With done = terminated | truncated, and running = torch.zeros(rewards.shape[1]) before the loop:\n"
        "    for t in reversed(range(len(rewards))):\n"
        "        running = rewards[t] + gamma * ~done[t] * running\n"
        "        returns[t] = running",
    ),
    cases=(
        Case(
            "the five rewards from the page",
            "One episode, γ = 0.5: each return is its reward plus γ times the next return.",
            read="Five rewards on paper",
            arguments=_five_numbers,
        ),
        Case(
            "γ = 0",
            "With γ = 0 nothing but the reward of the step itself counts.",
            read="Five rewards on paper",
            arguments=rollout(0.0, terminated=[(5, 0), (5, 1)]),
        ),
        Case(
            "an episode terminates in the middle",
            "The reward after an end belongs to the next episode.",
            read="A sum that is not reset",
            arguments=rollout(0.9, terminated=[(2, 0), (3, 1), (5, 0), (5, 1)]),
        ),
        Case(
            "an episode is truncated in the middle",
            "A truncation ends the sum as a termination does: the next row belongs to another episode.",
            read="A sum that is not reset",
            arguments=rollout(0.9, truncated=[(1, 0), (3, 1)], terminated=[(5, 0), (5, 1)]),
        ),
        Case(
            "every kind",
            "Several episodes in each column, with both kinds of end.",
            read="A sum that is not reset",
            arguments=rollout(
                0.7,
                12,
                3,
                terminated=[(0, 0), (5, 1), (11, 0), (11, 1), (11, 2)],
                truncated=[(4, 0), (6, 1), (9, 2)],
            ),
        ),
    ),
    reference=discounted_returns,
    oracle=returns_term_by_term,
    misconceptions=(
        Misconception(
            "never reset",
            walk(cut="never"),
            "The running sum goes on over the end of an episode, so that rewards of the next episode count for actions that had no part in them.",
            read="A sum that is not reset",
        ),
        Misconception(
            "reset at terminations only",
            walk(cut="terminated"),
            "The sum stops where an episode terminated, but goes on where it was truncated. Both kinds of end begin a new episode.",
            read="A sum that is not reset",
        ),
        Misconception(
            "forwards",
            walk(forwards=True),
            "The sum runs forwards: this is the reward so far, which was paid before the action. What counts is what comes after it.",
            read="The reward so far",
        ),
        Misconception(
            "total return",
            total_everywhere,
            "Each step gets the return of its whole episode. Asked is the return-to-go: only rewards from this step on.",
            read="Only what comes after counts",
        ),
        Misconception(
            "no discount",
            walk(discounted=False),
            "The rewards are summed without γ.",
            read="Five rewards on paper",
        ),
        Misconception(
            "discounted from the start",
            from_the_start,
            "Each reward is discounted from step 0 of the array. In the return-to-go of step t, a reward k steps later has the weight γ to "
            "the power k: begin to count at t.",
            read="Five rewards on paper",
        ),
        Misconception(
            "flag of the step before",
            walk(shift=1),
            "The flag is read one step too late. done[t] says that step t was the last of its episode: then what follows, at t + 1, must "
            "not count at t.",
            read="A sum that is not reset",
        ),
        Misconception(
            "flag of the step after",
            walk(shift=-1),
            "The flag is read one step too early. done[t] belongs to step t, whose own reward is still part of the episode.",
            read="A sum that is not reset",
        ),
        Misconception(
            "last reward lost",
            walk(keep_last=False),
            "The last step of an episode gets 0: its own reward was thrown away together with the future. Only the future ends.",
            read="A sum that is not reset",
        ),
    ),
    crash_help={
        "Subtraction, the `-` operator, with a bool tensor": "1 - done needs a number: write ~done, or done.float().",
        "bad operand type for unary ~: 'float'": "~ works on tensors of bool: done = terminated | truncated.",
    },
    note="With every kind of end.",
)

# ---------------------------------------------------------------------------------------------------------------
# return_weights(done, gamma) -> [T, T], such that return_weights(done, gamma) @ rewards are the returns-to-go


def return_weights(done, gamma):
    """The reference: powers of γ above the diagonal, kept where two steps belong to one episode."""
    import torch

    t = torch.arange(len(done))
    distance = t[None, :] - t[:, None]
    episode = done.cumsum(0) - done.long()
    same = episode[:, None] == episode[None, :]
    return torch.where((distance >= 0) & same, float(gamma) ** distance.clamp(min=0), 0.0)


def weights_one_by_one(done, gamma):
    """The oracle: the returns of T unit rewards, one for each column."""
    ended = np.asarray(done)[:, None]
    columns = np.eye(len(ended))
    never = np.zeros_like(ended)
    return np.concatenate(
        [returns_term_by_term(column[:, None], ended, never, gamma) for column in columns], axis=1
    )


def matrix(rule: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """A wrong matrix from a rule on (distance [T, T], done [T], episode number [T], γ)."""

    def wrong(done, gamma):
        done = np.asarray(done).astype(int)
        t = np.arange(len(done))
        distance = t[None, :] - t[:, None]
        with np.errstate(all="ignore"):
            return np.nan_to_num(np.asarray(rule(distance, done, done.cumsum() - done, gamma), float))

    return wrong


def _same(episode: np.ndarray) -> np.ndarray:
    return episode[:, None] == episode[None, :]


def _power(gamma: float, distance: np.ndarray) -> np.ndarray:
    return float(gamma) ** np.maximum(distance, 0)


def flags(places: Sequence[int], num_steps: int, gamma: float) -> Callable[[], tuple]:
    """Arguments of `return_weights`: an end at each of the given steps."""

    def arguments() -> tuple:
        import torch

        done = torch.zeros(num_steps, dtype=torch.bool)
        done[list(places)] = True
        return done, gamma

    return arguments


RETURN_WEIGHTS = Exercise(
    name="return_weights",
    chapter=3,
    axes=("row t", "column k"),
    prompt="Write the matrix that turns rewards into returns-to-go, without a loop.",
    hints=(
        "Row t says how much each reward counts for step t. Which entries are 0, for two different reasons?",
        "The distance k - t of all pairs: k = torch.arange(len(done)); k[None, :] - k[:, None]. The number of the episode of each step: how many "
        "ends lie before it, done.cumsum(0) - done.long().",
        "With distance and episode as in hint 2:\n    same = episode[:, None] == episode[None, :]\n"
        "    return torch.where((distance >= 0) & same, gamma ** distance.clamp(min=0), 0.0)",
    ),
    cases=(
        Case(
            "one episode",
            "Above the diagonal stand the powers of γ, on the diagonal 1, below it 0.",
            read="Five rewards on paper",
            arguments=flags([4], 5, 0.5),
        ),
        Case(
            "γ = 1",
            "Without a discount every later reward of the episode counts 1.",
            read="Five rewards on paper",
            arguments=flags([3], 4, 1.0),
        ),
        Case(
            "two episodes",
            "Steps of two episodes have nothing to do with each other.",
            read="A sum that is not reset",
            arguments=flags([2, 5], 6, 0.9),
        ),
        Case(
            "episodes of one step",
            "An episode of one step stands alone, whatever its neighbours do.",
            read="A sum that is not reset",
            arguments=flags([0, 1, 4, 7], 8, 0.7),
        ),
    ),
    reference=return_weights,
    oracle=weights_one_by_one,
    misconceptions=(
        Misconception(
            "ends forgotten",
            matrix(lambda d, done, e, g: (d >= 0) * _power(g, d)),
            "Rewards of the next episode count. Keep an entry only where both steps belong to the same episode.",
            read="A sum that is not reset",
        ),
        Misconception(
            "transposed",
            matrix(lambda d, done, e, g: ((d <= 0) & _same(e)) * _power(g, -d)),
            "The matrix is transposed: row t looks back. The columns that count for step t are t, t + 1, and so on.",
            read="The reward so far",
        ),
        Misconception(
            "both sides",
            matrix(lambda d, done, e, g: _same(e) * _power(g, np.abs(d))),
            "Earlier rewards count as well. They were paid before the action: below the diagonal everything is 0.",
            read="Only what comes after counts",
        ),
        Misconception(
            "own reward missing",
            matrix(lambda d, done, e, g: ((d > 0) & _same(e)) * _power(g, d - 1)),
            "The diagonal is 0: the reward that follows the action itself belongs to its return, with the weight 1.",
            read="Five rewards on paper",
        ),
        Misconception(
            "one power too many",
            matrix(lambda d, done, e, g: ((d >= 0) & _same(e)) * _power(g, d + 1)),
            "Every power of γ is one too high: the reward of step t itself is not discounted.",
            read="Five rewards on paper",
        ),
        Misconception(
            "not discounted",
            matrix(lambda d, done, e, g: ((d >= 0) & _same(e)) * 1.0),
            "Every later reward counts 1: γ is missing.",
            read="Five rewards on paper",
        ),
        Misconception(
            "end counted one step early",
            matrix(lambda d, done, e, g: ((d >= 0) & _same(e + done)) * _power(g, d)),
            "The last step of an episode is cut off from it, and joined to the next one. The episode number must grow after the step that "
            "ends: done.cumsum(0) - done.long().",
            read="A sum that is not reset",
        ),
    ),
    crash_help={
        "Negative powers of integers": "gamma ** distance with integers: make gamma a float, and clamp the distance at 0.",
        "Subtraction, the `-` operator, with a bool tensor": "Subtract numbers: done.long().",
        "float.__bool__": "Use & between two tensors of bool, with brackets around each comparison.",
        "Boolean value of Tensor": "Use & between two tensors of bool, with brackets around each comparison.",
    },
    note="returns = W @ rewards.",
)

# ---------------------------------------------------------------------------------------------------------------
# reinforce_loss(logprobs, rewards, baseline, alive) -> scalar; every tensor is [T, N], one episode per column


def reinforce_loss(logprobs, rewards, baseline, alive):
    """The reference: minus log-probability times (return-to-go minus baseline), summed over time, mean over episodes."""
    returns = rewards.flip(0).cumsum(0).flip(0)
    weights = (returns - baseline).detach()
    return -(logprobs * weights * alive).sum(0).mean()


def loss_step_by_step(logprobs, rewards, baseline, alive):
    """The oracle: episode by episode and step by step, in plain Python."""
    logprobs, rewards, baseline, alive = (_numbers(x) for x in (logprobs, rewards, baseline, alive))
    num_steps, num_episodes = logprobs.shape
    total = 0.0
    for i in range(num_episodes):
        steps = [t for t in range(num_steps) if alive[t, i]]
        for t in steps:
            to_go = sum(rewards[later, i] for later in steps if later >= t)
            total += logprobs[t, i] * (to_go - baseline[t, i])
    return -total / num_episodes


def _numbers(x: Any) -> np.ndarray:
    return x.detach().numpy().astype(float) if hasattr(x, "detach") else np.asarray(x, float)


def loss_version(
    *,
    what: str = "to go",
    baseline: str = "subtract",
    mask: bool = True,
    over: str = "episodes",
    sign: float = -1.0,
) -> Callable[..., np.ndarray]:
    """The loss with one thing changed: what a misconception computes."""

    def wrong(logprobs, rewards, given_baseline, alive):
        logp, r, b, on = (_numbers(x) for x in (logprobs, rewards, given_baseline, alive))
        returns = {
            "to go": r[::-1].cumsum(0)[::-1],
            "total": np.broadcast_to(r.sum(0), r.shape),
            "so far": r.cumsum(0),
            "reward": r,
            "over the episodes": r[:, ::-1].cumsum(1)[:, ::-1],
        }[what]
        weights = returns + {"subtract": -b, "add": b, "none": 0 * b}[baseline]
        terms = logp * weights * (on if mask else 1.0)
        count = {
            "episodes": r.shape[1],
            "steps": on.sum(),
            "cells": r.size,
            "time": r.shape[0],
            "nothing": 1,
        }[over]
        return np.asarray(sign * terms.sum() / count)

    return wrong


def episodes(
    lengths: Sequence[int], *, zero_baseline: bool = False, ones: bool = False
) -> Callable[[], tuple]:
    """Arguments of `reinforce_loss`: episodes of the given lengths, whose rows after the end hold rewards of 0."""

    def arguments() -> tuple:
        import torch

        generator = torch.Generator().manual_seed(len(lengths))
        shape = max(lengths), len(lengths)
        logprobs = -torch.rand(shape, generator=generator)
        rewards = torch.ones(shape) if ones else torch.randn(shape, generator=generator)
        baseline = torch.zeros(shape) if zero_baseline else torch.randn(shape, generator=generator)
        alive = torch.arange(shape[0])[:, None] < torch.tensor(lengths)
        return logprobs, rewards * alive, baseline, alive

    return arguments


def stones_batch() -> tuple:
    """The game of the page as a batch in which each trajectory stands as often as its probability says, 128 episodes.

    Returns: states [T, N], actions [T, N], rewards [T, N], alive [T, N], as tensors; the policy is the uniform one.
    """
    import torch

    num_stones, rows = 4, []

    def follow(stone: int, copies: int, steps: tuple) -> None:
        if stone >= num_stones:
            rows.extend([steps] * copies)
            return
        follow(stone + 1, copies // 2, (*steps, (stone, 0)))
        follow(stone + 1, copies // 4, (*steps, (stone, 1)))
        follow(stone + 2, copies // 4, (*steps, (stone, 1)))

    follow(0, 256, ())
    states, actions = torch.zeros(2, num_stones, len(rows), dtype=torch.long)
    alive = torch.zeros(num_stones, len(rows), dtype=torch.bool)
    for i, steps in enumerate(rows):
        for t, (stone, action) in enumerate(steps):
            states[t, i], actions[t, i], alive[t, i] = stone, action, True
    return states, actions, alive.double(), alive


def stones_gradient() -> np.ndarray:
    """∇J of the game at the uniform policy [4, 2], by differences of the exact value: no sampling, no log-probability."""
    from ppo_core.probes import TabularEnv

    transitions = np.zeros((4, 2, 4))
    for stone in range(4):
        for action, probability, step in ((0, 1.0, 1), (1, 0.5, 1), (1, 0.5, 2)):
            if stone + step < 4:
                transitions[stone, action, stone + step] += probability
    game = TabularEnv(transitions, np.ones((4, 2)))

    def value(logits: np.ndarray) -> float:
        policy = np.exp(logits)
        return float(game.exact_values(1.0, policy / policy.sum(1, keepdims=True))[0])

    gradient, step = np.zeros((4, 2)), 1e-5
    for index in np.ndindex(4, 2):
        bump = np.zeros((4, 2))
        bump[index] = step
        gradient[index] = (value(bump) - value(-bump)) / (2 * step)
    return gradient


def _gradient_is_exact(answer: Callable[..., Any]) -> None:
    """Raise Wrong unless the gradient on the stones is that of the exact value, with and without a baseline."""
    import torch

    states, actions, rewards, alive = stones_batch()
    no_gradient = (
        "The number is right, but no gradient flows to the policy. Detach the weights only, never the log-probabilities; "
        "no item(), no numpy."
    )
    for height in (0.0, 2.0):
        logits = torch.zeros(4, 2, dtype=torch.double, requires_grad=True)
        per_stone = torch.full((4,), height, dtype=torch.double, requires_grad=True)
        logprobs = torch.log_softmax(logits, -1)[states, actions]
        loss = differentiable(answer, logprobs, rewards, per_stone[states], alive, otherwise=no_gradient)
        grads = torch.autograd.grad(loss, [logits, per_stone], allow_unused=True)
        if grads[1] is not None and grads[1].abs().max() > 1e-9:
            raise Wrong(
                "The number is right, but a gradient flows into the baseline: a step would change the baseline to make this loss small, which "
                "means nothing. The weights are plain numbers here: (returns - baseline).detach(). Read: chapter 3, 'REINFORCE in view'."
            )
        got = np.zeros((4, 2)) if grads[0] is None else grads[0].numpy()
        expected = -stones_gradient()
        if not np.allclose(got, expected, atol=1e-6):
            row, column = np.argwhere(~np.isclose(got, expected, atol=1e-6))[0]
            raise Wrong(
                f"On the four stones the gradient of the loss should be minus the exact gradient: at stone {row}, action {column} got "
                f"{got[row, column]:.4f}, expected {expected[row, column]:.4f}. Is a part of the log-probabilities cut off? "
                "Read: chapter 3, 'Exactly, on four stones'."
            )


REINFORCE_LOSS = Exercise(
    name="reinforce_loss",
    chapter=3,
    axes=(),
    prompt="Write the loss of REINFORCE: return-to-go minus baseline, whole episodes side by side.",
    hints=(
        "Three steps: the returns-to-go (γ = 1) along the time axis; the weights; log-probability times weight, where the episode was alive.",
        "flip(0).cumsum(0).flip(0) sums backwards in time. Sum over the steps of an episode, then take the mean over episodes: that is "
        "the expectation of the theorem.",
        "That is:\n    weights = (rewards.flip(0).cumsum(0).flip(0) - baseline).detach()\n    return -(logprobs * weights * alive).sum(0).mean()",
    ),
    cases=(
        Case(
            "one step",
            "One episode of one step: minus the log-probability times the reward.",
            read="REINFORCE in view",
            arguments=episodes([1], zero_baseline=True),
        ),
        Case(
            "equal lengths",
            "Each log-probability is multiplied with its return-to-go; the sum runs over time, the mean over episodes.",
            read="REINFORCE in view",
            arguments=episodes([4, 4, 4], zero_baseline=True),
        ),
        Case(
            "with a baseline",
            "The baseline is subtracted from the return-to-go.",
            read="A baseline leaves the mean alone",
            arguments=episodes([3, 3]),
        ),
        Case(
            "different lengths",
            "Rows after the end of an episode are no steps: `alive` says which ones count.",
            read="REINFORCE in view",
            arguments=episodes([2, 6, 1, 4]),
        ),
        Case("the exact gradient", "", test=_gradient_is_exact),
    ),
    reference=reinforce_loss,
    oracle=loss_step_by_step,
    misconceptions=(
        Misconception(
            "objective",
            loss_version(sign=1.0),
            "The sign is turned round: an optimiser makes a loss small, and this one would make good actions rare.",
            read="REINFORCE in view",
        ),
        Misconception(
            "total return",
            loss_version(what="total"),
            "Every step is weighted with the return of the whole episode. The mean is right, but rewards that were paid before the action are "
            "noise: take the return-to-go.",
            read="Only what comes after counts",
        ),
        Misconception(
            "reward so far",
            loss_version(what="so far"),
            "The rewards are summed forwards, so that a step is weighted with what came before it. Flip the time axis, sum, flip back.",
            read="The reward so far",
        ),
        Misconception(
            "reward alone",
            loss_version(what="reward"),
            "Each step is weighted with its own reward only; what the action led to later is missing.",
            read="Only what comes after counts",
        ),
        Misconception(
            "sum over the episodes",
            loss_version(what="over the episodes"),
            "The rewards are summed along the second axis, over other episodes. Time is axis 0.",
            read="REINFORCE in view",
        ),
        Misconception(
            "mean over steps",
            loss_version(over="steps"),
            "The mean is taken over the steps. The theorem has a sum over the steps of an episode, and a mean over episodes: divided by the "
            "number of steps, the gradient shrinks as the episodes grow.",
            read="REINFORCE in view",
        ),
        Misconception(
            "mean over cells",
            loss_version(over="cells"),
            "The mean is taken over all T times N cells, those after the end included. Sum over time, then take the mean over episodes.",
            read="REINFORCE in view",
        ),
        Misconception(
            "mean over time",
            loss_version(over="time"),
            "The mean is taken along the time axis. Sum over time, axis 0, and take the mean over episodes, axis 1.",
            read="REINFORCE in view",
        ),
        Misconception(
            "no mean",
            loss_version(over="nothing"),
            "The episodes are summed: with twice as many episodes the gradient would be twice as long. Take the mean over episodes.",
            read="REINFORCE in view",
        ),
        Misconception(
            "dead rows",
            loss_version(mask=False),
            "Rows after the end of an episode count. There the baseline is subtracted from nothing: multiply with `alive`.",
            read="REINFORCE in view",
        ),
        Misconception(
            "no baseline",
            loss_version(baseline="none"),
            "The baseline is not used.",
            read="A baseline leaves the mean alone",
        ),
        Misconception(
            "baseline added",
            loss_version(baseline="add"),
            "The baseline is added. Subtract it: what counts is how much better than expected the rest went.",
            read="A baseline leaves the mean alone",
        ),
    ),
    crash_help={
        "step must be greater than zero": "A tensor cannot be sliced backwards with [::-1]: use flip(0).",
        "step must be positive": "A tensor cannot be sliced backwards with [::-1]: use flip(0).",
    },
    note="And the gradient is exact.",
)

EXERCISES = (DISCOUNTED_RETURNS, RETURN_WEIGHTS, REINFORCE_LOSS)
