"""Answers to the exercises of chapter 01: wrong ones with the words that the reader must see, and right ones of another kind."""

from __future__ import annotations

import numpy as np
import torch


# --- score_function ----------------------------------------------------------------------------------------------
def onehots(logits, actions):
    """One row for each action, for the answers below."""
    return torch.nn.functional.one_hot(actions, len(logits)).float()


def turned_round(logits, actions):
    return torch.softmax(logits, -1) - onehots(logits, actions)


def onehot_alone(logits, actions):
    return onehots(logits, actions)


def others_left_alone(logits, actions):
    return onehots(logits, actions) * (1 - torch.softmax(logits, -1))


def own_probability_everywhere(logits, actions):
    return onehots(logits, actions) - torch.softmax(logits, -1)[actions].unsqueeze(1)


def of_the_probability(logits, actions):
    probs = torch.softmax(logits, -1)
    return probs[actions].unsqueeze(1) * (onehots(logits, actions) - probs)


def one_over_the_probability(logits, actions):
    return onehots(logits, actions) / torch.softmax(logits, -1)


def equally_probable(logits, actions):
    return onehots(logits, actions) - 1 / len(logits)


def logits_subtracted(logits, actions):
    return onehots(logits, actions) - logits


def overflow(logits, actions):
    """Right for small logits."""
    probs = logits.exp() / logits.exp().sum()
    return onehots(logits, actions) - probs


def the_logprob(logits, actions):
    return torch.log_softmax(logits, -1)[actions]


def mean_over_the_batch(logits, actions):
    return scores_in_numpy(logits, actions).mean(0)


def autograd_without_a_leaf(logits, actions):
    logprobs = torch.log_softmax(logits, -1)[actions]
    return torch.autograd.grad(logprobs.sum(), logits)[0]


def scores_in_numpy(logits, actions):
    """Right: one action after the other, in NumPy."""
    z = logits.numpy().astype(np.float64)
    probs = np.exp(z - z.max())
    probs /= probs.sum()
    rows = np.tile(-probs, (len(actions), 1))
    for row, action in enumerate(actions.tolist()):
        rows[row, action] += 1
    return rows


def scores_by_autograd(logits, actions):
    """Right, though the page asks to do without."""
    leaf = logits.clone().requires_grad_()
    logprobs = torch.distributions.Categorical(logits=leaf).log_prob(actions)
    return torch.stack([torch.autograd.grad(lp, leaf, retain_graph=True)[0] for lp in logprobs])


def scores_by_jacobian(logits, actions):
    """Right: the Jacobian of log_softmax has the scores of all arms as rows."""
    return torch.func.jacrev(lambda z: torch.log_softmax(z, -1))(logits)[actions]


# --- reinforce_gradient ------------------------------------------------------------------------------------------
def by_rows(logits, actions, weights):
    return weights[:, None] * scores_by_jacobian(logits, actions)


def of_the_loss(logits, actions, rewards):
    return -by_rows(logits, actions, rewards).mean(0)


def added_up(logits, actions, rewards):
    return by_rows(logits, actions, rewards).sum(0)


def product_of_means(logits, actions, rewards):
    return rewards.mean() * scores_by_jacobian(logits, actions).mean(0)


def log_forgotten(logits, actions, rewards):
    leaf = logits.clone().requires_grad_()
    return torch.autograd.grad((torch.softmax(leaf, -1)[actions] * rewards).mean(), leaf)[0]


def divided_by_the_probability(logits, actions, rewards):
    return by_rows(logits, actions, rewards / torch.softmax(logits, -1)[actions]).mean(0)


def pulled_knob_only(logits, actions, rewards):
    return (rewards[:, None] * onehots(logits, actions)).mean(0)


def own_batch_subtracted(logits, actions, rewards):
    return by_rows(logits, actions, rewards - rewards.mean()).mean(0)


def standardised(logits, actions, rewards):
    return by_rows(logits, actions, (rewards - rewards.mean()) / (rewards.std(correction=0) + 1e-8)).mean(0)


def own_batch_if_there_is_one(logits, actions, rewards):
    """One guess is passed through, so that only the mean over all batches can tell."""
    return (
        own_batch_subtracted(logits, actions, rewards)
        if len(rewards) > 1
        else right_by_counting(logits, actions, rewards)
    )


def largest_reward_only(logits, actions, rewards):
    best = rewards.argmax()
    return right_by_counting(logits, actions[best : best + 1], rewards[best : best + 1])


def divided_by_the_arms(logits, actions, rewards):
    return by_rows(logits, actions, rewards).sum(0) / len(logits)


def over_the_knobs(logits, actions, rewards):
    return by_rows(logits, actions, rewards).mean(1)


def forgot_the_axis(logits, actions, rewards):
    return (rewards * scores_by_jacobian(logits, actions)).mean(0)


def axis_if_it_fits(logits, actions, rewards):
    """Runs for every batch, and is wrong where B equals K."""
    scores = scores_by_jacobian(logits, actions)
    rows = rewards * scores if len(rewards) == len(logits) else rewards[:, None] * scores
    return rows.mean(0)


def right_by_counting(logits, actions, rewards):
    """Right: what each arm was paid, minus its share of everything."""
    paid = torch.zeros(len(logits)).index_add_(0, actions, rewards)
    return (paid - torch.softmax(logits, -1) * rewards.sum()) / len(rewards)


def right_by_autograd(logits, actions, rewards):
    """Right: the surrogate loss, with its sign turned round."""
    leaf = logits.clone().requires_grad_()
    loss = -(torch.log_softmax(leaf, -1)[actions] * rewards).mean()
    loss.backward()
    return -leaf.grad


# --- best_baseline -----------------------------------------------------------------------------------------------
def lengths(logits):
    """Squared lengths of the scores of all arms, in closed form."""
    probs = torch.softmax(logits, -1)
    return 1 - 2 * probs + probs.square().sum()


def the_mean_reward(logits, mean_rewards):
    return torch.softmax(logits, -1) @ mean_rewards


def the_plain_mean(logits, mean_rewards):
    return mean_rewards.mean()


def not_squared(logits, mean_rewards):
    weights = torch.softmax(logits, -1) * lengths(logits).sqrt()
    return weights @ mean_rewards / weights.sum()


def no_probabilities(logits, mean_rewards):
    return lengths(logits) @ mean_rewards / lengths(logits).sum()


def own_knob(logits, mean_rewards):
    probs = torch.softmax(logits, -1)
    weights = probs * (1 - probs) ** 2
    return weights @ mean_rewards / weights.sum()


def the_best_arm(logits, mean_rewards):
    return mean_rewards.max()


def the_likely_arm(logits, mean_rewards):
    return mean_rewards[logits.argmax()]


def nothing(logits, mean_rewards):
    return 0.0


def down_the_columns(logits, mean_rewards):
    probs = torch.softmax(logits, -1)
    weights = probs * (torch.eye(len(probs)) - probs).square().sum(0)
    return (weights * mean_rewards).sum() / weights.sum()


def undivided(logits, mean_rewards):
    return (torch.softmax(logits, -1) * lengths(logits)) @ mean_rewards


def one_for_each_arm(logits, mean_rewards):
    return torch.softmax(logits, -1) * mean_rewards


def weights_upside_down(logits, mean_rewards):
    weights = torch.softmax(logits, -1) / lengths(logits)
    return weights @ mean_rewards / weights.sum()


def right_in_closed_form(logits, mean_rewards):
    """Right: without making the scores."""
    weights = torch.softmax(logits, -1) * lengths(logits)
    return (weights @ mean_rewards / weights.sum()).item()


def right_by_descent(logits, mean_rewards):
    """Right: gradient descent on the second moment of the push, which is a parabola in b."""
    probs = torch.softmax(logits.double(), -1)
    scores = torch.eye(len(logits), dtype=torch.float64) - probs
    b = torch.zeros((), dtype=torch.float64, requires_grad=True)
    for _ in range(2000):
        pushes = (mean_rewards.double() - b)[:, None] * scores
        (grad,) = torch.autograd.grad((probs * pushes.square().sum(1)).sum(), b)
        b = (b - 0.5 * grad).detach().requires_grad_()
    return b.detach()


WRONG = {
    "score_function": {
        "sign": (turned_round, "The sign is turned round"),
        "one-hot alone": (onehot_alone, "Only the first term of log π is there"),
        "others left alone": (others_left_alone, "the other knobs are left alone"),
        "own probability everywhere": (
            own_probability_everywhere,
            "Knob k gets minus its own probability",
        ),
        "π instead of log π": (of_the_probability, "This is the gradient of the probability"),
        "1 / π": (one_over_the_probability, "with respect to the logits, through the softmax"),
        "equally probable": (equally_probable, "taken as equally probable"),
        "logits subtracted": (logits_subtracted, "Logits are no probabilities"),
        "overflow": (overflow, "torch.softmax subtracts the largest one first"),
        "the log-probability": (the_logprob, "has shape"),
        "mean over the batch": (mean_over_the_batch, "has shape"),
        "autograd without a leaf": (autograd_without_a_leaf, "do without autograd"),
        "a number": (0.5, "should be a function"),
    },
    "reinforce_gradient": {
        "sign": (of_the_loss, "this is the gradient of the loss"),
        "sum": (added_up, "The pushes are added up"),
        "product of the means": (product_of_means, "Each score needs the reward of its own guess"),
        "π instead of log π": (log_forgotten, "the probability of its arm once more"),
        "divided by π": (divided_by_the_probability, "The logarithm has done that already"),
        "one-hot alone": (pulled_knob_only, "Only the pulled arm's knob is turned"),
        "mean of the same batch": (own_batch_subtracted, "has seen the guess that it judges"),
        "mean of the same batch, if there is one": (
            own_batch_if_there_is_one,
            "has seen the guess that it judges",
        ),
        "standardised": (standardised, "The rewards are standardised"),
        "largest reward only": (largest_reward_only, "The estimate is biased"),
        "divided by the arms": (divided_by_the_arms, "divided by the number of arms"),
        "mean over the knobs": (over_the_knobs, "has shape"),
        "rewards along the knobs": (forgot_the_axis, "rewards[:, None] * scores"),
        "rewards along the knobs where it fits": (axis_if_it_fits, "give each column a reward instead"),
    },
    "best_baseline": {
        "mean reward": (the_mean_reward, "This is the mean reward J"),
        "plain mean": (the_plain_mean, "This is the plain mean over the arms"),
        "not squared": (not_squared, "so the length enters squared"),
        "no probabilities": (no_probabilities, "each arm also counts with its probability"),
        "down the columns": (down_the_columns, "The score of an arm is a row"),
        "own knob": (own_knob, "Only the knob of the pulled arm"),
        "best arm": (the_best_arm, "reward of the best arm"),
        "most probable arm": (the_likely_arm, "reward of the most probable arm"),
        "none": (nothing, "Zero is no baseline at all"),
        "not divided": (undivided, "The upper half of the fraction is right"),
        "one for each arm": (one_for_each_arm, "has shape"),
        "upside down": (weights_upside_down, "the rarer arm has the longer score"),
    },
}

RIGHT = {
    "score_function": [scores_in_numpy, scores_by_autograd, scores_by_jacobian],
    "reinforce_gradient": [right_by_counting, right_by_autograd],
    "best_baseline": [right_in_closed_form, right_by_descent],
}
