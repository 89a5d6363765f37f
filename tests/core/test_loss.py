"""Losses: sample by sample in plain Python, at the limits, and by autograd."""

import pytest
from oracles import ORACLES, Core

NAMES = [
    name
    for name in ORACLES
    if name.startswith(("policy_loss_", "value_loss_", "losses_", "normalize_", "approximate_kl_", "gradients_", "ppo_loss_", "each_part_", "entropy_"))
]


@pytest.mark.parametrize("name", NAMES)
def test_loss(name):
    ORACLES[name](Core())
