"""Exercises of chapter 05, generalized advantage estimation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ppo_core.teach.exercise import Case, Exercise, Misconception

# ---------------------------------------------------------------------------------------------------------------
# gae_loop(rewards, values, next_values, terminated, truncated, gamma, gae_lambda) -> advantages, each [T, N]


def gae_loop(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """The reference: the package's own recursion."""
    from ppo_core.gae import compute_gae

    return compute_gae(rewards, values, next_values, terminated, truncated, gamma, gae_lambda).advantages


def double_sum(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """The oracle: A_t = Σ_l (γλ)^l δ_{t+l}, up to and including the step that ends the episode, term by term."""
    rewards, values, next_values, terminated, truncated = map(
        np.asarray, (rewards, values, next_values, terminated, truncated)
    )
    advantages = np.zeros(rewards.shape)
    num_steps, num_envs = rewards.shape
    for env in range(num_envs):
        for t in range(num_steps):
            for later in range(t, num_steps):
                successor = 0.0 if terminated[later, env] else next_values[later, env]
                delta = rewards[later, env] + gamma * successor - values[later, env]
                advantages[t, env] += (gamma * gae_lambda) ** (later - t) * delta
                if terminated[later, env] or truncated[later, env]:
                    break
    return advantages


def rollout(
    gamma: float,
    gae_lambda: float,
    num_steps: int = 6,
    num_envs: int = 2,
    *,
    terminated: Sequence = (),
    truncated: Sequence = (),
) -> Callable[[], tuple]:
    """Arguments of gae_loop, as a case wants them: random rewards and values, with episode ends at the given (t, env)."""

    def arguments() -> tuple:
        import torch

        generator = torch.Generator().manual_seed(5)
        rewards, values, next_values = (
            torch.randn(num_steps, num_envs, generator=generator) for _ in range(3)
        )
        ended, stopped = (torch.zeros(num_steps, num_envs, dtype=torch.bool) for _ in range(2))
        for t, env in terminated:
            ended[t, env] = True
        for t, env in truncated:
            stopped[t, env] = True
        done = ended | stopped
        # within an episode the successor's value is the next row's; where an episode ends it is another state's
        next_values[:-1] = torch.where(done[:-1], next_values[:-1], values[1:])
        return rewards, values, next_values, ended, stopped, gamma, gae_lambda

    return arguments


def recursion(
    *,
    bootstrap: str = "next_values",
    stop: str = "terminated",
    cut: str = "done",
    shift: int = 0,
    decay: str = "both",
    rows: str = "all",
) -> Callable[..., Any]:
    """A GAE recursion with one thing changed: what a misconception computes."""

    def wrong(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
        rewards, values, next_values, terminated, truncated = map(
            np.asarray, (rewards, values, next_values, terminated, truncated)
        )
        done = terminated | truncated
        ends = {"terminated": terminated, "done": done, "never": np.zeros_like(done)}
        successors = {
            "next_values": next_values,
            "values": values,
            "following row": np.concatenate([values[1:], next_values[-1:]]),
        }
        factor = {"both": gamma * gae_lambda, "lambda": gae_lambda, "gamma": gamma, "none": 1.0}[decay]
        zero = np.zeros_like(done[:1])
        stops, cuts = ends[stop], ends[cut]
        if shift == 1:  # the flag of the step before
            stops, cuts = (np.concatenate([zero, flags[:-1]]) for flags in (stops, cuts))
        if shift == -1:  # the flag of the step after
            stops, cuts = (np.concatenate([flags[1:], zero]) for flags in (stops, cuts))
        deltas = rewards + gamma * successors[bootstrap] * ~stops - values
        advantages = np.zeros(rewards.shape)
        running = np.zeros(rewards.shape[1])
        last = len(rewards) - (2 if rows == "without the last" else 1)
        for t in range(last, -1, -1):
            running = deltas[t] + factor * ~cuts[t] * running
            advantages[t] = running
        return advantages

    return wrong


def forward_sum(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """The recursion run from the first step to the last: it adds up the past."""
    rewards, values, next_values, terminated, truncated = map(
        np.asarray, (rewards, values, next_values, terminated, truncated)
    )
    deltas = rewards + gamma * next_values * ~terminated - values
    running, advantages = np.zeros(rewards.shape[1]), np.zeros(rewards.shape)
    for t in range(len(rewards)):
        running = deltas[t] + gamma * gae_lambda * ~(terminated | truncated)[t] * running
        advantages[t] = running
    return advantages


def returns(*arguments):
    """Advantages plus values: the critic's target."""
    return double_sum(*arguments) + np.asarray(arguments[1])


GAE_LOOP = Exercise(
    name="gae_loop",
    chapter=5,
    prompt="Write the recursion of generalized advantage estimation for a rollout of T steps in N environments.",
    hints=(
        "Two lines do the work. First δ_t for one step, then A_t from δ_t and A_{t+1}. Which way through time must the loop go, if A_t needs A_{t+1}?",
        "Two different questions are asked about an ending. Is there a value after this step? Only `terminated` says no. "
        "Does the next row belong to the same episode? `terminated` and `truncated` both say no.",
        "for t in reversed(range(T)): δ = rewards[t] + gamma * next_values[t] * (not terminated[t]) - values[t]; "
        "running = δ + gamma * gae_lambda * (not done[t]) * running; advantages[t] = running. Start with running = 0.",
    ),
    cases=(
        Case(
            "one step, nothing ends",
            "With one step the advantage is δ alone: r + γ V(next) - V (section 'One step').",
            rollout(0.9, 0.8, num_steps=1),
        ),
        Case(
            "λ = 0",
            "With λ = 0 only the step's own δ counts; nothing of A_{t+1} may come in (section 'The two limits').",
            rollout(0.9, 0.0, num_steps=4),
        ),
        Case(
            "several steps, nothing ends",
            "A_t is δ_t plus γλ times A_{t+1} (section 'The recursion').",
            rollout(0.9, 0.8),
        ),
        Case(
            "λ = 1",
            "With λ = 1 the advantage is the whole discounted return, minus V(o_t) (section 'The two limits').",
            rollout(0.9, 1.0, terminated=[(2, 0)]),
        ),
        Case(
            "an episode terminates",
            "After a termination there is no future: no value of the successor, and nothing of the next row.",
            rollout(0.9, 0.8, terminated=[(1, 0), (3, 1)]),
        ),
        Case(
            "an episode is truncated",
            "A truncated episode would have gone on: its last step still counts V of the successor, but the next row is another episode.",
            rollout(0.9, 0.8, truncated=[(1, 1), (4, 0)]),
        ),
        Case(
            "both, and the rollout ends on a termination",
            "Every ending is treated where it happens, the last row included.",
            rollout(
                0.99,
                0.95,
                num_steps=9,
                num_envs=3,
                terminated=[(8, 0), (2, 1)],
                truncated=[(5, 1), (8, 2), (0, 0)],
            ),
        ),
    ),
    reference=gae_loop,
    oracle=double_sum,
    misconceptions=(
        Misconception(
            "truncation treated as terminal",
            recursion(stop="done"),
            "A truncated episode is treated as if the task had ended: its last δ lost the value of the successor. We only "
            "stopped watching there, so γ V(next) stays. Let only `terminated` remove it (section 'Two kinds of ending').",
        ),
        Misconception(
            "leak across truncations",
            recursion(cut="terminated"),
            "The next episode leaks into the truncated one: A_{t+1} is passed back across a truncation. The row after it belongs to "
            "another episode, so the recursion is cut at every ending, `terminated | truncated` (section 'Two kinds of ending').",
        ),
        Misconception(
            "no endings at all",
            recursion(stop="never", cut="never"),
            "No ending is looked at: one episode's rewards reach back into the one before. Cut the recursion where an episode ends, "
            "and drop V(next) where it terminated (section 'Two kinds of ending').",
        ),
        Misconception(
            "leak across every ending",
            recursion(cut="never"),
            "The next episode leaks into the one that ended: δ is right, but A_{t+1} is passed back across the ending. Multiply it by "
            "`not done`, where done = terminated | truncated (section 'Two kinds of ending').",
        ),
        Misconception(
            "terminal value kept",
            recursion(stop="never"),
            "A terminated episode has no future, but its last δ still counts the value of a successor. Drop γ V(next) where "
            "`terminated` is true (section 'Two kinds of ending').",
        ),
        Misconception(
            "flags one step late",
            recursion(shift=1),
            "The flags are one step late: terminated[t-1] is used where terminated[t] belongs. terminated[t] says that the step from o_t "
            "ended the episode, so it goes with rewards[t] and next_values[t] (section 'Which index?').",
        ),
        Misconception(
            "flags one step early",
            recursion(shift=-1),
            "The flags are one step early: terminated[t+1] is used where terminated[t] belongs. That is the habit of code that stores, with "
            "o_t, whether the step before it ended; here terminated[t] belongs to the step from o_t (section 'Which index?').",
        ),
        Misconception(
            "recursion without gamma",
            recursion(decay="lambda"),
            "γ is missing in the recursion: A_{t+1} lies one step in the future, so it is discounted by γλ and not by λ alone (section 'The recursion').",
        ),
        Misconception(
            "recursion without lambda",
            recursion(decay="gamma"),
            "λ is missing in the recursion: with γ alone this is the λ = 1 estimate for every λ. The factor is γλ (section 'The recursion').",
        ),
        Misconception(
            "recursion without decay",
            recursion(decay="none"),
            "A_{t+1} comes in undiscounted: its factor is γλ (section 'The recursion').",
        ),
        Misconception(
            "last row left out",
            recursion(rows="without the last"),
            "The last row is 0: the loop leaves out t = T-1. That step has an advantage too, A_{T-1} = δ_{T-1}, and all rows before it "
            "need it. Run over reversed(range(T)); next_values has T rows, so nothing is out of range (section 'The last row').",
        ),
        Misconception(
            "bootstrap from the same state",
            recursion(bootstrap="values"),
            "δ bootstraps from the state it starts in: it uses values[t] where V of the successor, next_values[t], belongs (section 'One step').",
        ),
        Misconception(
            "bootstrap from the following row",
            recursion(bootstrap="following row"),
            "δ uses values[t+1] as V(next). Where an episode was truncated, row t+1 is the first observation of another episode: "
            "use next_values[t], the value of the true successor (section 'Two kinds of ending').",
        ),
        Misconception(
            "forward in time",
            forward_sum,
            "The loop runs forward, so that each advantage adds up the past. An advantage is about what follows: start at the last "
            "row and go back (section 'The recursion').",
        ),
        Misconception(
            "returns instead of advantages",
            returns,
            "These are the returns, A_t + V(o_t), the critic's target. Give back the advantages (section 'The recursion').",
        ),
    ),
    crash_help={
        "bool tensor": "torch does not subtract from a bool: write ~terminated, or convert first with .float().",
        "out of bounds": "If values[t + 1] is meant: that is what next_values[t] is for, and it has all T rows.",
        "out of range": "If values[t + 1] is meant: that is what next_values[t] is for, and it has all T rows.",
        "truth value": "A row holds one flag for each environment, so `if` and `not` cannot decide: multiply by ~done instead.",
        "Boolean value of Tensor": "A row holds one flag for each environment, so `if` and `not` cannot decide: multiply by ~done instead.",
    },
    note="Termination, truncation and the last row are all as they should be.",
)

EXERCISES = (GAE_LOOP,)
