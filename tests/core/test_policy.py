"""The policy: against scipy, torch.distributions, loops over single numbers, and statistics of what is drawn."""

import pytest
from oracles import ORACLES, Core

NAMES = [
    "categorical_agrees_with_scipy_and_torch",
    "gaussian_agrees_with_scipy_and_torch",
    "policy_evaluates_each_row_by_itself",
    "actions_are_drawn_from_the_policy",
    "numpy_act_is_act",
    "weights_begin_orthogonal",
    "policy_refuses_other_spaces",
]


@pytest.mark.parametrize("name", NAMES)
def test_policy(name):
    ORACLES[name](Core())
