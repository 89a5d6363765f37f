"""Exercises of chapter 06, how episodes end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ppo_core.teach.exercise import Case, Exercise, Misconception

PAPER = "One machine, three endings"
SUCCESSOR = "Why the successor still counts"
CUT = "Why a cut is neither"
RESET_ROW = "NEXT_STEP: a row that is no step"
INFOS = "SAME_STEP: the last observation in the infos"
DEATH = "Death at the time limit"
IN_REWARD = "The successor inside the reward"

# ---------------------------------------------------------------------------------------------------------------
# valid_rows(terminated, truncated, done_before) -> bool [T, N]: which rows of a NEXT_STEP rollout are transitions


def valid_rows(terminated, truncated, done_before):
    """The reference: a row is no transition if the row before it ended an episode."""
    done = np.asarray(terminated) | np.asarray(truncated)
    return ~np.concatenate([np.asarray(done_before)[None], done[:-1]])


def valid_rows_one_by_one(terminated, truncated, done_before):
    """The oracle: live through the rollout as the environment does, one environment after the other."""
    num_steps, num_envs = terminated.shape
    valid = np.zeros((num_steps, num_envs), bool)
    for env in range(num_envs):
        resets_now = bool(done_before[env])
        for t in range(num_steps):
            valid[t, env] = not resets_now
            resets_now = bool(terminated[t, env] or truncated[t, env])
    return valid


def endings(
    num_steps: int,
    num_envs: int,
    *,
    terminated: Sequence = (),
    truncated: Sequence = (),
    before: Sequence[int] = (),
) -> Callable[[], tuple]:
    """Arguments of valid_rows: flags at the given (t, env), and the environments that ended in the row before."""

    def arguments() -> tuple:
        ended, stopped = np.zeros((2, num_steps, num_envs), bool)
        done_before = np.zeros(num_envs, bool)
        for t, env in terminated:
            ended[t, env] = True
        for t, env in truncated:
            stopped[t, env] = True
        done_before[list(before)] = True
        return ended, stopped, done_before

    return arguments


def mask(
    which: str = "done", *, shift: int = 1, first: str = "before", also_ending: bool = False
) -> Callable[..., Any]:
    """valid_rows with one thing changed: what a misconception computes."""

    def wrong(terminated, truncated, done_before):
        terminated, truncated = np.asarray(terminated), np.asarray(truncated)
        flags = {"done": terminated | truncated, "terminated": terminated, "truncated": truncated}[which]
        none = np.zeros_like(flags[:1])
        top = {"before": np.asarray(done_before)[None], "valid": none, "wrap": flags[-1:]}[first]
        if shift == 1:
            fake = np.concatenate([top, flags[:-1]])
        else:
            fake = flags if shift == 0 else np.concatenate([flags[1:], none])
        return ~(fake | flags) if also_ending else ~fake

    return wrong


VALID_ROWS = Exercise(
    name="valid_rows",
    chapter=6,
    prompt="Say which rows of a rollout in NEXT_STEP mode are transitions.",
    hints=(
        "The row in which an episode ends is a real one: the action was carried out and paid. Which row is it that Gymnasium uses up for the reset?",
        "Row t is no transition if row t - 1 ended an episode, for either reason. Row 0 has no row above it in this rollout; "
        "done_before says what happened in the last row of the rollout before.",
        "With done = terminated | truncated, shift it down by one row, with done_before on top. The valid rows are the others.\n"
        "    ~np.concatenate([done_before[None], done[:-1]])",
    ),
    cases=(
        Case(
            "nothing ends",
            "Without an ending every row is a transition.",
            read=RESET_ROW,
            arguments=endings(4, 2),
        ),
        Case(
            "one truncation",
            "The row after the truncation is the reset.",
            read=RESET_ROW,
            arguments=endings(5, 1, truncated=[(1, 0)]),
        ),
        Case(
            "one termination",
            "The row after the termination is the reset.",
            read=RESET_ROW,
            arguments=endings(5, 2, terminated=[(2, 1)]),
        ),
        Case(
            "an ending in the last row",
            "The reset comes in the next rollout; nothing of this one is invalid.",
            read=RESET_ROW,
            arguments=endings(4, 2, truncated=[(3, 0)]),
        ),
        Case(
            "the rollout before ended on an ending",
            "Row 0 is the reset where done_before is true.",
            read=RESET_ROW,
            arguments=endings(4, 3, before=[1]),
        ),
        Case(
            "everything together",
            "Each environment has its own endings.",
            read=RESET_ROW,
            arguments=endings(
                8,
                3,
                terminated=[(0, 1), (6, 2), (7, 0)],
                truncated=[(2, 0), (4, 0), (2, 1), (4, 2)],
                before=[2],
            ),
        ),
    ),
    reference=valid_rows,
    oracle=valid_rows_one_by_one,
    misconceptions=(
        Misconception(
            "the ending row",
            mask(shift=0),
            "This throws away the row that ended the episode. That row is real: the action was carried out, and its reward counts. "
            "The row that is no transition is the one after it.",
            read=RESET_ROW,
        ),
        Misconception(
            "both rows",
            mask(also_ending=True),
            "This throws away two rows for each ending. The row that ended the episode is real: only the one after it is the reset.",
            read=RESET_ROW,
        ),
        Misconception(
            "the row before",
            mask(shift=-1),
            "The mask is shifted the wrong way: it removes the row before the ending. The reset uses up the row after it.",
            read=RESET_ROW,
        ),
        Misconception(
            "first row taken for granted",
            mask(first="valid"),
            "Row 0 is taken for granted. If the rollout before ended with an ending, row 0 of this one is the reset: "
            "done_before says so.",
            read=RESET_ROW,
        ),
        Misconception(
            "wraps round",
            mask(first="wrap"),
            "The last row's ending has come round to row 0, as np.roll does. Row 0 follows the rollout before: put done_before there.",
            read=RESET_ROW,
        ),
        Misconception(
            "truncations only",
            mask("truncated"),
            "Only truncations are looked at. Gymnasium resets after a termination just as well, and uses up a row for it.",
            read=RESET_ROW,
        ),
        Misconception(
            "terminations only",
            mask("terminated"),
            "Only terminations are looked at. Gymnasium resets after a truncation just as well, and uses up a row for it.",
            read=RESET_ROW,
        ),
        Misconception(
            "inverted",
            lambda terminated, truncated, done_before: (
                ~valid_rows_one_by_one(terminated, truncated, done_before)
            ),
            "The mask is inverted: it is to be true for the rows that are transitions.",
            read=RESET_ROW,
        ),
    ),
    crash_help={
        "expected Tensor": "The flags are NumPy arrays here, as Gymnasium gives them: np.concatenate.",
        "same number of dimensions": "done_before is [N] and a row of a rollout is [1, N]: write done_before[None].",
    },
    note="One row is lost for each ending.",
)

# ---------------------------------------------------------------------------------------------------------------
# true_next_obs(obs, infos, done) -> [N, *obs]: the true successor in SAME_STEP mode


def true_next_obs(obs, infos, done):
    """The reference: where an episode ended the successor is in the infos, elsewhere it is what the policy sees next."""
    next_obs = np.array(obs)
    for env in np.flatnonzero(done):
        next_obs[env] = infos["final_obs"][env]
    return next_obs


def successors_by_stacking(obs, infos, done):
    """The oracle: row by row, from the mask that Gymnasium sends along."""
    ended = infos.get("_final_obs", [False] * len(obs))
    return np.stack([infos["final_obs"][env] if ended[env] else obs[env] for env in range(len(obs))])


def same_step(num_envs: int, ended: Sequence[int], shape: tuple[int, ...] = (2,)) -> Callable[[], tuple]:
    """Arguments of true_next_obs, in the form in which Gymnasium gives them."""

    def arguments() -> tuple:
        rng = np.random.default_rng(6)
        obs, last = rng.normal(size=(2, num_envs, *shape)).astype(np.float32)
        done = np.zeros(num_envs, bool)
        done[list(ended)] = True
        if not done.any():
            return obs, {}, done
        final_obs = np.full(num_envs, None, dtype=object)
        for env in ended:
            final_obs[env] = last[env]
        infos = {
            "final_obs": final_obs,
            "_final_obs": done.copy(),
            "final_info": {},
            "_final_info": done.copy(),
        }
        return obs, infos, done

    return arguments


def _final_or_zero(obs, infos, done):
    none = [None] * len(obs)
    rows = [
        np.zeros_like(row) if last is None else last
        for row, last in zip(obs, infos.get("final_obs", none), strict=True)
    ]
    return np.stack(rows)


def _zero_where_done(obs, infos, done):
    next_obs = np.array(obs)
    next_obs[np.asarray(done)] = 0.0
    return next_obs


def _first_one_for_all(obs, infos, done):
    next_obs = np.array(obs)
    if np.any(done):
        next_obs[np.asarray(done)] = infos["final_obs"][np.asarray(done)][0]
    return next_obs


TRUE_NEXT_OBS = Exercise(
    name="true_next_obs",
    chapter=6,
    prompt="Find the true successors of a step in SAME_STEP mode.",
    hints=(
        "In this mode `obs` has already been reset where an episode ended. Gymnasium keeps the last observation in another place: which?",
        "infos['final_obs'] is an array of objects, one for each environment: an observation where `done` is true, None elsewhere. "
        "In a step without any ending the key is missing.",
        "Copy obs; then, for each environment with done, next_obs[i] = infos['final_obs'][i]. "
        "np.flatnonzero(done) lists them, and the loop does nothing when the list is empty.",
    ),
    cases=(
        Case(
            "nothing ends",
            "Without an ending the successor is what the policy sees next, and infos has no final_obs.",
            read=INFOS,
            arguments=same_step(3, []),
        ),
        Case(
            "one of three ends",
            "The successor of the environment that ended is in infos['final_obs'].",
            read=INFOS,
            arguments=same_step(3, [1]),
        ),
        Case(
            "two of four end",
            "Each environment has its own last observation.",
            read=INFOS,
            arguments=same_step(4, [0, 3]),
        ),
        Case(
            "all end, observations are pictures",
            "It works for every shape of observation.",
            read=INFOS,
            arguments=same_step(2, [0, 1], (2, 3)),
        ),
    ),
    reference=true_next_obs,
    oracle=successors_by_stacking,
    axes=("env", "component"),
    misconceptions=(
        Misconception(
            "observation after the reset",
            lambda obs, infos, done: np.array(obs),
            "This is `obs` as it came. Where an episode ended it is the first observation of the next episode, which the action did not "
            "lead to; the last one of the old episode is in infos['final_obs'].",
            read=INFOS,
        ),
        Misconception(
            "zeros where nothing ended",
            _final_or_zero,
            "infos['final_obs'] is used for everybody, with zeros for those that go on. For them it holds None, because `obs` is the "
            "successor already: replace the rows with `done` only.",
            read=INFOS,
        ),
        Misconception(
            "zeros where something ended",
            _zero_where_done,
            "The successor of an ended episode is set to zero. That is not the same as a value of zero: whether the value counts is "
            "decided later, by `terminated`. Here the observation itself is wanted.",
            read=INFOS,
        ),
        Misconception(
            "one last observation for all",
            _first_one_for_all,
            "Every environment that ended got the same last observation. infos['final_obs'][i] belongs to environment i.",
            read=INFOS,
        ),
    ),
    crash_help={
        "'final_obs'": "In a step without any ending infos has no final_obs: look at `done` first.",
        "'final_observation'": "final_observation is the key of Gymnasium before 1.0; since autoreset modes exist it is final_obs.",
        "'final_info'": "In a step without any ending infos has no final_info; and the observation is in final_obs.",
        "must have the same shape": "infos['final_obs'] holds None for environments that go on: use it only where `done` is true.",
        "NoneType": "infos['final_obs'] holds None for environments that go on: use it only where `done` is true.",
        "setting an array element with a sequence": "infos['final_obs'][done] is an array of objects, each an observation: "
        "np.stack(list(...)) makes one array of it.",
    },
    note="The policy goes on from obs, the critic values next_obs.",
)

# ---------------------------------------------------------------------------------------------------------------
# td_errors_with_endings(rewards, values, last_values, final_values, terminated, truncated, gamma) -> δ [T, N]


def td_errors_with_endings(rewards, values, last_values, final_values, terminated, truncated, gamma):
    """The reference: the value of the true successor of every row, and then one line."""
    import torch

    next_values = torch.cat([values[1:], last_values[None]])
    next_values = torch.where(terminated | truncated, final_values, next_values)
    return rewards + gamma * next_values * ~terminated - values


def td_errors_one_by_one(rewards, values, last_values, final_values, terminated, truncated, gamma):
    """The oracle: one row at a time, asking what came after it."""
    num_steps, num_envs = rewards.shape
    deltas = np.zeros((num_steps, num_envs))
    for env in range(num_envs):
        for t in range(num_steps):
            if terminated[t, env]:
                future = 0.0
            elif truncated[t, env]:
                future = float(final_values[t, env])
            elif t == num_steps - 1:
                future = float(last_values[env])
            else:
                future = float(values[t + 1, env])
            deltas[t, env] = float(rewards[t, env]) + gamma * future - float(values[t, env])
    return deltas


def stored(
    num_steps: int, num_envs: int, *, terminated: Sequence = (), truncated: Sequence = ()
) -> Callable[[], tuple]:
    """Arguments of td_errors_with_endings; final_values are an absurd 99 where nothing ended."""

    def arguments() -> tuple:
        import torch

        generator = torch.Generator().manual_seed(6)
        rewards, values, last = (torch.randn(num_steps, num_envs, generator=generator) for _ in range(3))
        last_values = torch.randn(num_envs, generator=generator)
        ended, stopped = (torch.zeros(num_steps, num_envs, dtype=torch.bool) for _ in range(2))
        for t, env in terminated:
            ended[t, env] = True
        for t, env in truncated:
            stopped[t, env] = True
        final_values = torch.where(ended | stopped, last, torch.full_like(last, 99.0))
        return rewards, values, last_values, final_values, ended, stopped, 0.9

    return arguments


def td_errors(
    *,
    stop: str = "terminated",
    final: str = "done",
    edge: str = "last",
    successor: str = "below",
) -> Callable[..., Any]:
    """td_errors_with_endings with one thing changed: what a misconception computes."""

    def wrong(rewards, values, last_values, final_values, terminated, truncated, gamma):
        rewards, values, last_values, final_values, terminated, truncated = map(
            np.asarray, (rewards, values, last_values, final_values, terminated, truncated)
        )
        done, none = terminated | truncated, np.zeros_like(terminated)
        last_row, edge_row = (
            none.copy(),
            {"last": last_values, "zero": 0 * last_values, "own": values[-1]}[edge],
        )
        last_row[-1] = True
        next_values = np.concatenate([values[1:], edge_row[None]]) if successor == "below" else values
        uses_final = {
            "done": done, "never": none, "always": ~none, "not at the edge": done & ~last_row,
        }[final]  # fmt: skip
        next_values = np.where(uses_final, final_values, next_values)
        stops = {
            "terminated": terminated, "done": done, "never": none, "unless truncated": terminated & ~truncated,
        }[stop]  # fmt: skip
        return rewards + gamma * next_values * ~stops - values

    return wrong


TD_ERRORS = Exercise(
    name="td_errors_with_endings",
    chapter=6,
    prompt="Compute the TD errors of a rollout in which the values of the last observations are stored apart.",
    hints=(
        "First find, for every row, the value of the observation that its action led to. There are three places where it can be: "
        "in the row below, in last_values, in final_values.",
        "The row below, values[t + 1], is right as long as the episode goes on. In the last row it is last_values. "
        "Where an episode ended, in any row, it is final_values[t]. Only after that ask where the value counts at all.",
        "In three lines:\n"
        "    next_values = torch.cat([values[1:], last_values[None]])\n"
        "    next_values = torch.where(terminated | truncated, final_values, next_values)\n"
        "    return rewards + gamma * next_values * ~terminated - values",
    ),
    cases=(
        Case(
            "several rows, nothing ends",
            "Within an episode the successor's value stands in the row below; the last row has none below it, and takes last_values.",
            read=PAPER,
            arguments=stored(4, 2),
        ),
        Case(
            "one row, nothing ends",
            "The rollout was cut here: the successor's value is last_values.",
            read=CUT,
            arguments=stored(1, 2),
        ),
        Case(
            "a termination",
            "After a termination nothing follows: no value of a successor.",
            read=SUCCESSOR,
            arguments=stored(5, 2, terminated=[(2, 0)]),
        ),
        Case(
            "a truncation",
            "After a truncation the task goes on without us: the value of the last observation, final_values[t].",
            read=SUCCESSOR,
            arguments=stored(5, 2, truncated=[(2, 1)]),
        ),
        Case(
            "death at the time limit",
            "Where both flags are set the task ended: terminated decides.",
            read=DEATH,
            arguments=stored(5, 2, terminated=[(3, 0)], truncated=[(3, 0)]),
        ),
        Case(
            "an ending in the last row",
            "In the last row too an ending decides: last_values belong to the next episode then.",
            read=CUT,
            arguments=stored(4, 3, terminated=[(3, 0)], truncated=[(3, 1)]),
        ),
        Case(
            "everything together",
            "Every ending is treated in its own row.",
            read=PAPER,
            arguments=stored(
                9,
                3,
                terminated=[(1, 0), (5, 1), (8, 2)],
                truncated=[(4, 0), (5, 1), (2, 2), (8, 0)],
            ),
        ),
    ),
    reference=td_errors_with_endings,
    oracle=td_errors_one_by_one,
    misconceptions=(
        Misconception(
            "their code",
            td_errors(stop="done", edge="zero"),
            "Both mistakes are still in it. A truncation loses the value of its last observation, though the task goes on; and so does the "
            "last row of the rollout, where nothing ended at all.",
            read=CUT,
        ),
        Misconception(
            "truncation as terminal",
            td_errors(stop="done"),
            "A truncation is treated as the end of the task: its δ lost the value of the last observation. We only stopped watching, "
            "so γ V stays; only `terminated` removes it.",
            read=SUCCESSOR,
        ),
        Misconception(
            "truncation ignored",
            td_errors(final="never"),
            "Where an episode was truncated, values[t + 1] is the value of the next episode's first observation. The action did not lead "
            "there: use final_values[t].",
            read=SUCCESSOR,
        ),
        Misconception(
            "terminal value kept",
            td_errors(stop="never"),
            "A terminated episode has no future, but δ still counts a value behind it. Drop γ V where `terminated` is true.",
            read=SUCCESSOR,
        ),
        Misconception(
            "death at the limit bootstrapped",
            td_errors(stop="unless truncated"),
            "In one row both flags are set, and δ counts a future. The task ended there, and that the clock ran out in the same step "
            "changes nothing: look at `terminated` alone.",
            read=DEATH,
        ),
        Misconception(
            "no bootstrap at the cut",
            td_errors(edge="zero"),
            "The last row has no future in this answer. The rollout is cut there, but nothing ended: its successor's value is last_values.",
            read=CUT,
        ),
        Misconception(
            "the last row's own value",
            td_errors(edge="own"),
            "The last row bootstraps from its own observation, values[T - 1]. What follows it is valued by last_values.",
            read=CUT,
        ),
        Misconception(
            "final values everywhere",
            td_errors(final="always"),
            "final_values are used in every row. They mean something only where an episode ended; elsewhere the successor is the row below.",
            read=PAPER,
        ),
        Misconception(
            "ending in the last row overlooked",
            td_errors(final="not at the edge"),
            "In the last row last_values are used although an episode was truncated there. They belong to the first observation of the next "
            "episode: an ending in the last row counts as in any other.",
            read=CUT,
        ),
        Misconception(
            "no discount",
            lambda rewards, values, last_values, final_values, terminated, truncated, gamma: td_errors()(
                rewards, values, last_values, final_values, terminated, truncated, 1.0
            ),
            "γ is missing: the successor lies one step later, so its value is discounted once.",
            read=SUCCESSOR,
        ),
        Misconception(
            "bootstrap from the same state",
            td_errors(successor="own", edge="last"),
            "δ bootstraps from the observation it starts in, values[t]. The successor's value stands in the row below, values[t + 1].",
            read=PAPER,
        ),
    ),
    crash_help={
        "bool tensor": "torch does not subtract from a bool: write ~terminated, or convert first with .float().",
        "out of bounds": "values has T rows, so values[t + 1] does not exist for the last one: its successor's value is last_values.",
        "must match the size": "values[1:] has one row less than rewards: put last_values[None] below it with torch.cat.",
        "same number of dimensions": "last_values is [N] and a row of values is [1, N]: write last_values[None].",
    },
    note="Three places for a successor, one line for all.",
)

# ---------------------------------------------------------------------------------------------------------------
# bootstrapped_rewards(rewards, final_values, terminated, truncated, gamma) -> rewards [T, N]


def bootstrapped_rewards(rewards, final_values, terminated, truncated, gamma):
    """The reference: γ V(last observation) joins the reward where an episode was truncated and the task had not ended."""
    return rewards + gamma * final_values * (truncated & ~terminated)


def bootstrapped_one_by_one(rewards, final_values, terminated, truncated, gamma):
    """The oracle: the amounts by which δ falls short if a truncation is taken for an end, added one at a time."""
    changed = np.asarray(rewards).astype(np.float64)  # a copy
    for t in range(changed.shape[0]):
        for env in range(changed.shape[1]):
            if truncated[t, env]:
                changed[t, env] += 0.0 if terminated[t, env] else gamma * float(final_values[t, env])
    return changed


def rewards_and_flags(*arguments: Any, **flags: Sequence) -> Callable[[], tuple]:
    """Arguments of bootstrapped_rewards."""

    def picked() -> tuple:
        rewards, _, _, final_values, terminated, truncated, gamma = stored(*arguments, **flags)()
        return rewards, final_values, terminated, truncated, gamma

    return picked


def _added_where(which: str, factor: str = "gamma") -> Callable[..., Any]:
    def wrong(rewards, final_values, terminated, truncated, gamma):
        rewards, final_values, terminated, truncated = map(
            np.asarray, (rewards, final_values, terminated, truncated)
        )
        where = {
            "right": truncated & ~terminated,
            "done": terminated | truncated,
            "truncated": truncated,
            "terminated": terminated,
            "everywhere": np.ones_like(truncated),
        }[which]
        return rewards + (gamma if factor == "gamma" else 1.0) * final_values * where

    return wrong


def _instead(rewards, final_values, terminated, truncated, gamma):
    rewards, final_values = np.asarray(rewards), np.asarray(final_values)
    return np.where(np.asarray(truncated) & ~np.asarray(terminated), gamma * final_values, rewards)


BOOTSTRAPPED_REWARDS = Exercise(
    name="bootstrapped_rewards",
    chapter=6,
    prompt="Move the value of the last observation into the reward, so that a truncation may be treated as an end.",
    hints=(
        "The code that follows will drop γ V behind every ending, also where it should have stayed. In which rows must you hand it in beforehand?",
        "In the rows that were truncated and did not terminate. What was dropped is gamma * final_values.",
        "rewards + gamma * final_values * (truncated & ~terminated), as a new tensor: the rewards themselves stay as they are.",
    ),
    cases=(
        Case(
            "nothing ends",
            "Without an ending the rewards stay as they are.",
            read=IN_REWARD,
            arguments=rewards_and_flags(3, 2),
        ),
        Case(
            "a truncation",
            "γ V of the last observation is added in the row of the truncation.",
            read=IN_REWARD,
            arguments=rewards_and_flags(4, 2, truncated=[(2, 0)]),
        ),
        Case(
            "a termination",
            "After a termination there is nothing to add.",
            read=IN_REWARD,
            arguments=rewards_and_flags(4, 2, terminated=[(1, 1)]),
        ),
        Case(
            "death at the time limit",
            "Where both flags are set the task ended: nothing is added.",
            read=DEATH,
            arguments=rewards_and_flags(4, 2, terminated=[(3, 1)], truncated=[(3, 1), (0, 0)]),
        ),
    ),
    reference=bootstrapped_rewards,
    oracle=bootstrapped_one_by_one,
    misconceptions=(
        Misconception(
            "at every ending",
            _added_where("done"),
            "The value is added at every ending. Behind a termination nothing follows: add it where the episode was truncated, and not terminated.",
            read=IN_REWARD,
        ),
        Misconception(
            "at terminations",
            _added_where("terminated"),
            "The value is added at the terminations, where nothing follows. It belongs to the truncations, where the task goes on.",
            read=IN_REWARD,
        ),
        Misconception(
            "death at the limit",
            _added_where("truncated"),
            "In one row both flags are set, and a value is added. The task ended there: add it where truncated and not terminated.",
            read=DEATH,
        ),
        Misconception(
            "no discount",
            _added_where("right", "one"),
            "γ is missing: the last observation lies one step after the reward, so its value is discounted once.",
            read=IN_REWARD,
        ),
        Misconception(
            "everywhere",
            _added_where("everywhere"),
            "final_values are added in every row. They mean something only where an episode ended.",
            read=IN_REWARD,
        ),
        Misconception(
            "instead of the reward",
            _instead,
            "The value has taken the place of the reward. The last step was paid too: add, do not replace.",
            read=IN_REWARD,
        ),
    ),
    crash_help={
        "bool tensor": "torch does not subtract from a bool: write ~terminated, or convert first with .float().",
    },
    note="Right, as long as nobody else reads these rewards.",
)

EXERCISES = (VALID_ROWS, TRUE_NEXT_OBS, TD_ERRORS, BOOTSTRAPPED_REWARDS)
