"""The autoreset timeline shows what Gymnasium returns, and the successors that the package finds."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from kit import module, node

from ppo_core import GymnasiumVectorEnv
from ppo_core.probes import TabularEnv

MODES = ["NEXT_STEP", "SAME_STEP", "DISABLED"]
CALLS = 12


def staircase(limit: int) -> TabularEnv:
    """Every step leads one stair up and pays 1."""
    return TabularEnv(np.eye(8, k=1)[:, None, :], np.ones((8, 1)), time_limit=limit)


def shown(mode: str, limit: int) -> list[dict]:
    return node(
        f"import {{ calls }} from {module('autoreset')}; answer(calls(input[0], input[1]));", [mode, limit]
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
@pytest.mark.parametrize("mode", MODES)
def test_autoreset_rows_are_those_of_gymnasium(mode: str, limit: int) -> None:
    envs = SyncVectorEnv([partial(staircase, limit)], autoreset_mode=AutoresetMode[mode])
    obs = envs.reset(seed=0)[0]
    for row in shown(mode, limit):
        assert row["before"] == obs.argmax()
        obs, reward, terminated, truncated, infos = envs.step(np.array([0]))
        assert (row["returned"], row["reward"], row["truncated"]) == (obs.argmax(), reward[0], truncated[0])
        assert not terminated[0]
        final = infos["final_obs"][0].argmax() if "final_obs" in infos else None
        assert row["final"] == final
        if mode == "DISABLED" and truncated[0]:
            obs = envs.reset(options={"reset_mask": truncated})[0]
        assert row["sees"] == obs.argmax()


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
@pytest.mark.parametrize("mode", MODES)
def test_autoreset_valid_rows_are_the_transitions_of_the_package(mode: str, limit: int) -> None:
    env = GymnasiumVectorEnv(SyncVectorEnv([partial(staircase, limit)], autoreset_mode=AutoresetMode[mode]))
    obs = env.reset(seed=0)
    rows = [row for row in shown(mode, limit) if row["valid"]]
    lost = CALLS - len(rows)
    assert lost == (CALLS // (limit + 1) if mode == "NEXT_STEP" else 0)
    for row in rows:
        assert row["before"] == obs.argmax()
        step = env.step(np.array([0]))
        assert (row["successor"], row["truncated"]) == (step.next_obs.argmax(), step.truncated[0])
        obs = step.obs
