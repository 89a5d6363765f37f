"""Wrong and right answers to the exercises of chapter 06; the names are those of the mistakes."""

from __future__ import annotations

import numpy as np
import torch


# --- valid_rows --------------------------------------------------------------------------------------------------
def not_the_ending(terminated, truncated, done_before):
    return ~(terminated | truncated)


def neither_of_both(terminated, truncated, done_before):
    done = terminated | truncated
    return ~(done | np.concatenate([done_before[None], done[:-1]]))


def row_before(terminated, truncated, done_before):
    done = terminated | truncated
    return ~np.concatenate([done[1:], np.zeros_like(done[:1])])


def first_row_always(terminated, truncated, done_before):
    """Bug B3 in the first row: the reset row of the rollout before is kept."""
    valid = np.ones_like(terminated)
    valid[1:] = ~(terminated | truncated)[:-1]
    return valid


def rolled(terminated, truncated, done_before):
    return ~np.roll(terminated | truncated, 1, axis=0)


def only_truncations(terminated, truncated, done_before):
    return ~np.concatenate([done_before[None], truncated[:-1]])


def only_terminations(terminated, truncated, done_before):
    return ~np.concatenate([done_before[None], terminated[:-1]])


def reset_rows(terminated, truncated, done_before):
    return np.concatenate([done_before[None], (terminated | truncated)[:-1]])


def one_axis_forgotten(terminated, truncated, done_before):
    return ~np.concatenate([done_before, (terminated | truncated)[:-1]])


def with_torch(terminated, truncated, done_before):
    return ~torch.cat([done_before[None], (terminated | truncated)[:-1]])


def all_rows(terminated, truncated, done_before):
    """Bug B3: everything that came is kept as data."""
    return np.ones_like(terminated)


def valid_in_a_loop(terminated, truncated, done_before):
    """Right: a loop, and plain Python lists."""
    rows, before = [], list(done_before)
    for ended, stopped in zip(terminated, truncated, strict=True):
        rows.append([not b for b in before])
        before = [bool(e) or bool(s) for e, s in zip(ended, stopped, strict=True)]
    return rows


def valid_by_torch(terminated, truncated, done_before):
    """Right: in torch, with the Boolean algebra the other way round."""
    goes_on = ~torch.as_tensor(terminated) & ~torch.as_tensor(truncated)
    return torch.vstack([~torch.as_tensor(done_before), goes_on[:-1]])


# --- true_next_obs -----------------------------------------------------------------------------------------------
def as_it_came(obs, infos, done):
    """Bug B1: the observation after the reset."""
    return obs


def without_looking(obs, infos, done):
    next_obs = obs.copy()
    next_obs[done] = np.stack([last for last in infos["final_obs"] if last is not None])
    return next_obs


def old_key(obs, infos, done):
    """Bug B4: a key of another version."""
    next_obs = obs.copy()
    for i in np.flatnonzero(done):
        next_obs[i] = infos["final_observation"][i]
    return next_obs


def old_key_guarded(obs, infos, done):
    """Bug B4 as it stays unnoticed: the key is asked for, and is never there."""
    next_obs = obs.copy()
    if "final_observation" in infos:
        next_obs[done] = np.stack(list(infos["final_observation"][done]))
    return next_obs


def missing_name(obs, infos, done):
    return np.where(done[:, None], final_obs, obs)  # noqa: F821


def in_place(obs, infos, done):
    for i in np.flatnonzero(done):
        obs[i] = infos["final_obs"][i]
    return obs


def zeros_for_others(obs, infos, done):
    if not done.any():
        return np.zeros_like(obs)
    return np.stack([np.zeros_like(obs[0]) if last is None else last for last in infos["final_obs"]])


def zeros_at_the_end(obs, infos, done):
    return obs * ~done.reshape(-1, *[1] * (obs.ndim - 1))


def only_the_first(obs, infos, done):
    next_obs = obs.copy()
    for i in np.flatnonzero(done):
        next_obs[i] = infos["final_obs"][np.flatnonzero(done)[0]]
    return next_obs


def objects_assigned(obs, infos, done):
    next_obs = obs.copy()
    if done.any():
        next_obs[done] = infos["final_obs"][done]
    return next_obs


def stacked_with_none(obs, infos, done):
    if not done.any():
        return obs.copy()
    return np.where(done.reshape(-1, *[1] * (obs.ndim - 1)), np.stack(list(infos["final_obs"])), obs) * 1.0


def by_the_mask_of_infos(obs, infos, done):
    """Right: Gymnasium's own mask."""
    next_obs = obs.copy()
    if "_final_obs" in infos:
        mask = infos["_final_obs"]
        next_obs[mask] = np.stack(list(infos["final_obs"][mask]))
    return next_obs


def by_none(obs, infos, done):
    """Right: an observation that is None is no observation."""
    last = infos.get("final_obs", [None] * len(obs))
    return [now if then is None else then for now, then in zip(obs, last, strict=True)]


# --- td_errors_with_endings --------------------------------------------------------------------------------------
def successors(values, last_values, final_values, done):
    return torch.where(done, final_values, torch.cat([values[1:], last_values[None]]))


def time_limit_is_death(rewards, values, last_values, final_values, terminated, truncated, gamma):
    """Bug B2."""
    done = terminated | truncated
    return rewards + gamma * torch.cat([values[1:], last_values[None]]) * ~done - values


def their_code(rewards, values, last_values, final_values, terminated, truncated, gamma):
    """The lines of the exercise, as they stand."""
    next_values = torch.cat([values[1:], torch.zeros_like(values[:1])])
    return rewards + gamma * next_values * ~(terminated | truncated) - values


def next_episodes_value(rewards, values, last_values, final_values, terminated, truncated, gamma):
    """Bug B1."""
    return rewards + gamma * torch.cat([values[1:], last_values[None]]) * ~terminated - values


def no_end_at_all(rewards, values, last_values, final_values, terminated, truncated, gamma):
    done = terminated | truncated
    return rewards + gamma * successors(values, last_values, final_values, done) - values


def timeout_wins(rewards, values, last_values, final_values, terminated, truncated, gamma):
    """Bug B22: a death on the last step is taken for a time-out."""
    ended = terminated & ~truncated
    done = terminated | truncated
    return rewards + gamma * successors(values, last_values, final_values, done) * ~ended - values


def nothing_behind_the_cut(rewards, values, last_values, final_values, terminated, truncated, gamma):
    """Bug B5."""
    return td_right(
        rewards, values, torch.zeros_like(last_values), final_values, terminated, truncated, gamma
    )


def own_value_at_the_cut(rewards, values, last_values, final_values, terminated, truncated, gamma):
    return td_right(rewards, values, values[-1], final_values, terminated, truncated, gamma)


def final_for_all(rewards, values, last_values, final_values, terminated, truncated, gamma):
    return rewards + gamma * final_values * ~terminated - values


def edge_first(rewards, values, last_values, final_values, terminated, truncated, gamma):
    next_values = torch.cat(
        [torch.where((terminated | truncated)[:-1], final_values[:-1], values[1:]), last_values[None]]
    )
    return rewards + gamma * next_values * ~terminated - values


def own_value(rewards, values, last_values, final_values, terminated, truncated, gamma):
    next_values = torch.where(terminated | truncated, final_values, values)
    return rewards + gamma * next_values * ~terminated - values


def row_too_many(rewards, values, last_values, final_values, terminated, truncated, gamma):
    deltas = torch.zeros_like(rewards)
    for t in range(len(rewards)):
        deltas[t] = rewards[t] + gamma * values[t + 1] * ~terminated[t] - values[t]
    return deltas


def row_missing(rewards, values, last_values, final_values, terminated, truncated, gamma):
    return rewards + gamma * values[1:] * ~terminated - values


def flags_subtracted(rewards, values, last_values, final_values, terminated, truncated, gamma):
    return rewards + gamma * final_values * (1 - terminated) - values


def undiscounted(rewards, values, last_values, final_values, terminated, truncated, gamma):
    return td_right(rewards, values, last_values, final_values, terminated, truncated, 1.0)


def td_right(rewards, values, last_values, final_values, terminated, truncated, gamma):
    """Right: from the last row backwards, carrying the successor's value."""
    deltas, following = torch.zeros_like(rewards), last_values
    for t in reversed(range(len(rewards))):
        following = torch.where(truncated[t], final_values[t], following)
        following = following.masked_fill(terminated[t], 0.0)
        deltas[t] = rewards[t] + gamma * following - values[t]
        following = values[t]
    return deltas


def td_by_package(rewards, values, last_values, final_values, terminated, truncated, gamma):
    """Right: GAE with λ = 0."""
    from ppo_core import compute_gae

    next_values = successors(values, last_values, final_values, terminated | truncated)
    return compute_gae(rewards, values, next_values, terminated, truncated, gamma, 0.0).advantages


def td_by_bootstrapped_rewards(rewards, values, last_values, final_values, terminated, truncated, gamma):
    """Right, by another way: the value of the last observation moves into the reward."""
    paid = rewards + gamma * final_values * (truncated & ~terminated)
    return time_limit_is_death(paid, values, last_values, final_values, terminated, truncated, gamma)


# --- bootstrapped_rewards ----------------------------------------------------------------------------------------
def paid_by_indices(rewards, final_values, terminated, truncated, gamma):
    """Right: on a copy, one place after the other."""
    paid = rewards.clone()
    for t, env in (truncated & ~terminated).nonzero().tolist():
        paid[t, env] += gamma * final_values[t, env]
    return paid


def paid_in_place(rewards, final_values, terminated, truncated, gamma):
    rewards += gamma * final_values * (truncated & ~terminated)
    return rewards


WRONG = {
    "valid_rows": {
        "the ending row": (not_the_ending, "throws away the row that ended the episode"),
        "both rows": (neither_of_both, "throws away two rows for each ending"),
        "the row before": (row_before, "shifted the wrong way"),
        "first row always valid": (first_row_always, "Row 0 is taken for granted"),
        "np.roll": (rolled, "as np.roll does"),
        "truncations only": (only_truncations, "Only truncations are looked at"),
        "terminations only": (only_terminations, "Only terminations are looked at"),
        "inverted": (reset_rows, "The mask is inverted"),
        "axis forgotten": (one_axis_forgotten, "write done_before[None]"),
        "with torch": (with_torch, "The flags are NumPy arrays here"),
        "every row kept": (all_rows, "The row after the truncation is the reset"),
    },
    "true_next_obs": {
        "as it came": (as_it_came, "first observation of the next episode"),
        "infos without the key": (without_looking, "look at `done` first"),
        "old key": (old_key, "key of Gymnasium before 1.0"),
        "old key, guarded": (old_key_guarded, "first observation of the next episode"),
        "in place": (in_place, "changed one of its arguments in place"),
        "missing name": (missing_name, "is not defined. The arguments are called obs, infos, done."),
        "zeros for the others": (zeros_for_others, "with zeros for those that go on"),
        "zeros at the end": (zeros_at_the_end, "not the same as a value of zero"),
        "only the first": (only_the_first, "Every environment that ended got the same"),
        "array of objects": (objects_assigned, "np.stack(list(...))"),
        "stacked with None": (stacked_with_none, "use it only where `done` is true"),
    },
    "td_errors_with_endings": {
        "their code": (their_code, "Both mistakes are still in it"),
        "truncation as terminal": (time_limit_is_death, "treated as the end of the task"),
        "truncation ignored": (next_episodes_value, "the next episode's first observation"),
        "terminal value kept": (no_end_at_all, "A terminated episode has no future"),
        "death at the limit": (timeout_wins, "look at `terminated` alone"),
        "no bootstrap at the cut": (nothing_behind_the_cut, "The rollout is cut there, but nothing ended"),
        "own value at the cut": (own_value_at_the_cut, "bootstraps from its own observation"),
        "final values everywhere": (final_for_all, "final_values are used in every row"),
        "edge before ending": (edge_first, "an ending in the last row counts as in any other"),
        "own value": (own_value, "the observation it starts in, values[t]"),
        "index out of range": (row_too_many, "its successor's value is last_values"),
        "one row less": (row_missing, "has one row less"),
        "1 - bool": (flags_subtracted, "write ~terminated"),
        "no discount": (undiscounted, "its value is discounted once"),
    },
    "bootstrapped_rewards": {
        "at every ending": (lambda r, f, te, tr, g: r + g * f * (te | tr), "added at every ending"),
        "at terminations": (lambda r, f, te, tr, g: r + g * f * te, "belongs to the truncations"),
        "death at the limit": (lambda r, f, te, tr, g: r + g * f * tr, "In one row both flags are set"),
        "no discount": (lambda r, f, te, tr, g: r + f * (tr & ~te), "its value is discounted once"),
        "everywhere": (lambda r, f, te, tr, g: r + g * f, "added in every row"),
        "instead": (lambda r, f, te, tr, g: torch.where(tr & ~te, g * f, r), "taken the place of the reward"),
        "in place": (paid_in_place, "changed one of its arguments in place"),
        "nothing added": (lambda r, f, te, tr, g: r.clone(), "γ V of the last observation is added"),
    },
}

RIGHT = {
    "valid_rows": [valid_in_a_loop, valid_by_torch],
    "true_next_obs": [by_the_mask_of_infos, by_none],
    "td_errors_with_endings": [td_right, td_by_package, td_by_bootstrapped_rewards],
    "bootstrapped_rewards": [paid_by_indices],
}
