"""`check` and `first_index`, the same for both vectors; warnings about bounds; a worker knows its place in the whole."""

import sys
import warnings
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from fault_envs import ACTIONS, HIGHEST, Faulty, OtherSpaces, Rows

from ppo_core.checks import ObservationCheck
from ppo_core.envs import SerialVectorEnv, make_env
from ppo_core.errors import ConfigError, EnvironmentFault, WorkerDied, WorkerError
from ppo_core.parallel import ParallelVectorEnv

QUICK = "fork" if sys.platform == "linux" else "spawn"
KINDS = {"serial": SerialVectorEnv, "parallel": partial(ParallelVectorEnv, num_workers=2, start_method=QUICK)}


@pytest.fixture(params=list(KINDS))
def kind(request):
    return KINDS[request.param]


def stepped(env, steps):
    for _ in range(steps):
        env.step(np.zeros(env.num_envs, np.int64))


def test_a_part_has_the_rows_of_the_whole(kind):
    """Environments 2 and 3 of four, in a vector of their own, get the same seeds, episode after episode."""
    fns = [partial(make_env, "CartPole-v1")] * 4
    with SerialVectorEnv(fns) as whole, kind(fns[2:], first_index=2) as part:
        assert np.array_equal(whole.reset(seed=3)[2:], part.reset(seed=3))
        ends = 0
        for t in range(120):
            actions = np.random.default_rng(t).integers(0, 2, 4)
            one, other = whole.step(actions), part.step(actions[2:])
            ends += int(other.terminated.sum())
            for mine, theirs in zip(one, other, strict=True):
                assert np.array_equal(mine[2:], theirs)
        assert ends > 4


@pytest.mark.parametrize(
    "how, words", [("NaN", "NaN"), ("shape", "shape"), ("reward None", "reward"), ("raise", "sky")]
)
def test_messages_name_the_global_index(kind, how, words):
    with kind([partial(Rows, 0), partial(Faulty, 1, how)], first_index=10) as env:
        env.reset(seed=0)
        env.step([0, 0])
        with pytest.raises((EnvironmentFault, WorkerError, Exception), match=words) as caught:
            env.step([0, 0])
        if how != "raise":
            assert "environment 11" in str(caught.value)
        if isinstance(caught.value, WorkerError):
            assert caught.value.index == 11


@pytest.mark.skipif(sys.platform == "win32", reason="platform: no SIGKILL")
def test_a_dead_worker_names_the_global_index():
    with KINDS["parallel"]([partial(Rows, 0), partial(Faulty, 1, "SIGKILL")], first_index=10) as env:
        env.reset(seed=0)
        env.step([0, 0])
        with pytest.raises(WorkerDied, match="environment 11 died") as caught:
            env.step([0, 0])
        assert caught.value.index == 11


def test_nothing_is_left_open():
    """Not even a descriptor that the garbage collector would close."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with KINDS["parallel"]([partial(Rows, i) for i in range(2)]) as env:
            env.reset(seed=0)
        assert env._file.closed


def test_unequal_spaces_name_the_global_index(kind):
    with pytest.raises(EnvironmentFault, match=r"environment 6 has .*but environment 5"):
        kind([partial(OtherSpaces, i, "bounds") for i in range(2)], first_index=5)


@pytest.mark.parametrize("how", ["shape", "reward NaN", "None", "4-tuple", "reward None"])
def test_first_checks_the_first_answer(kind, how):
    with kind([partial(Rows, 0), partial(Faulty, 1, how, when=1)], check="first") as env:
        env.reset(seed=0)
        with pytest.raises((EnvironmentFault, WorkerError), match="environment 1"):
            env.step([0, 0])


@pytest.mark.parametrize("how", ["NaN", "infinite after the cast"])
def test_first_still_refuses_what_would_spread(kind, how):
    with kind([partial(Rows, 0), partial(Faulty, 1, how, when=3)], check="first") as env:
        env.reset(seed=0)
        stepped(env, 2)
        with pytest.raises((EnvironmentFault, WorkerError), match=r"environment 1.*(NaN|infinity)"):
            env.step([0, 0])


def test_always_warns_of_bounds_once_and_first_never(kind):
    for check, times in (("always", 1), ("first", 0)):
        with kind([partial(Rows, 0), partial(Faulty, 1, "out of bounds")], check=check, first_index=4) as env:
            env.reset(seed=0)
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                stepped(env, 4)
        assert len(told) == times and all("environment 5" in str(one.message) for one in told)


@pytest.mark.parametrize("wrong", [{"check": "never"}, {"first_index": -1}, {"first_index": True}])
def test_wrong_options_are_refused(kind, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        kind([partial(Rows, 0)], **wrong)


@pytest.mark.parametrize(
    "space, inside, outside",
    [
        (gym.spaces.Box(-1, 1, (2,), np.float32), [[-1, 1]], [[-1.001, 1]]),
        (gym.spaces.Box(np.array([-np.inf, 0]), np.array([0, np.inf])), [[-9e9, 9e9]], [[0.5, 1]]),
        (gym.spaces.Box(0, 200, (2,), np.uint8), [[0, 200]], [[0, 201]]),
    ],
)
def test_bounds(space, inside, outside):
    asked = ObservationCheck(space, "always", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asked(np.array(inside, space.dtype))
    with pytest.warns(UserWarning, match="environment 0: observation.* is outside"):
        asked(np.array(outside, space.dtype))


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Box(-np.inf, np.inf, (2,), np.float32),
        gym.spaces.Box(0, 255, (2,), np.uint8),
        gym.spaces.Discrete(ACTIONS),
    ],
)
def test_where_nothing_can_be_outside_nothing_is_compared(space):
    assert ObservationCheck(space, "always", 0).bounds is None
    assert ObservationCheck(gym.spaces.Box(-1, HIGHEST, (4,)), "first", 0).bounds is None


def test_common_environments_stay_in_their_bounds():
    """The warning is for mistakes: these have none."""
    for name in ("CartPole-v1", "Pendulum-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Acrobot-v1"):
        with SerialVectorEnv([partial(make_env, name)] * 2) as env, warnings.catch_warnings():
            warnings.simplefilter("error")
            env.reset(seed=0)
            env.single_action_space.seed(0)
            for _ in range(400):
                env.step(np.array([env.single_action_space.sample() for _ in range(2)]))
