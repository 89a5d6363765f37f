"""Exercises of chapter 04, a critic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ppo_core.teach.exercise import Case, Exercise, Misconception, Wrong

# ---------------------------------------------------------------------------------------------------------------
# td_error(rewards, values, next_values, terminated, truncated, gamma) -> deltas, each [T, N]


def td_error(rewards, values, next_values, terminated, truncated, gamma):
    """The reference: the line of `compute_gae`."""
    return rewards + gamma * next_values * ~terminated - values


def surprises_one_by_one(rewards, values, next_values, terminated, truncated, gamma):
    """The oracle: one transition after the other, in plain Python, with an `if`."""
    deltas = np.zeros(np.shape(rewards))
    for row in np.ndindex(deltas.shape):
        seen = float(rewards[row])
        if not bool(terminated[row]):
            seen += gamma * float(next_values[row])
        deltas[row] = seen - float(values[row])
    return deltas


def surprises(
    *,
    stop: str = "terminated",
    successor: str = "next_values",
    discount: str = "successor",
    keep_reward: bool = True,
    minus: str = "values",
    sign: float = 1.0,
    shift: int = 0,
) -> Callable[..., np.ndarray]:
    """The TD error with one thing changed: what a misconception computes."""

    def wrong(rewards, values, next_values, terminated, truncated, gamma):
        rewards, values, next_values, terminated, truncated = map(
            np.asarray, (rewards, values, next_values, terminated, truncated)
        )
        stops = {
            "terminated": terminated,
            "done": terminated | truncated,
            "truncated": truncated,
            "never": np.zeros_like(terminated),
            "inverted": ~terminated,
        }[stop]
        ahead = {
            "next_values": next_values,
            "values": values,
            "following row": np.concatenate([values[1:], next_values[-1:]]),
        }[successor]
        factor = {"successor": gamma, "none": 1.0}[discount]
        rewards = np.roll(rewards, shift, axis=0)
        target = rewards + factor * ahead * ~stops
        if not keep_reward:
            target = (rewards + factor * ahead) * ~stops
        return sign * (target - {"values": values, "nothing": 0.0, "discounted": gamma * values}[minus])

    return wrong


def _transitions(gamma: float, *, ended: tuple = (), stopped: tuple = ()) -> Callable[[], tuple]:
    """Arguments of td_error: six rows of two environments, with endings at the given (t, env)."""

    def arguments() -> tuple:
        import torch

        generator = torch.Generator().manual_seed(4)
        rewards, values, next_values = (torch.randn(6, 2, generator=generator) for _ in range(3))
        terminated, truncated = (torch.zeros(6, 2, dtype=torch.bool) for _ in range(2))
        for row in ended:
            terminated[row] = True
        for row in stopped:
            truncated[row] = True
        done = terminated | truncated
        next_values[:-1] = torch.where(done[:-1], next_values[:-1], values[1:])
        return rewards, values, next_values, terminated, truncated, gamma

    return arguments


TD_ERROR = Exercise(
    name="td_error",
    chapter=4,
    prompt="Write the TD error of every step of a rollout.",
    hints=(
        "Two numbers are compared: what the critic said before the step, and what is known after it. What is known after it has two parts.",
        "Known after the step: the reward, and γ times the value of the successor, next_values. Where the task has ended there is no "
        "successor. Which of the two flags says so?",
        "return rewards + gamma * next_values * ~terminated - values",
    ),
    cases=(
        Case(
            "nothing ends",
            "δ is r + γ V(next) - V.",
            read="The surprise of one step",
            arguments=_transitions(0.9),
        ),
        Case(
            "γ = 0",
            "With γ = 0 only the reward counts: δ is r - V.",
            read="The surprise of one step",
            arguments=_transitions(0.0),
        ),
        Case(
            "two steps terminate",
            "After a termination nothing follows: the target is the reward alone.",
            read="The surprise of one step",
            arguments=_transitions(0.9, ended=((1, 0), (3, 1))),
        ),
        Case(
            "two steps are truncated",
            "A truncation is no end of the task: γ V(next) stays.",
            read="The surprise of one step",
            arguments=_transitions(0.9, stopped=((2, 0), (4, 1))),
        ),
        Case(
            "both endings, the last row included",
            "Each ending is treated in its own row.",
            read="The surprise of one step",
            arguments=_transitions(0.99, ended=((0, 1), (5, 0)), stopped=((3, 0), (5, 1))),
        ),
    ),
    reference=td_error,
    oracle=surprises_one_by_one,
    misconceptions=(
        Misconception(
            "truncation taken for an end",
            surprises(stop="done"),
            "Every ending removes the future here, `terminated | truncated`. A truncated episode would have gone on: only our watching "
            "stopped, so γ V(next) stays. Let `terminated` alone remove it.",
            read="The surprise of one step",
        ),
        Misconception(
            "the other flag",
            surprises(stop="truncated"),
            "The two flags are exchanged: `truncated` removes the future here, and `terminated` keeps it. It is the task that ends "
            "at a termination.",
            read="The surprise of one step",
        ),
        Misconception(
            "no mask",
            surprises(stop="never"),
            "The target goes on past the end: where `terminated` is true there is no successor, so γ V(next) must be dropped.",
            read="Past the end",
        ),
        Misconception(
            "mask turned round",
            surprises(stop="inverted"),
            "The mask is turned round: V(next) counts only where the task has ended. Multiply it by ~terminated.",
            read="The surprise of one step",
        ),
        Misconception(
            "reward masked too",
            surprises(keep_reward=False),
            "The mask removes the reward of the last step as well. That reward was paid; only what comes after it is missing.",
            read="The surprise of one step",
        ),
        Misconception(
            "same state twice",
            surprises(successor="values"),
            "The value of the state before the step is used twice. What follows the step is worth V of the successor: use next_values, "
            "not values.",
            read="The surprise of one step",
        ),
        Misconception(
            "following row",
            surprises(successor="following row"),
            "values[t+1] is used for V(next). Where an episode was truncated, row t+1 belongs to another episode: next_values[t] is the "
            "value of the true successor.",
            read="The surprise of one step",
        ),
        Misconception(
            "no gamma",
            surprises(discount="none"),
            "γ is missing: the successor's value lies one step in the future, so it counts γ V(next).",
            read="What is a cell worth?",
        ),
        Misconception(
            "gamma on both",
            surprises(minus="discounted"),
            "V of the state before the step is discounted too. It is the expectation now: only V(next) lies in the future.",
            read="The surprise of one step",
        ),
        Misconception(
            "target instead of error",
            surprises(minus="nothing"),
            "This is the TD target, r + γ V(next). The TD error is the target minus what the critic had said, V.",
            read="The surprise of one step",
        ),
        Misconception(
            "sign",
            surprises(sign=-1.0),
            "The sign is turned round: δ is positive when more came than was expected, so it is target minus V.",
            read="The surprise of one step",
        ),
        Misconception(
            "reward one row late",
            surprises(shift=1),
            "The rewards are one row late: rewards[t] already follows actions[t], so it goes with values[t] and next_values[t].",
            read="A reward in the wrong row",
        ),
    ),
    crash_help={
        "Subtraction, the `-` operator, with a bool": "1 - terminated does not work for booleans in torch: write ~terminated.",
        "Boolean value of Tensor": "`if` and `not` cannot decide for a whole tensor: multiply by ~terminated.",
        "truth value of an array": "`if` and `not` cannot decide for a whole array: multiply by ~terminated.",
    },
    note="This line is the first one of compute_gae.",
)

# ---------------------------------------------------------------------------------------------------------------
# critic_loss(rewards, values, next_values, terminated, gamma) -> ½ mean squared TD error, with the gradient of a regression


def critic_loss(rewards, values, next_values, terminated, gamma):
    """The reference: the package's loss, against targets that are constants."""
    from ppo_core.loss import value_loss

    targets = (rewards + gamma * next_values * ~terminated).detach()
    return value_loss(values, targets)


def loss_one_by_one(rewards, values, next_values, terminated, gamma):
    """The oracle: a sum over samples in plain Python."""
    total, count = 0.0, len(rewards)
    for i in range(count):
        target = float(rewards[i]) + (0.0 if bool(terminated[i]) else gamma * float(next_values[i]))
        total += (float(values[i]) - target) ** 2
    return total / (2 * count)


def losses(
    *, factor: float = 0.5, mask: bool = True, discount: bool = True, kind: str = "mean of squares"
) -> Callable[..., float]:
    """The loss with one thing changed: what a misconception computes."""

    def wrong(rewards, values, next_values, terminated, gamma):
        rewards, values, next_values, terminated = map(np.asarray, (rewards, values, next_values, terminated))
        going_on = ~terminated if mask else np.ones_like(terminated)
        targets = rewards + (gamma if discount else 1.0) * next_values * going_on
        error = (values - targets).astype(np.float64)
        return float(
            factor
            * {
                "mean of squares": (error**2).mean(),
                "sum of squares": (error**2).sum(),
                "square of the mean": error.mean() ** 2,
                "mean": error.mean(),
                "negative mean": -error.mean(),
                "absolute": np.abs(error).mean(),
                "all pairs": ((values[:, None] - targets[None, :]) ** 2).mean(),
            }[kind]
        )

    return wrong


def _samples(count: int, gamma: float, ended: tuple = ()) -> Callable[[], tuple]:
    def arguments() -> tuple:
        import torch

        generator = torch.Generator().manual_seed(14)
        rewards, values, next_values = (torch.randn(count, generator=generator) for _ in range(3))
        terminated = torch.zeros(count, dtype=torch.bool)
        terminated[list(ended)] = True
        return rewards, values, next_values, terminated, gamma

    return arguments


def _has_the_gradient_of_a_regression(answer: Callable[..., Any]) -> None:
    """Raise Wrong unless a linear critic V = X w gets the gradient Xᵀ(V - y) / B, for targets y that do not move."""
    import torch

    rewards, _, _, terminated, gamma = _samples(8, 0.9, (2, 5))()
    generator = torch.Generator().manual_seed(24)
    features, next_features = torch.randn(2, 8, 3, generator=generator)
    weights = torch.randn(3, generator=generator).requires_grad_()
    result = answer(rewards, features @ weights, next_features @ weights, terminated, gamma)
    if not isinstance(result, torch.Tensor) or not result.requires_grad:
        raise Wrong(
            "The number is right, but no gradient reaches the critic, so it would never learn. Only the target is a constant: `values` "
            "must keep its gradient, with no detach, item() or numpy. Read: chapter 4, 'A target is a constant'."
        )
    (got,) = torch.autograd.grad(result, weights)
    with torch.no_grad():
        x, x_next = features.numpy(), (next_features * ~terminated[:, None]).numpy()
        w, r = weights.numpy(), rewards.numpy()
        delta = r + gamma * x_next @ w - x @ w
        regression, successor = -x.T @ delta / len(r), gamma * x_next.T @ delta / len(r)
    near = lambda gradient: np.allclose(got.numpy(), gradient, atol=1e-4)  # noqa: E731
    if near(regression):
        return
    if near(regression + successor):
        raise Wrong(
            "The number is right, but the gradient is not: it also flows through `next_values`, so that the critic moves its own target "
            "towards its error. Make the target a constant with detach(), or compute it under torch.no_grad(). Read: chapter 4, 'A target "
            "is a constant'."
        )
    if near(successor):
        raise Wrong(
            "The number is right, but the gradient flows through the wrong one: `values` is detached, and the target moves towards it. "
            "Detach the target instead. Read: chapter 4, 'A target is a constant'."
        )
    raise Wrong(
        f"The number is right, but its gradient is not that of a regression: got {got[0]:.4g} for the first weight, expected "
        f"{regression[0]:.4g}. Read: chapter 4, 'A target is a constant'."
    )


CRITIC_LOSS = Exercise(
    name="critic_loss",
    chapter=4,
    prompt="Write the loss of a critic that learns from TD targets, with the right gradient.",
    hints=(
        "It is ½ the mean squared error of `values` to the TD targets. Both come from the critic. Through which of the two may the gradient flow?",
        "Through `values` only. targets = (...).detach() makes the target a constant; do not forget ~terminated in it.",
        "targets = (rewards + gamma * next_values * ~terminated).detach(); return 0.5 * (values - targets).square().mean()",
    ),
    cases=(
        Case(
            "one sample",
            "For one sample the loss is half the square of V minus its target.",
            read="A loss with a simple minimum",
            arguments=_samples(1, 0.9),
        ),
        Case(
            "several samples",
            "The loss is half the mean of the squares.",
            read="A loss with a simple minimum",
            arguments=_samples(7, 0.9),
        ),
        Case(
            "some steps terminate",
            "Where the task has ended the target is the reward alone.",
            read="The surprise of one step",
            arguments=_samples(8, 0.9, (2, 5)),
        ),
        Case("the gradient", "", test=_has_the_gradient_of_a_regression),
    ),
    reference=critic_loss,
    oracle=loss_one_by_one,
    misconceptions=(
        Misconception(
            "without one half",
            losses(factor=1.0),
            "The ½ is missing. It makes the gradient V minus target, without a factor of two; libraries differ here, and this book has it.",
            read="A loss with a simple minimum",
        ),
        Misconception(
            "sum instead of mean",
            losses(kind="sum of squares"),
            "The squares are added up instead of averaged: the size of a step would grow with the size of the batch.",
            read="A loss with a simple minimum",
        ),
        Misconception(
            "square of the mean",
            losses(kind="square of the mean"),
            "The mean is squared, so that errors of opposite sign cancel. Square each error first, then take the mean.",
            read="A loss with a simple minimum",
        ),
        Misconception(
            "not squared",
            losses(factor=1.0, kind="mean"),
            "The error is not squared. Its mean can be made as small as you like by saying less and less: it has no minimum.",
            read="A loss with a simple minimum",
        ),
        Misconception(
            "not squared, turned round",
            losses(factor=1.0, kind="negative mean"),
            "The error is not squared. Its mean has no minimum: a critic could make it smaller and smaller by saying more and more.",
            read="A loss with a simple minimum",
        ),
        Misconception(
            "absolute error",
            losses(factor=1.0, kind="absolute"),
            "This is the mean absolute error. Its minimum is the median of the targets; a value is their mean, which the square finds.",
            read="A loss with a simple minimum",
        ),
        Misconception(
            "no mask",
            losses(mask=False),
            "The target goes on past the end: where `terminated` is true, γ V(next) must be dropped.",
            read="Past the end",
        ),
        Misconception(
            "no gamma",
            losses(discount=False),
            "γ is missing in the target: the successor counts γ V(next).",
            read="What is a cell worth?",
        ),
        Misconception(
            "all pairs",
            losses(kind="all pairs"),
            "Every value is compared with every target: a shape [B, 1] was spread out to [B, B]. Keep both [B].",
            read="A loss with a simple minimum",
        ),
    ),
    crash_help={
        "Subtraction, the `-` operator, with a bool": "1 - terminated does not work for booleans in torch: write ~terminated.",
    },
    note="The value and the gradient.",
)

# ---------------------------------------------------------------------------------------------------------------
# policy_values(transitions, rewards, policy, gamma) -> V [S]; transitions [S, A, S], rewards and policy [S, A]


def policy_values(transitions, rewards, policy, gamma):
    """The reference: the package's linear system."""
    from ppo_core.probes import TabularEnv

    return TabularEnv(transitions, rewards).exact_values(gamma, policy)


def values_by_sweeps(transitions, rewards, policy, gamma):
    """The oracle: the Bellman equation used as an assignment, state by state, until nothing changes."""
    states, actions = np.shape(rewards)
    values = [0.0] * states
    for _ in range(100_000):
        before = list(values)
        for s in range(states):
            values[s] = sum(
                policy[s][a]
                * (rewards[s][a] + gamma * sum(transitions[s][a][n] * values[n] for n in range(states)))
                for a in range(actions)
            )
        if max(abs(new - old) for new, old in zip(values, before, strict=True)) < 1e-12:
            break
    return values


def _solved(
    transitions: Any, rewards: Any, policy: Any, gamma: float, *, transpose: bool = False
) -> np.ndarray:
    P = np.einsum("sa,sat->st", policy, transitions)
    return np.linalg.solve(
        np.eye(len(P)) - gamma * (P.T if transpose else P), (np.asarray(policy) * rewards).sum(1)
    )


def _uniform(rewards: Any) -> np.ndarray:
    return np.full(np.shape(rewards), 1 / np.shape(rewards)[1])


def _sweeps(count: int, best: bool = False) -> Callable[..., np.ndarray]:
    """`count` sweeps of the Bellman equation; `best` takes the best action in place of the policy's mean."""

    def wrong(transitions, rewards, policy, gamma):
        values = np.zeros(len(rewards))
        for _ in range(count):
            q = rewards + gamma * np.asarray(transitions) @ values
            values = q.max(1) if best else (policy * q).sum(1)
        return values

    return wrong


def _process(
    seed: int, gamma: float, states: int = 4, actions: int = 2, uniform: bool = False, ends: bool = True
):
    """A random process. Each step may end the episode; with `ends=False` it hardly ever does."""

    def arguments() -> tuple:
        rng = np.random.default_rng(seed)
        weights = np.ones(states + 1)
        weights[-1] = 1.0 if ends else 0.001
        transitions = rng.dirichlet(weights, (states, actions))[..., :-1]
        policy = np.full((states, actions), 1 / actions) if uniform else rng.dirichlet([1] * actions, states)
        return transitions, rng.normal(size=(states, actions)), policy, gamma

    return arguments


def _corridor() -> tuple:
    from ppo_core.probes import corridor

    walk = corridor()
    return walk.transitions, walk.rewards, np.full((5, 2), 0.5), 1.0


POLICY_VALUES = Exercise(
    name="policy_values",
    chapter=4,
    axes=("state",),
    prompt="Compute the exact values of every state under a given policy.",
    hints=(
        "Average over the actions first: a policy turns the process into one without choices, with one matrix [S, S] and one reward per state.",
        "P[s, n] = Σ_a policy[s, a] · transitions[s, a, n], and r[s] = Σ_a policy[s, a] · rewards[s, a]. Then V = r + γ P V: bring V to one side.",
        'P = np.einsum("sa,san->sn", policy, transitions); r = (policy * rewards).sum(1); return np.linalg.solve(np.eye(len(r)) - gamma * P, r)',
    ),
    cases=(
        Case(
            "γ = 0",
            "With γ = 0 only the next reward counts: V is the policy's mean reward.",
            read="What is a cell worth?",
            arguments=_process(1, 0.0),
        ),
        Case(
            "the corridor of the page",
            "In the corridor, with γ = 1, the five values lie on a straight line.",
            read="Five cells on paper",
            arguments=_corridor,
        ),
        Case(
            "a uniform policy",
            "V = r + γ P V, with P and r averaged over the actions.",
            read="What is a cell worth?",
            arguments=_process(2, 0.9, uniform=True),
        ),
        Case(
            "another policy",
            "The mean over the actions is weighted by the policy, in each state with its own weights.",
            read="What is a cell worth?",
            arguments=_process(3, 0.95, states=5, actions=3),
        ),
        Case(
            "an episode that hardly ever ends",
            "What lies far ahead counts too: V must satisfy the Bellman equation, not only nearly.",
            read="What is a cell worth?",
            arguments=_process(5, 0.99, ends=False),
        ),
    ),
    reference=policy_values,
    oracle=values_by_sweeps,
    misconceptions=(
        Misconception(
            "reward only",
            _sweeps(1),
            "This is the mean of the next reward. What comes after it counts too, γ times the value of the next state.",
            read="What is a cell worth?",
        ),
        Misconception(
            "best action",
            _sweeps(5000, best=True),
            "The best action is taken in every state. These are the values of the best policy; asked are those of the given one, the "
            "mean over its actions.",
            read="An action's value, and its advantage",
        ),
        Misconception(
            "policy not used",
            lambda P, r, policy, gamma: _solved(P, r, _uniform(r), gamma),
            "The given policy is not used: all actions count alike. Weight the actions of each state by policy[s].",
            read="What is a cell worth?",
        ),
        Misconception(
            "policy on the rewards only",
            lambda P, r, policy, gamma: np.linalg.solve(
                np.eye(len(r)) - gamma * np.mean(P, 1), (np.asarray(policy) * r).sum(1)
            ),
            "The rewards are weighted by the policy, but the transitions are not: where an action leads counts as often as it is chosen.",
            read="What is a cell worth?",
        ),
        Misconception(
            "transposed",
            lambda P, r, policy, gamma: _solved(P, r, policy, gamma, transpose=True),
            "The matrix is transposed: P[s, n] leads from s to n, and the value of s asks where s leads. Use P @ V.",
            read="What is a cell worth?",
        ),
        Misconception(
            "no gamma",
            lambda P, r, policy, gamma: _solved(P, r, policy, 1.0),
            "γ is not used: what follows is worth γ times as much as it would be now.",
            read="What is a cell worth?",
        ),
        Misconception(
            "ten sweeps",
            _sweeps(10),
            "These are ten sweeps. With γ near 1 the values are still on their way; solve the linear system, or sweep until nothing changes.",
            read="What is a cell worth?",
        ),
        Misconception(
            "a hundred sweeps",
            _sweeps(100),
            "These are a hundred sweeps. With γ near 1 the values are still on their way; solve the linear system, or sweep until nothing "
            "changes.",
            read="What is a cell worth?",
        ),
        Misconception(
            "summed over actions",
            lambda P, r, policy, gamma: (
                np.asarray(r) + gamma * np.asarray(P) @ _solved(P, r, policy, gamma)
            ).sum(1),
            "The actions are added up. A value is their mean: each action counts policy[s, a].",
            read="An action's value, and its advantage",
        ),
    ),
    crash_help={
        "Singular matrix": "The matrix I - γP has no inverse: check that rows of P are sums over actions, weighted by the policy.",
        "mismatch in its core dimension": "The shapes do not fit: transitions is [S, A, S], policy and rewards are [S, A].",
    },
    note="One linear system is all that a small world needs.",
)

EXERCISES = (TD_ERROR, CRITIC_LOSS, POLICY_VALUES)
