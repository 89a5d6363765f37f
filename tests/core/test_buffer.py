"""The rollout: rows stay together and where they were written, minibatches hold each step once."""

import pytest
from oracles import ORACLES, Core


@pytest.mark.parametrize("name", ["rollout_keeps_every_row", "minibatches_hold_every_step_once"])
def test_buffer(name):
    ORACLES[name](Core())
