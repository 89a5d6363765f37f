"""Answers to the exercises of chapter 05, as readers write them: each wrong one with what its message must say.

WRONG: exercise -> {name of the mistake: (the answer, a phrase of the message)}; RIGHT: exercise -> other right answers.
"""

import numpy as np
import torch


# --- gae_loop ----------------------------------------------------------------------------------------------------
def truncation_as_terminal(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """Bug B2: `done` where `terminated` belongs, as in many published PPO files."""
    advantages, last = torch.zeros_like(rewards), 0.0
    for t in range(len(rewards) - 1, -1, -1):
        nonterminal = 1.0 - (terminated[t] | truncated[t]).float()
        delta = rewards[t] + gamma * next_values[t] * nonterminal - values[t]
        advantages[t] = last = delta + gamma * gae_lambda * nonterminal * last
    return advantages


def leak_across_truncation(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """Bug B1: only `terminated` cuts."""
    advantages, last = torch.zeros_like(rewards), 0.0
    for t in range(len(rewards) - 1, -1, -1):
        nonterminal = 1.0 - terminated[t].float()
        delta = rewards[t] + gamma * next_values[t] * nonterminal - values[t]
        advantages[t] = last = delta + gamma * gae_lambda * nonterminal * last
    return advantages


def no_endings(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """Bug B10: no flag anywhere."""
    advantages, last = torch.zeros_like(rewards), 0.0
    for t in range(len(rewards) - 1, -1, -1):
        last = rewards[t] + gamma * next_values[t] - values[t] + gamma * gae_lambda * last
        advantages[t] = last
    return advantages


def leak_across_every_ending(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    deltas = rewards + gamma * next_values * ~terminated - values
    advantages = deltas.clone()
    for t in range(len(rewards) - 2, -1, -1):
        advantages[t] += gamma * gae_lambda * advantages[t + 1]
    return advantages


def terminal_value_kept(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    deltas = rewards + gamma * next_values - values
    advantages = deltas.clone()
    for t in range(len(rewards) - 2, -1, -1):
        advantages[t] += gamma * gae_lambda * ~(terminated | truncated)[t] * advantages[t + 1]
    return advantages


def flags_one_step_late(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """Bug B8: the flag of the step before."""
    before = torch.zeros_like(terminated[:1])
    return right_with_clones(
        rewards,
        values,
        next_values,
        torch.cat([before, terminated[:-1]]),
        torch.cat([before, truncated[:-1]]),
        gamma,
        gae_lambda,
    )


def flags_one_step_early(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """Bug B8, the other way: done[t + 1], with nothing known after the last row."""
    advantages, last = torch.zeros_like(rewards), torch.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards))):
        ended = terminated[t + 1] if t + 1 < len(rewards) else torch.zeros_like(terminated[0])
        done = ended | truncated[t + 1] if t + 1 < len(rewards) else ended
        last = rewards[t] + gamma * next_values[t] * ~ended - values[t] + gamma * gae_lambda * ~done * last
        advantages[t] = last
    return advantages


def recursion_without_gamma(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    advantages, last = torch.zeros_like(rewards), torch.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * next_values[t] * ~terminated[t] - values[t]
        last = delta + gae_lambda * ~(terminated | truncated)[t] * last
        advantages[t] = last
    return advantages


def recursion_without_lambda(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    return right_with_clones(rewards, values, next_values, terminated, truncated, gamma, 1.0)


def last_row_zero(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """Bug B16: the loop stops at T - 1, as in Gymnasium's A2C tutorial."""
    advantages, last = torch.zeros_like(rewards), torch.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards) - 1)):
        delta = rewards[t] + gamma * next_values[t] * ~terminated[t] - values[t]
        last = delta + gamma * gae_lambda * ~(terminated | truncated)[t] * last
        advantages[t] = last
    return advantages


def bootstrap_from_same_state(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    return right_with_clones(rewards, values, values, terminated, truncated, gamma, gae_lambda)


def bootstrap_from_following_row(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """Bug B1: values[t + 1] is the value of another episode's first observation where this one was truncated."""
    following = torch.cat([values[1:], next_values[-1:]])
    return right_with_clones(rewards, values, following, terminated, truncated, gamma, gae_lambda)


def forward_in_time(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    advantages, last = torch.zeros_like(rewards), torch.zeros(rewards.shape[1])
    for t in range(len(rewards)):
        delta = rewards[t] + gamma * next_values[t] * ~terminated[t] - values[t]
        last = delta + gamma * gae_lambda * ~(terminated | truncated)[t] * last
        advantages[t] = last
    return advantages


def returns_instead(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    return right_with_clones(rewards, values, next_values, terminated, truncated, gamma, gae_lambda) + values


def range_too_long(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    advantages = torch.zeros_like(rewards)
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * values[t + 1] * ~terminated[t] - values[t]
        advantages[t] = delta
    return advantages


def minus_a_bool(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    return rewards + gamma * next_values * (1 - terminated) - values


def one_if_for_all(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    last, advantages = 0.0, torch.zeros_like(rewards)
    for t in reversed(range(len(rewards))):
        last = 0.0 if terminated[t] else gamma * gae_lambda * last
        advantages[t] = rewards[t] + gamma * next_values[t] - values[t] + last
    return advantages


def sum_over_environments(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    return right_with_clones(rewards, values, next_values, terminated, truncated, gamma, gae_lambda).sum(1)


def return_forgotten(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    right_with_clones(rewards, values, next_values, terminated, truncated, gamma, gae_lambda)


def rewards_changed(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """What SB3 does to its own buffer: the reward of a truncated step takes in the bootstrap."""
    rewards += gamma * next_values * truncated
    return right_with_clones(rewards, values, next_values, terminated, truncated, gamma, gae_lambda)


def only_td_errors(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    return rewards + gamma * next_values * ~terminated - values


def sign_of_v(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    return right_with_clones(rewards, -values, next_values, terminated, truncated, gamma, gae_lambda)


def right_with_clones(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """From the TD errors upwards, in place on a copy of its own."""
    advantages = (rewards + gamma * next_values * (~terminated).float() - values).clone()
    for t in range(len(rewards) - 2, -1, -1):
        advantages[t] += gamma * gae_lambda * (~(terminated[t] | truncated[t])).float() * advantages[t + 1]
    return advantages


def right_in_numpy(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """NumPy, one environment at a time, with `if`."""
    rewards, values, next_values = rewards.numpy(), values.numpy(), next_values.numpy()
    advantages = np.zeros_like(rewards)
    for env in range(rewards.shape[1]):
        running = 0.0
        for t in range(len(rewards) - 1, -1, -1):
            running *= 0.0 if terminated[t, env] or truncated[t, env] else gamma * gae_lambda
            future = 0.0 if terminated[t, env] else gamma * next_values[t, env]
            running += rewards[t, env] + future - values[t, env]
            advantages[t, env] = running
    return advantages


def right_by_lambda_returns(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """Through the λ-return: G_t = r_t + γ ((1 - λ) V(next) + λ G_{t+1}), and A = G - V."""
    returns, following = torch.zeros_like(rewards), None
    for t in reversed(range(len(rewards))):
        done = terminated[t] | truncated[t]
        ahead = next_values[t] if following is None else torch.where(done, next_values[t], following)
        mixed = (1 - gae_lambda) * next_values[t] + gae_lambda * ahead
        following = returns[t] = rewards[t] + gamma * mixed * ~terminated[t]
    return returns - values


# --- gae_weights -------------------------------------------------------------------------------------------------
def all_pairs(done, gamma, gae_lambda):
    steps = torch.arange(len(done))
    return torch.triu((gamma * gae_lambda) ** (steps[None, :] - steps[:, None]).clamp(min=0).float())


def mask_of(done):
    episode = torch.cumsum(done.long(), 0) - done.long()
    return episode[None, :] == episode[:, None]


def cumsum_without_minus(done, gamma, gae_lambda):
    """The ending step gets the number of the next episode."""
    episode = torch.cumsum(done.long(), 0)
    return all_pairs(done, gamma, gae_lambda) * (episode[None, :] == episode[:, None])


def cut_before_the_ending(done, gamma, gae_lambda):
    weights = torch.zeros(len(done), len(done))
    for t in range(len(done)):
        for k in range(t, len(done)):
            if done[k]:
                break
            weights[t, k] = (gamma * gae_lambda) ** (k - t)
    return weights


def one_step_of_the_next(done, gamma, gae_lambda):
    weights = torch.zeros(len(done), len(done))
    for t in range(len(done)):
        for k in range(t, len(done)):
            weights[t, k] = (gamma * gae_lambda) ** (k - t)
            if k > t and done[k - 1]:
                break
    return weights


def exponent_one_too_large(done, gamma, gae_lambda):
    return all_pairs(done, gamma, gae_lambda) * mask_of(done) * gamma * gae_lambda


def transposed(done, gamma, gae_lambda):
    return (all_pairs(done, gamma, gae_lambda) * mask_of(done)).T


def gamma_alone(done, gamma, gae_lambda):
    return all_pairs(done, gamma, 1.0) * mask_of(done)


def averaged(done, gamma, gae_lambda):
    return all_pairs(done, gamma, gae_lambda) * mask_of(done) * (1 - gae_lambda)


def both_sides(done, gamma, gae_lambda):
    steps = np.arange(len(done))
    return (gamma * gae_lambda) ** np.abs(steps[None, :] - steps[:, None]) * mask_of(done).numpy()


def weights_by_products(done, gamma, gae_lambda):
    """Right: multiply up γλ (1 - done) along each row."""
    decay = gamma * gae_lambda * (~done).double()
    rows = []
    for t in range(len(done)):
        tail = torch.cumprod(torch.cat([torch.ones(1, dtype=torch.float64), decay[t:-1]]), 0)
        rows.append(torch.cat([torch.zeros(t, dtype=torch.float64), tail]))
    return torch.stack(rows)


def weights_by_inverse(done, gamma, gae_lambda):
    """Right: A = δ + N A, so W = (I - N)⁻¹ with N one step."""
    step = np.diag(gamma * gae_lambda * (~done[:-1]).double().numpy(), k=1)
    return np.linalg.inv(np.eye(len(done)) - step)


# --- lambda_returns ----------------------------------------------------------------------------------------------
def returns_by_n_steps(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    """Right: one row at a time, with `if`, in plain Python numbers."""
    T, N = rewards.shape
    returns = [[0.0] * N for _ in range(T)]
    for env in range(N):
        for t in range(T - 1, -1, -1):
            guess = float(next_values[t, env])
            if terminated[t, env]:
                guess = 0.0
            elif not truncated[t, env] and t < T - 1:
                guess += gae_lambda * (returns[t + 1][env] - guess)
            returns[t][env] = float(rewards[t, env]) + gamma * guess
    return returns


def returns_by_advantages(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    """Right: any V(o_t) will do, because it cancels; within an episode it is the row before's successor."""
    values = torch.cat([torch.zeros_like(next_values[:1]), next_values[:-1]])
    return right_with_clones(rewards, values, next_values, terminated, truncated, gamma, gae_lambda) + values


def returns_exchanged(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    return returns_by_advantages(rewards, next_values, terminated, truncated, gamma, 1 - gae_lambda)


def returns_second_discount(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    returns, later = torch.zeros_like(rewards), next_values[-1]
    for t in reversed(range(len(rewards))):
        later = torch.where(truncated[t], next_values[t], later)
        returns[t] = later = rewards[t] + gamma * gae_lambda * ~terminated[t] * later
    return returns


def returns_without_lambda(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    return returns_by_advantages(rewards, next_values, terminated, truncated, gamma, 1.0)


def returns_one_step(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    return rewards + gamma * next_values * ~terminated


def returns_from_zero(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    """Bug B5: the recursion starts as if the task ended with the rollout."""
    returns, later = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        later = torch.where(truncated[t], next_values[t], later)
        mixed = (1 - gae_lambda) * next_values[t] + gae_lambda * later
        returns[t] = later = rewards[t] + gamma * ~terminated[t] * mixed
    return returns


def returns_share_lost(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    returns, later = torch.zeros_like(rewards), next_values[-1]
    for t in reversed(range(len(rewards))):
        mixed = (1 - gae_lambda) * next_values[t] + gae_lambda * later * ~truncated[t]
        returns[t] = later = rewards[t] + gamma * ~terminated[t] * mixed
    return returns


def returns_truncation_as_terminal(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    """Bug B2."""
    done = terminated | truncated
    return returns_by_advantages(rewards, next_values, done, truncated, gamma, gae_lambda)


def returns_leak(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    """Bug B1: the next episode's target where an episode was truncated."""
    returns, later = torch.zeros_like(rewards), next_values[-1]
    for t in reversed(range(len(rewards))):
        mixed = (1 - gae_lambda) * next_values[t] + gae_lambda * later
        returns[t] = later = rewards[t] + gamma * ~terminated[t] * mixed
    return returns


def returns_never_terminated(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    never = torch.zeros_like(terminated)
    return lambda_returns_right(rewards, next_values, never, truncated, gamma, gae_lambda)


def returns_late_flags(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    """Bug B8."""
    before = torch.zeros_like(terminated[:1])
    late = (torch.cat([before, flags[:-1]]) for flags in (terminated, truncated))
    return lambda_returns_right(rewards, next_values, *late, gamma, gae_lambda)


def lambda_returns_right(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    returns, later = torch.zeros_like(rewards), next_values[-1]
    for t in reversed(range(len(rewards))):
        later = torch.where(truncated[t], next_values[t], later)
        mixed = (1 - gae_lambda) * next_values[t] + gae_lambda * later
        returns[t] = later = rewards[t] + gamma * ~terminated[t] * mixed
    return returns


def returns_without_gamma(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    return lambda_returns_right(rewards, next_values, terminated, truncated, 1.0, gae_lambda)


def returns_gamma_on_critic(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    returns, later = torch.zeros_like(rewards), next_values[-1]
    for t in reversed(range(len(rewards))):
        later = torch.where(truncated[t], next_values[t], later)
        mixed = gamma * (1 - gae_lambda) * next_values[t] + gae_lambda * later
        returns[t] = later = rewards[t] + ~terminated[t] * mixed
    return returns


def returns_next_row(rewards, next_values, terminated, truncated, gamma, gae_lambda):
    returns = torch.zeros_like(rewards)
    for t in reversed(range(len(rewards))):
        returns[t] = rewards[t] + gamma * returns[t + 1]
    return returns


# --- gae_join ----------------------------------------------------------------------------------------------------
def nothing_lost(first, first_done, second_row, gamma, gae_lambda):
    return first


def only_last_row(first, first_done, second_row, gamma, gae_lambda):
    joined = first.clone()
    joined[-1] += gamma * gae_lambda * ~first_done[-1] * second_row
    return joined


def across_endings(first, first_done, second_row, gamma, gae_lambda):
    power = torch.arange(len(first), 0, -1)[:, None]
    return first + (gamma * gae_lambda) ** power * second_row


def own_flag_only(first, first_done, second_row, gamma, gae_lambda):
    power = torch.arange(len(first), 0, -1)[:, None]
    return first + (gamma * gae_lambda) ** power * second_row * ~first_done


def one_factor_too_few(first, first_done, second_row, gamma, gae_lambda):
    joined, carry = first.clone(), second_row
    for t in reversed(range(len(first))):
        carry = carry * ~first_done[t]
        joined[t] += carry
        carry = gamma * gae_lambda * carry
    return joined


def joined_with_gamma(first, first_done, second_row, gamma, gae_lambda):
    return joined_by_cumprod(first, first_done, second_row, gamma, 1.0)


def joined_by_cumprod(first, first_done, second_row, gamma, gae_lambda):
    """Right: the weights are a product over the rows from t to the cut."""
    decay = (gamma * gae_lambda * (~first_done).float()).flip(0).cumprod(0).flip(0)
    return first + decay * second_row


WRONG = {
    "gae_loop": {
        "truncation as terminal": (truncation_as_terminal, "as if the task had ended"),
        "leak across truncation": (leak_across_truncation, "leaks into the truncated one"),
        "no endings": (no_endings, "No ending is looked at"),
        "leak across every ending": (leak_across_every_ending, "leaks into the one that ended"),
        "terminal value kept": (terminal_value_kept, "A terminated episode has no future"),
        "flags one step late": (flags_one_step_late, "one step late"),
        "flags one step early": (flags_one_step_early, "one step early"),
        "recursion without gamma": (recursion_without_gamma, "γ is missing in the recursion"),
        "recursion without lambda": (recursion_without_lambda, "λ is missing in the recursion"),
        "last row zero": (last_row_zero, "The last row is 0"),
        "bootstrap from the same state": (bootstrap_from_same_state, "the state it starts in"),
        "bootstrap from the following row": (
            bootstrap_from_following_row,
            "another episode: use next_values[t]",
        ),
        "forward in time": (forward_in_time, "The loop runs forward"),
        "returns instead of advantages": (returns_instead, "These are the returns"),
        "index out of range": (range_too_long, "that is what next_values[t] is for"),
        "1 - bool": (minus_a_bool, "write ~terminated"),
        "one `if` for all environments": (one_if_for_all, "`if` and `not` cannot decide"),
        "sum over environments": (sum_over_environments, "has shape"),
        "return forgotten": (return_forgotten, "`return` missing"),
        "rewards changed in place": (rewards_changed, "changed one of its arguments in place"),
        "TD errors only": (only_td_errors, "A_t is δ_t plus γλ times A_{t+1}"),
        "sign of V": (sign_of_v, "the advantage is δ alone"),
        "a number": (3.0, "should be a function"),
    },
    "gae_weights": {
        "no endings": (all_pairs, "No ending is looked at"),
        "last step left out": (cut_before_the_ending, "one step too early"),
        "cumsum without minus": (cumsum_without_minus, "subtract done again"),
        "one step of the next episode": (one_step_of_the_next, "one step too late"),
        "exponent one too large": (exponent_one_too_large, "exponent is one too large"),
        "transposed": (transposed, "looks back"),
        "gamma alone": (gamma_alone, "λ is missing"),
        "weights of the λ-return": (averaged, "averages n-step returns"),
        "both sides of the diagonal": (both_sides, "0 before it"),
    },
    "lambda_returns": {
        "exchanged": (returns_exchanged, "λ and 1 - λ are exchanged"),
        "second discount": (returns_second_discount, "makes λ a second discount"),
        "no lambda": (returns_without_lambda, "λ is not used"),
        "one step": (returns_one_step, "one-step targets"),
        "no bootstrap in the last row": (returns_from_zero, "Start with next_values[-1]"),
        "nothing after a truncation": (returns_share_lost, "its share λ is lost"),
        "truncation as terminal": (returns_truncation_as_terminal, "as if the task had ended"),
        "leak across truncation": (returns_leak, "leaks into the truncated one"),
        "never terminated": (returns_never_terminated, "No termination is looked at"),
        "flags one step late": (returns_late_flags, "one step late"),
        "no gamma": (returns_without_gamma, "γ is missing: everything"),
        "gamma on the critic only": (returns_gamma_on_critic, "γ is missing at the next row's target"),
        "index out of range": (returns_next_row, "what it knows of the future is next_values[T - 1]"),
    },
    "gae_join": {
        "nothing is lost": (nothing_lost, "still missing"),
        "only the last row": (only_last_row, "Only the last row was corrected"),
        "across endings": (across_endings, "Stop at every ending"),
        "own flag only": (own_flag_only, "looks at its own flag only"),
        "one factor too few": (one_factor_too_few, "one factor γλ too few"),
        "gamma alone": (joined_with_gamma, "λ is missing"),
    },
}

RIGHT = {
    "gae_loop": [right_with_clones, right_in_numpy, right_by_lambda_returns],
    "gae_weights": [weights_by_products, weights_by_inverse],
    "lambda_returns": [returns_by_n_steps, returns_by_advantages],
    "gae_join": [joined_by_cumprod],
}
