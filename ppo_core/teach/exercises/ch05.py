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
            "With one step the advantage is δ alone: r + γ V(next) - V.",
            read="One step",
            arguments=rollout(0.9, 0.8, num_steps=1),
        ),
        Case(
            "λ = 0",
            "With λ = 0 only the step's own δ counts; nothing of A_{t+1} may come in.",
            read="The two limits",
            arguments=rollout(0.9, 0.0, num_steps=4),
        ),
        Case(
            "several steps, nothing ends",
            "A_t is δ_t plus γλ times A_{t+1}.",
            read="The recursion",
            arguments=rollout(0.9, 0.8),
        ),
        Case(
            "λ = 1",
            "With λ = 1 the advantage is the whole discounted return, minus V(o_t).",
            read="The two limits",
            arguments=rollout(0.9, 1.0, terminated=[(2, 0)]),
        ),
        Case(
            "an episode terminates",
            "After a termination there is no future: no value of the successor, and nothing of the next row.",
            arguments=rollout(0.9, 0.8, terminated=[(1, 0), (3, 1)]),
        ),
        Case(
            "an episode is truncated",
            "A truncated episode would have gone on: its last step still counts V of the successor, but the next row is another episode.",
            arguments=rollout(0.9, 0.8, truncated=[(1, 1), (4, 0)]),
        ),
        Case(
            "both, and the rollout ends on a termination",
            "Every ending is treated where it happens, the last row included.",
            arguments=rollout(
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
            "stopped watching there, so γ V(next) stays. Let only `terminated` remove it.",
            read="Two kinds of ending",
        ),
        Misconception(
            "leak across truncations",
            recursion(cut="terminated"),
            "The next episode leaks into the truncated one: A_{t+1} is passed back across a truncation. The row after it belongs to "
            "another episode, so the recursion is cut at every ending, `terminated | truncated`.",
            read="Two kinds of ending",
        ),
        Misconception(
            "no endings at all",
            recursion(stop="never", cut="never"),
            "No ending is looked at: one episode's rewards reach back into the one before. Cut the recursion where an episode ends, "
            "and drop V(next) where it terminated.",
            read="Two kinds of ending",
        ),
        Misconception(
            "leak across every ending",
            recursion(cut="never"),
            "The next episode leaks into the one that ended: δ is right, but A_{t+1} is passed back across the ending. Multiply it by "
            "`not done`, where done = terminated | truncated.",
            read="Two kinds of ending",
        ),
        Misconception(
            "terminal value kept",
            recursion(stop="never"),
            "A terminated episode has no future, but its last δ still counts the value of a successor. Drop γ V(next) where "
            "`terminated` is true.",
            read="Two kinds of ending",
        ),
        Misconception(
            "flags one step late",
            recursion(shift=1),
            "The flags are one step late: terminated[t-1] is used where terminated[t] belongs. terminated[t] says that the step from o_t "
            "ended the episode, so it goes with rewards[t] and next_values[t].",
            read="Which index?",
        ),
        Misconception(
            "flags one step early",
            recursion(shift=-1),
            "The flags are one step early: terminated[t+1] is used where terminated[t] belongs. That is the habit of code that stores, with "
            "o_t, whether the step before it ended; here terminated[t] belongs to the step from o_t.",
            read="Which index?",
        ),
        Misconception(
            "recursion without gamma",
            recursion(decay="lambda"),
            "γ is missing in the recursion: A_{t+1} lies one step in the future, so it is discounted by γλ and not by λ alone.",
            read="The recursion",
        ),
        Misconception(
            "recursion without lambda",
            recursion(decay="gamma"),
            "λ is missing in the recursion: with γ alone this is the λ = 1 estimate for every λ. The factor is γλ.",
            read="The recursion",
        ),
        Misconception(
            "recursion without decay",
            recursion(decay="none"),
            "A_{t+1} comes in undiscounted: its factor is γλ.",
            read="The recursion",
        ),
        Misconception(
            "last row left out",
            recursion(rows="without the last"),
            "The last row is 0: the loop leaves out t = T-1. That step has an advantage too, A_{T-1} = δ_{T-1}, and all rows before it "
            "need it. Run over reversed(range(T)); next_values has T rows, so nothing is out of range.",
            read="The last row",
        ),
        Misconception(
            "bootstrap from the same state",
            recursion(bootstrap="values"),
            "δ bootstraps from the state it starts in: it uses values[t] where V of the successor, next_values[t], belongs.",
            read="One step",
        ),
        Misconception(
            "bootstrap from the following row",
            recursion(bootstrap="following row"),
            "δ uses values[t+1] as V(next). Where an episode was truncated, row t+1 is the first observation of another episode: "
            "use next_values[t], the value of the true successor.",
            read="Two kinds of ending",
        ),
        Misconception(
            "forward in time",
            forward_sum,
            "The loop runs forward, so that each advantage adds up the past. An advantage is about what follows: start at the last "
            "row and go back.",
            read="The recursion",
        ),
        Misconception(
            "returns instead of advantages",
            returns,
            "These are the returns, A_t + V(o_t), the critic's target. Give back the advantages.",
            read="The recursion",
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


# ---------------------------------------------------------------------------------------------------------------
# gae_weights(done, gamma, gae_lambda) -> W [T, T] for one environment, so that advantages = W @ deltas


def gae_weights(done, gamma, gae_lambda):
    """The reference: γλ to the power of the distance, where no episode ends in between."""
    import torch

    done = torch.as_tensor(done, dtype=torch.bool)
    steps = torch.arange(len(done))
    distance = steps[None, :] - steps[:, None]  # [T, T]: k - t
    episode = torch.cumsum(done.long(), 0) - done.long()  # [T]: endings before step t
    counted = (distance >= 0) & (episode[None, :] == episode[:, None])
    return torch.where(counted, (gamma * gae_lambda) ** distance.clamp(min=0).double(), 0.0).float()


def weights_step_by_step(done, gamma, gae_lambda):
    """The oracle: from each step walk on until an episode ends, and write down what each δ counts."""
    done = np.asarray(done)
    weights = np.zeros((len(done), len(done)))
    for t in range(len(done)):
        weight = 1.0
        for k in range(t, len(done)):
            weights[t, k] = weight
            if done[k]:
                break
            weight *= gamma * gae_lambda
    return weights


def weights_with(
    *, cut: str = "here", factor: str = "both", extra: int = 0, future: bool = True
) -> Callable[..., Any]:
    """Weights with one thing changed: what a misconception computes."""
    # δ_k counts in A_t if no episode ended at a step from `first` up to, but without, `last`
    first, last = {
        "here": (0, 0),
        "too early": (0, 1),
        "too late": (0, -1),
        "next episode": (1, 1),
        "never": (0, -1000),
    }[cut]

    def wrong(done, gamma, gae_lambda):
        done = np.asarray(done)
        base = {"both": gamma * gae_lambda, "gamma": gamma, "lambda": gae_lambda}[factor]
        weights = np.zeros((len(done), len(done)))
        for t in range(len(done)):
            for k in range(t, len(done)):
                if not done[t + first : max(t + first, k + last)].any():
                    weights[t, k] = base ** (k - t + extra)
        return weights if future else weights.T

    return wrong


def averaged_weights(done, gamma, gae_lambda):
    """Weights (1 - λ) λ^l of the λ-return, put in front of TD errors."""
    return (1 - gae_lambda) * weights_step_by_step(done, gamma, gae_lambda)


def flags(*ends: int, num_steps: int = 6, gamma: float = 0.9, gae_lambda: float = 0.8) -> Callable[[], tuple]:
    """Arguments of gae_weights: T flags, true at `ends`."""

    def arguments() -> tuple:
        import torch

        done = torch.zeros(num_steps, dtype=torch.bool)
        done[list(ends)] = True
        return done, gamma, gae_lambda

    return arguments


GAE_WEIGHTS = Exercise(
    name="gae_weights",
    chapter=5,
    prompt="Write GAE without its recursion: the matrix W [T, T] of one environment, so that advantages = W @ deltas.",
    hints=(
        "Row t of W says what every δ counts in A_t. Which entries of row t can differ from 0?",
        "W[t, k] is (γλ)^(k - t), for k = t and later, up to the step that ends the episode of step t. The rest is 0.",
        "Number the episodes: episode = cumsum(done) - done gives every step the count of endings before it. "
        "W[t, k] counts where k >= t and episode[k] == episode[t].",
    ),
    cases=(
        Case(
            "nothing ends",
            "Row t holds (γλ)^(k - t) from the diagonal on, and 0 before it.",
            read="A sum of surprises",
            arguments=flags(num_steps=4),
        ),
        Case(
            "λ = 0",
            "With λ = 0 each advantage is its own δ: W is the identity.",
            read="The two limits",
            arguments=flags(2, gae_lambda=0.0),
        ),
        Case(
            "λ = 1",
            "With λ = 1 the weights are those of a discounted sum.",
            read="The two limits",
            arguments=flags(2, gae_lambda=1.0),
        ),
        Case(
            "an episode ends",
            "The δ of the last step still counts; what comes after it belongs to another episode.",
            read="Two kinds of ending",
            arguments=flags(2),
        ),
        Case(
            "several endings, one after the other",
            "Each ending stops the sum of the steps before it, and of no others.",
            read="Two kinds of ending",
            arguments=flags(0, 1, 4, 7, num_steps=8),
        ),
    ),
    reference=gae_weights,
    oracle=weights_step_by_step,
    axes=("t", "k"),
    misconceptions=(
        Misconception(
            "no endings",
            weights_with(cut="never"),
            "No ending is looked at: the δ of the next episode count too. W[t, k] is 0 once an episode has ended between t and k.",
            read="Two kinds of ending",
        ),
        Misconception(
            "last step left out",
            weights_with(cut="too early"),
            "The cut comes one step too early: the δ of the step that ends the episode is left out, though it holds the last reward. "
            "done[k] stops what comes after k, not δ_k itself.",
            read="Two kinds of ending",
        ),
        Misconception(
            "ending step in the next episode",
            weights_with(cut="next episode"),
            "The step that ends an episode is counted with the next one. done[t] belongs to the step from o_t, the last of its "
            "episode: what comes after it starts the next. (With cumsum(done), subtract done again.)",
            read="Two kinds of ending",
        ),
        Misconception(
            "one step of the next episode",
            weights_with(cut="too late"),
            "The cut comes one step too late: the first δ of the next episode still counts.",
            read="Two kinds of ending",
        ),
        Misconception(
            "exponent one too large",
            weights_with(extra=1),
            "The exponent is one too large. δ_t itself counts fully in A_t, with (γλ)^0 = 1: the exponent is k - t.",
            read="A sum of surprises",
        ),
        Misconception(
            "looks back",
            weights_with(future=False),
            "The matrix looks back: it is the transpose. Row t must hold the weights of the steps after t.",
            read="A sum of surprises",
        ),
        Misconception(
            "gamma alone",
            weights_with(factor="gamma"),
            "λ is missing: with γ alone these are the weights of λ = 1, whatever λ is.",
            read="A sum of surprises",
        ),
        Misconception(
            "lambda alone",
            weights_with(factor="lambda"),
            "γ is missing: each step lies one step in the future, so the weight shrinks by γλ a step.",
            read="A sum of surprises",
        ),
        Misconception(
            "weights of the λ-return",
            averaged_weights,
            "(1 - λ) is the factor that averages n-step returns. TD errors are weighted by (γλ)^(k - t) alone: their sum "
            "is that average already.",
            read="A sum of surprises",
        ),
    ),
    crash_help={"bool tensor": "torch does not subtract bools: convert with .long() or .float() first."},
    note="A matrix product replaces the loop; for a long rollout the loop needs far less memory.",
)

# ---------------------------------------------------------------------------------------------------------------
# lambda_returns(rewards, next_values, terminated, truncated, gamma, gae_lambda) -> returns, each [T, N]


def lambda_returns(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    """The reference: R_t = r_t + γ [(1 - λ) V(o_{t+1}) + λ R_{t+1}], V(o_{t+1}) alone where nothing more was seen."""
    import torch

    returns = torch.empty_like(rewards)
    later = next_values[-1]
    for t in reversed(range(len(rewards))):
        later = torch.where(truncated[t], next_values[t], later)
        mixed = (1 - gae_lambda) * next_values[t] + gae_lambda * later
        later = rewards[t] + gamma * ~terminated[t] * mixed
        returns[t] = later
    return returns


def mean_of_n_step_returns(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    """The oracle: the mean of the n-step returns, weighted (1 - λ) λ^(n-1); the longest one takes the rest."""
    rewards, next_values, terminated, truncated = map(
        np.asarray, (rewards, next_values, terminated, truncated)
    )
    returns = np.zeros(rewards.shape)
    for t, env in np.ndindex(*rewards.shape):
        seen, left = 0.0, 1.0
        for k in range(t, len(rewards)):
            seen += gamma ** (k - t) * rewards[k, env]
            successor = 0.0 if terminated[k, env] else next_values[k, env]
            n_step = seen + gamma ** (k - t + 1) * successor
            if terminated[k, env] or truncated[k, env] or k == len(rewards) - 1:
                returns[t, env] += left * n_step
                break
            returns[t, env] += left * (1 - gae_lambda) * n_step
            left *= gae_lambda
    return returns


def returns_with(
    *,
    mix: str = "right",
    start: str = "V",
    stop: str = "terminated",
    cut: str = "V",
    gamma_on: str = "both",
    shift: int = 0,
) -> Callable[..., Any]:
    """A recursion of λ-returns with one thing changed: what a misconception computes."""

    def wrong(rewards, next_values, terminated, truncated, gamma, gae_lambda):
        rewards, next_values, terminated, truncated = map(
            np.asarray, (rewards, next_values, terminated, truncated)
        )
        if shift:
            terminated, truncated = (np.concatenate([x[:1] & False, x[:-1]]) for x in (terminated, truncated))
        ends = {"terminated": terminated, "done": terminated | truncated, "never": terminated & False}[stop]
        of_critic, of_later = {
            "right": (1 - gae_lambda, gae_lambda),
            "exchanged": (gae_lambda, 1 - gae_lambda),
            "later only": (0.0, gae_lambda),
            "no lambda": (0.0, 1.0),
            "one step": (1.0, 0.0),
        }[mix]
        of_critic, of_later = {
            "both": (gamma * of_critic, gamma * of_later),
            "critic": (gamma * of_critic, of_later),
            "none": (of_critic, of_later),
        }[gamma_on]
        returns = np.zeros(rewards.shape)
        later = next_values[-1] if start == "V" else np.zeros(rewards.shape[1])
        for t in reversed(range(len(rewards))):
            if cut != "leak":
                later = np.where(truncated[t], next_values[t] if cut == "V" else 0.0, later)
            later = rewards[t] + ~ends[t] * (of_critic * next_values[t] + of_later * later)
            returns[t] = later
        return returns

    return wrong


def without_values(arguments: Callable[[], tuple]) -> Callable[[], tuple]:
    """Arguments of lambda_returns: those of gae_loop, but for `values`."""
    return lambda: (lambda rewards, values, *others: (rewards, *others))(*arguments())


LAMBDA_RETURNS = Exercise(
    name="lambda_returns",
    chapter=5,
    prompt="Write the critic's targets, advantages + values, by a recursion of their own in which V(o_t) does not occur.",
    hints=(
        "The brackets hold a guess at everything that follows, partly the critic's, partly what came. Where nothing more was seen, only the critic's guess is left.",
        "Three places are special. Terminated: nothing follows, the brackets count 0. Truncated, and the last row: they hold V(o_{t+1}) alone.",
        "later = next_values[-1]; for t in reversed(range(T)): later = next_values[t] where truncated[t]; "
        "later = rewards[t] + gamma * (not terminated[t]) * ((1 - gae_lambda) * next_values[t] + gae_lambda * later).",
    ),
    cases=(
        Case(
            "one step, nothing ends",
            "With one step nothing more was seen: the target is r + γ V(next).",
            read="The last row",
            arguments=without_values(rollout(0.9, 0.8, num_steps=1)),
        ),
        Case(
            "λ = 0",
            "With λ = 0 the target is r + γ V(next), one step and then the critic.",
            read="The two limits",
            arguments=without_values(rollout(0.9, 0.0, num_steps=4)),
        ),
        Case(
            "several steps, nothing ends",
            "The brackets mix V(next), with weight 1 - λ, and the next row's target, with weight λ.",
            read="The two limits",
            arguments=without_values(rollout(0.9, 0.8)),
        ),
        Case(
            "λ = 1",
            "With λ = 1 the target is the discounted sum of the rewards, and V(next) only where the rows run out.",
            read="The two limits",
            arguments=without_values(rollout(0.9, 1.0, terminated=[(2, 0)])),
        ),
        Case(
            "an episode terminates",
            "After a termination there is no future: the target is the reward.",
            read="Two kinds of ending",
            arguments=without_values(rollout(0.9, 0.8, terminated=[(1, 0), (3, 1)])),
        ),
        Case(
            "an episode is truncated",
            "Where an episode was truncated nothing more was seen: the brackets hold V(next) alone.",
            read="Two kinds of ending",
            arguments=without_values(rollout(0.9, 0.8, truncated=[(1, 1), (4, 0)])),
        ),
    ),
    reference=lambda_returns,
    oracle=mean_of_n_step_returns,
    misconceptions=(
        Misconception(
            "λ and 1 - λ exchanged",
            returns_with(mix="exchanged"),
            "λ and 1 - λ are exchanged. λ is the trust in what came, so it belongs to the next row's target; the critic gets 1 - λ.",
            read="All of them at once",
        ),
        Misconception(
            "λ as a second discount",
            returns_with(mix="later only"),
            "The critic's share is missing: γλ times the next target makes λ a second discount. What λ takes from the next target, "
            "V(next) must get, with weight 1 - λ.",
            read="The two limits",
        ),
        Misconception(
            "no lambda",
            returns_with(mix="no lambda"),
            "λ is not used: these are the targets of λ = 1, for every λ.",
            read="The two limits",
        ),
        Misconception(
            "one step for every λ",
            returns_with(mix="one step"),
            "These are one-step targets, r + γ V(next), for every λ. The next row's target has to come in, with weight λ.",
            read="The two limits",
        ),
        Misconception(
            "no bootstrap in the last row",
            returns_with(start="0"),
            "The recursion starts with 0 after the last row, as if the task ended with the rollout. Nothing ended there; we stopped "
            "collecting. Start with next_values[-1].",
            read="The last row",
        ),
        Misconception(
            "nothing after a truncation",
            returns_with(cut="0"),
            "Where an episode was truncated, the next row's target is rightly left out, but its share λ is lost. V(next) has to take the "
            "whole of the brackets there.",
            read="Two kinds of ending",
        ),
        Misconception(
            "truncation treated as terminal",
            returns_with(stop="done"),
            "A truncated episode is treated as if the task had ended. We only stopped watching: its last target is r + γ V(next).",
            read="Two kinds of ending",
        ),
        Misconception(
            "leak across truncations",
            returns_with(cut="leak"),
            "The next episode leaks into the truncated one: the row after a truncation belongs to another episode, so its target may not come in.",
            read="Two kinds of ending",
        ),
        Misconception(
            "terminated is not looked at",
            returns_with(stop="never"),
            "No termination is looked at. Where the task ended nothing follows, and the target is the reward alone.",
            read="Two kinds of ending",
        ),
        Misconception(
            "flags one step late",
            returns_with(shift=1),
            "The flags are one step late: terminated[t-1] is used where terminated[t] belongs.",
            read="Which index?",
        ),
        Misconception(
            "gamma on the critic only",
            returns_with(gamma_on="critic"),
            "γ is missing at the next row's target. Both things in the brackets lie one step in the future, so γ stands before the brackets.",
            read="All of them at once",
        ),
        Misconception(
            "no gamma",
            returns_with(gamma_on="none"),
            "γ is missing: everything in the brackets lies one step in the future.",
            read="All of them at once",
        ),
    ),
    crash_help={
        "bool tensor": "torch does not subtract from a bool: write ~terminated, or convert first with .float().",
        "out of bounds": "Row T - 1 has no row after it: what it knows of the future is next_values[T - 1].",
        "out of range": "Row T - 1 has no row after it: what it knows of the future is next_values[T - 1].",
        "truth value": "A row holds one flag for each environment, so `if` and `not` cannot decide: use torch.where.",
        "Boolean value of Tensor": "A row holds one flag for each environment, so `if` and `not` cannot decide: use torch.where.",
    },
    note="These are compute_gae(...).returns, found without V(o_t).",
)

# ---------------------------------------------------------------------------------------------------------------
# gae_join(first, first_done, second_row, gamma, gae_lambda): a rollout that was cut in two


def gae_join(first, first_done, second_row, gamma, gae_lambda):
    """The reference: what the second piece adds, walked back through the first."""
    joined = first * 1.0
    carry = second_row * 1.0  # [N]: A of the first row of the second piece
    for t in reversed(range(len(first))):
        carry = gamma * gae_lambda * ~first_done[t] * carry
        joined[t] = first[t] + carry
    return joined


def join_by_distance(first, first_done, second_row, gamma, gae_lambda):
    """The oracle: step by step and environment by environment, by the distance to the cut."""
    first, first_done, second_row = map(np.asarray, (first, first_done, second_row))
    joined = first.astype(float)
    for env in range(first.shape[1]):
        for t in range(len(first)):
            if not first_done[t:, env].any():
                joined[t, env] += (gamma * gae_lambda) ** (len(first) - t) * second_row[env]
    return joined


def join_with(
    *, power: int = 0, ends: str = "all later", factor: str = "both", rows: str = "all"
) -> Callable[..., Any]:
    """A join with one thing changed: what a misconception computes."""

    def wrong(first, first_done, second_row, gamma, gae_lambda):
        first, first_done, second_row = map(np.asarray, (first, first_done, second_row))
        base = {"both": gamma * gae_lambda, "gamma": gamma, "none": 1.0}[factor]
        joined = first.astype(float)
        for t in range(len(first)):
            alive = {
                "all later": ~first_done[t:].any(0),
                "own": ~first_done[t],
                "last": ~first_done[-1],
                "never": True,
            }[ends]
            if rows == "all" or t == len(first) - 1:
                joined[t] += base ** (len(first) - t + power) * alive * second_row
        return joined

    return wrong


def piece(
    gae_lambda: float, *ends: tuple[int, int], num_steps: int = 5, num_envs: int = 2
) -> Callable[[], tuple]:
    """Arguments of gae_join: advantages of the first piece, with episode ends at the given (t, env)."""

    def arguments() -> tuple:
        import torch

        generator = torch.Generator().manual_seed(8)
        first, second_row = (
            torch.randn(num_steps, num_envs, generator=generator),
            torch.randn(num_envs, generator=generator),
        )
        done = torch.zeros(num_steps, num_envs, dtype=torch.bool)
        for t, env in ends:
            done[t, env] = True
        return first, done, second_row, 0.9, gae_lambda

    return arguments


GAE_JOIN = Exercise(
    name="gae_join",
    chapter=5,
    prompt="A rollout was cut in two. From the advantages of each piece alone, compute those of the first piece uncut.",
    hints=(
        "Both pieces are right about their own TD errors; V(next) at the cut is in the last δ of the first. What did the first piece not see?",
        "It did not see the δ after the cut. How often is the second piece's first advantage multiplied by γλ before it arrives at row t?",
        "Add (γλ)^(T - t) * second_row to row t, but only where no episode ends at t or later: an ending stops everything.",
    ),
    cases=(
        Case(
            "λ = 0",
            "With λ = 0 an advantage is its own δ, so the cut changes nothing.",
            read="Where the rollout is cut",
            arguments=piece(0.0),
        ),
        Case(
            "nothing ends",
            "The second piece reaches row t with the weight (γλ)^(T - t).",
            read="Where the rollout is cut",
            arguments=piece(0.8),
        ),
        Case(
            "an episode ends in the first piece",
            "Nothing is carried back across an ending.",
            read="Where the rollout is cut",
            arguments=piece(0.8, (1, 0)),
        ),
        Case(
            "an episode ends at the cut",
            "Where the last row of the first piece ends an episode, the second piece has nothing to say.",
            read="Where the rollout is cut",
            arguments=piece(0.95, (4, 1), (2, 0)),
        ),
    ),
    reference=gae_join,
    oracle=join_by_distance,
    misconceptions=(
        Misconception(
            "nothing is lost at the cut",
            lambda first, *_: np.asarray(first),
            "The first piece comes back as it was. V(next) bootstraps its last δ, but every δ after the cut is still missing: "
            "unless λ = 0, or the critic is exact, a shorter rollout gives other advantages.",
            read="Where the rollout is cut",
        ),
        Misconception(
            "only the last row",
            join_with(rows="last"),
            "Only the last row was corrected. Through the recursion the correction reaches every earlier row of the same episode.",
            read="Where the rollout is cut",
        ),
        Misconception(
            "across endings",
            join_with(ends="never"),
            "The second piece is carried back across the end of an episode. Stop at every ending.",
            read="Where the rollout is cut",
        ),
        Misconception(
            "looks at its own flag only",
            join_with(ends="own"),
            "Each row looks at its own flag only. An ending anywhere between row t and the cut stops the second piece from reaching row t.",
            read="Where the rollout is cut",
        ),
        Misconception(
            "looks at the last flag only",
            join_with(ends="last"),
            "Only the flag at the cut is looked at. An ending anywhere between row t and the cut stops the second piece from reaching row t.",
            read="Where the rollout is cut",
        ),
        Misconception(
            "one factor too few",
            join_with(power=-1),
            "The weight has one factor γλ too few. From row T - 1 to the second piece is one step: the exponent is T - t.",
            read="Where the rollout is cut",
        ),
        Misconception(
            "gamma alone",
            join_with(factor="gamma"),
            "λ is missing: the second piece arrives with (γλ)^(T - t), as any later δ does.",
            read="Where the rollout is cut",
        ),
    ),
    crash_help={
        "bool tensor": "torch does not subtract from a bool: write ~done, or convert first with .float()."
    },
    note="A longer rollout lets later rewards reach further back; V(next) alone does not replace them.",
)

EXERCISES = (GAE_LOOP, GAE_WEIGHTS, LAMBDA_RETURNS, GAE_JOIN)
