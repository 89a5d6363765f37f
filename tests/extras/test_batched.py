"""Environments made of arrays: Gymnasium's numbers, starts that are random enough, and the contract of the core."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch

from ppo_core import ConfigError, EnvironmentFault, OutOfStep, PPOConfig, Trainer, VectorEnv
from ppo_core.extras import batched
from ppo_core.extras.batched import (
    BatchedCartPole,
    BatchedEnv,
    BatchedPendulum,
    CartPole,
    Pendulum,
    TensorEnv,
    splitmix64,
    stream_keys,
    uniform,
)

GAMES = [CartPole, Pendulum]
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="platform: no CUDA device here")


# ---- Gymnasium's numbers


class OnTensors:
    """A TensorEnv that takes and gives NumPy arrays, so that one test serves both."""

    def __init__(self, game, num_envs, device="cpu"):
        self.env = TensorEnv(game, num_envs, device)

    def reset(self, seed):
        return self.env.reset(seed).cpu().numpy()

    def step(self, actions):
        return [x.cpu().numpy() for x in self.env.step(torch.from_numpy(actions).to(self.env.device))]

    @property
    def state(self):
        return self.env.state.cpu().numpy()


def cartpole_actions(state: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Some environments are balanced for 500 steps, some drift off the track, some are pushed at random and fall."""
    x, x_dot, theta, theta_dot = state
    lean = theta + 0.3 * theta_dot + np.where(np.arange(len(x)) % 3 == 0, 0.05 * x + 0.1 * x_dot, -0.03)
    noise = random.random(len(x)) < np.where(np.arange(len(x)) % 3 == 2, 1.0, 0.0)
    return np.where(noise, random.integers(0, 2, len(x)), (lean > 0).astype(np.int64))


def pendulum_actions(state: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Torques that swing up by adding energy, some beyond the bounds; float32, as the trainer gives them."""
    theta_dot = state[1]
    swing = np.where(np.arange(len(theta_dot)) % 2 == 0, 3.0 * np.sign(theta_dot), 0.0)
    return (swing + random.uniform(-1.5, 1.5, len(theta_dot))).astype(np.float32)[:, None]


def compare(env, game, steps: int, seed: int = 0, in_bounds: bool = False) -> dict[str, int]:
    """Step `env` and Gymnasium's environment from equal starts with equal actions, never synchronised in an episode.

    Returns how many episodes ended in which way; the two differ by at most 1e-10 in everything that is float64.
    The square of a float32 action in Pendulum's reward is not: NumPy squares a scalar with `powf`, whose last bit is
    another than that of a product about once in a thousand times.
    """
    real = CartPole if issubclass(game, CartPole) else Pendulum
    choose = cartpole_actions if real is CartPole else pendulum_actions
    obs, random, ends = env.reset(seed), np.random.default_rng(seed), {"terminated": 0, "truncated": 0}
    theirs = [gym.make(real.ENV_ID) for _ in range(len(obs))]

    def begin(i: int) -> None:
        theirs[i].reset()
        theirs[i].unwrapped.state = env.state[:, i].copy()

    for i in range(len(theirs)):
        begin(i)
    for t in range(steps):
        actions = choose(env.state, random)
        if in_bounds and real is Pendulum:
            actions = actions.clip(-2, 2)
        exact_rewards = game.step(env.state, actions)[1]
        obs, next_obs, rewards, terminated, truncated = env.step(actions)
        for i, one in enumerate(theirs):
            action = int(actions[i]) if actions.ndim == 1 else actions[i]
            their_obs, reward, ended, out_of_time, _ = one.step(action)
            where = f"step {t} of environment {i}"
            assert abs(exact_rewards[i] - reward) < (1e-10 if real is CartPole else 1e-9), (
                f"reward in {where}"
            )
            assert abs(rewards[i] - exact_rewards[i]) < 1e-6 * max(1, abs(reward)), f"reward in {where}"
            assert (terminated[i], truncated[i]) == (ended, out_of_time), f"end in {where}"
            assert np.abs(next_obs[i] - their_obs).max() < 1e-6, f"next_obs in {where}"
            ends["terminated"] += ended
            ends["truncated"] += out_of_time
            if ended or out_of_time:
                begin(i)
            else:
                assert np.abs(env.state[:, i] - one.unwrapped.state).max() < 1e-10, f"state in {where}"
        assert np.abs(obs - game.observe(env.state).T).max() < 1e-6, f"obs after step {t}"
    return ends


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_cartpole_is_gymnasiums_step_for_step(kind: str) -> None:
    env = BatchedCartPole(12) if kind == "numpy" else OnTensors(CartPole, 12)
    ends = compare(env, CartPole, 1100)
    assert ends["truncated"] >= 6 and ends["terminated"] >= 100, ends  # both ends were met


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_pendulum_is_gymnasiums_step_for_step(kind: str) -> None:
    env = BatchedPendulum(8) if kind == "numpy" else OnTensors(Pendulum, 8)
    assert compare(env, Pendulum, 450, in_bounds=kind == "numpy")["truncated"] == 16


@pytest.mark.parametrize("tensors", [False, True])
def test_pendulum_is_gymnasiums_with_torques_in_float64(tensors: bool) -> None:
    random, worst = np.random.default_rng(0), 0.0
    kind = torch.from_numpy if tensors else np.array
    for _ in range(8):
        one = gym.make("Pendulum-v1").unwrapped
        one.reset(seed=int(random.integers(2**31)))
        state = kind(one.state[:, None].copy())
        for _ in range(200):
            torque = random.uniform(-3, 3, 1)
            state, reward, terminated = Pendulum.step(state, kind(torque[:, None]))
            _, their_reward, *_ = one.step(torque)
            worst = max(
                worst, abs(float(reward[0]) - their_reward), abs(np.asarray(state)[:, 0] - one.state).max()
            )
            assert not terminated.any()
    assert worst < 1e-10


@CUDA
@pytest.mark.parametrize("game", GAMES)
def test_a_step_on_the_gpu_is_the_step_on_the_cpu(game) -> None:
    """Step by step from equal states: over 500 steps the pole itself would magnify one rounding 10^17 times."""
    cpu, gpu = TensorEnv(game, 64), TensorEnv(game, 64, "cuda")
    random = np.random.default_rng(0)
    assert torch.equal(cpu.reset(3), gpu.reset(3).cpu())
    choose = cartpole_actions if game is CartPole else pendulum_actions
    for _ in range(1100):
        actions = torch.from_numpy(choose(cpu.state.numpy(), random))
        mine, theirs = cpu.step(actions), gpu.step(actions.cuda())
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, b.cpu(), atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(cpu.state, gpu.state.cpu(), atol=1e-12, rtol=1e-12)
        gpu.state.copy_(cpu.state)
        assert torch.equal(cpu.episodes, gpu.episodes.cpu()) and torch.equal(cpu.steps, gpu.steps.cpu())


def test_the_spaces_are_gymnasiums() -> None:
    for game in GAMES:
        one = gym.make(game.ENV_ID)
        assert game.spaces() == (one.observation_space, one.action_space)
        assert game.MAX_STEPS == one.spec.max_episode_steps


def wrong(game, **rules):
    return type("Wrong", (game,), rules)


class AngleNotNormalized(Pendulum):
    @classmethod
    def normalized(cls, theta):
        return theta


class RewardOfTheNewAngle(Pendulum):
    @classmethod
    def step(cls, state, actions):
        state, _, terminated = super().step(state, actions)
        return state, super().step(state, actions)[1], terminated


@pytest.mark.parametrize(
    ("game", "what"),
    [
        (wrong(CartPole, THETA_LIMIT=CartPole.THETA_LIMIT * 1.01), "end in"),
        (wrong(CartPole, THETA_LIMIT=np.radians(24)), "end in"),
        (wrong(CartPole, X_LIMIT=2.41), "end in"),
        (wrong(CartPole, TAU=0.02000001), "state in"),
        (wrong(CartPole, FORCE=-10.0), "next_obs in"),
        (wrong(CartPole, HALF_LENGTH=1.0), "next_obs in"),
        (wrong(CartPole, MAX_STEPS=499), "end in"),
        (wrong(CartPole, MAX_STEPS=501), "end in"),
        (wrong(Pendulum, MAX_TORQUE=2.5), "reward in"),
        (wrong(Pendulum, MAX_TORQUE=1.5), "reward in"),
        (wrong(Pendulum, MAX_SPEED=float("inf")), "next_obs in"),
        (wrong(Pendulum, MAX_STEPS=199), "end in"),
        (wrong(Pendulum, MAX_STEPS=201), "end in"),
        (wrong(Pendulum, DT=0.0500001), "state in"),
        (AngleNotNormalized, "reward in"),
        (RewardOfTheNewAngle, "reward in"),
    ],
)  # fmt: skip
def test_wrong_rules_are_found(game, what: str) -> None:
    with pytest.raises(AssertionError, match=what):
        compare(OnTensors(game, 12), game, 1100 if issubclass(game, CartPole) else 450)


class FirstInsteadOfLast(BatchedEnv):
    def step(self, actions):
        result = super().step(actions)
        return result._replace(next_obs=result.obs)


class ForgetsToCount(BatchedEnv):
    def step(self, actions):
        result = super().step(actions)
        self.steps[result.terminated] = 1
        return result


@pytest.mark.parametrize(("kind", "what"), [(FirstInsteadOfLast, "next_obs in"), (ForgetsToCount, "end in")])
def test_wrong_resets_are_found(kind, what: str) -> None:
    class Falls(CartPole):  # so that an environment that fell is also balanced until its time is up
        pass

    with pytest.raises(AssertionError, match=what):
        compare(kind(Falls, 12), Falls, 1100)


# ---- where episodes begin


def test_splitmix64_gives_the_published_numbers() -> None:
    """The first five of the stream with seed 1234567 (Vigna's C program, as tabulated on Rosetta Code)."""
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    states = np.array([1234567], np.int64) + batched.STEP * np.arange(1, 6)
    assert splitmix64(states).view(np.uint64).tolist() == published
    assert splitmix64(torch.from_numpy(states)).numpy().view(np.uint64).tolist() == published


def test_numpy_and_torch_begin_alike() -> None:
    keys, episodes = stream_keys(2**63 - 1, 1000, 4), np.arange(1000) ** 3
    mine = uniform(keys, episodes)
    assert mine.dtype == np.float64 and mine.min() >= 0 and mine.max() < 1
    assert np.array_equal(mine, uniform(torch.from_numpy(keys), torch.from_numpy(episodes)).numpy())


def starts(keys=stream_keys, seeds=6, num_envs=50, episodes=50, size=4) -> np.ndarray:
    """[seeds, envs, episodes, size]"""
    table = np.empty((seeds, num_envs, episodes, size))
    for seed in range(seeds):
        for episode in range(episodes):
            table[seed, :, episode] = uniform(keys(seed, num_envs, size), np.full(num_envs, episode)).T
    return table


def kolmogorov(numbers: np.ndarray) -> float:
    """√n times the largest distance to the uniform distribution; above 1.95 once in a thousand times."""
    ordered, n = np.sort(numbers.ravel()), numbers.size
    steps = np.arange(n + 1) / n
    return float(np.sqrt(n) * max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))


def looks_random(table: np.ndarray) -> None:
    assert kolmogorov(table) < 1.95
    for component in range(table.shape[-1]):
        assert kolmogorov(table[..., component]) < 1.95
    assert len(np.unique(table)) == table.size
    for axis in range(table.ndim):  # seeds, environments, episodes, numbers of a state
        left, right = (
            table.take(range(table.shape[axis] - 1), axis),
            table.take(range(1, table.shape[axis]), axis),
        )
        for lag in (left, 1 - left, (2 * left) % 1):
            assert abs(np.corrcoef(lag.ravel(), right.ravel())[0, 1]) < 4 / np.sqrt(left.size), f"axis {axis}"
        cells = np.histogram2d(left.ravel(), right.ravel(), bins=8, range=[[0, 1], [0, 1]])[0]
        expected = left.size / 64
        assert ((cells - expected) ** 2 / expected).sum() < 63 + 4 * np.sqrt(2 * 63), (
            f"pairs along axis {axis}"
        )


def test_every_episode_begins_somewhere_else() -> None:
    looks_random(starts())


def keys_added(seed, num_envs, size):
    return seed + np.arange(num_envs) + 10 * np.arange(size)[:, None]


def keys_of_a_step(seed, num_envs, size):
    return stream_keys(seed, 1, 1) + batched.STEP * (
        np.arange(num_envs) + num_envs * np.arange(size)[:, None]
    )


def keys_without_hash(seed, num_envs, size):
    return (seed * 1000003 + np.arange(num_envs) * 1009 + np.arange(size)[:, None]) << 20


@pytest.mark.parametrize("keys", [keys_added, keys_of_a_step])
def test_keys_that_share_streams_are_found(keys) -> None:
    with pytest.raises(AssertionError):
        looks_random(starts(keys))


@pytest.mark.parametrize("hash", [lambda state: state, lambda state: state ^ (state >> 30)])
def test_a_weak_hash_is_found(hash, monkeypatch) -> None:
    monkeypatch.setattr(batched, "splitmix64", hash)
    with pytest.raises(AssertionError):
        looks_random(starts(keys_without_hash))


def test_a_game_begins_where_gymnasium_would() -> None:
    numbers = np.random.default_rng(0).random((4, 4000))
    assert (
        abs(CartPole.start(numbers)).max() <= 0.05 and kolmogorov(CartPole.start(numbers) * 10 + 0.5) < 1.95
    )
    angle, speed = Pendulum.start(numbers[:2])
    assert kolmogorov(angle / (2 * np.pi) + 0.5) < 1.95 and kolmogorov(speed / 2 + 0.5) < 1.95


# ---- the contract of the core


def play(env: VectorEnv, steps: int, seed: int | None = 0) -> list[np.ndarray]:
    """Everything that comes out of `env` for actions that depend on the step and the environment alone."""
    seen = [env.reset(seed)]
    for t in range(steps):
        seen += env.step(np.random.default_rng(t).integers(0, 2, 64)[: env.num_envs])
    return seen


def same(first, second) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_step_is_a_step_result() -> None:
    with BatchedCartPole(3) as env:
        obs = env.reset(seed=0)
        assert obs.shape == (3, 4) and obs.dtype == np.float32
        kept = [obs]
        for _ in range(40):
            result = env.step(np.ones(3, int))
            assert [x.dtype for x in result] == [np.float32] * 3 + [bool] * 2
            assert [x.shape for x in result] == [(3, 4)] * 2 + [(3,)] * 3
            done = result.terminated | result.truncated
            assert np.array_equal(result.obs[~done], result.next_obs[~done])
            assert (abs(result.obs[done]) <= 0.05).all() and (
                abs(result.next_obs[done]).max(1, initial=1) > 0.2
            ).all()
            kept.append(result.obs)
        assert len({x.tobytes() for x in kept}) == len(kept)  # no array is written over by a later step


def test_a_seed_is_a_seed() -> None:
    env, other = BatchedCartPole(5), BatchedCartPole(5)
    first = play(env, 60)
    assert same(first, play(other, 60)) and same(first, play(env, 60))
    assert not same(first, play(env, 60, seed=1))
    onward = env.reset()
    assert not np.array_equal(onward, env.reset()) and not np.array_equal(onward, first[0])
    assert not np.array_equal(BatchedCartPole(5).reset(), BatchedCartPole(5).reset())


def test_a_part_of_the_environments_gives_the_same_numbers() -> None:
    whole, part = BatchedCartPole(6), BatchedCartPole(4, first_index=2)
    assert np.array_equal(whole.reset(7)[2:], part.reset(7))
    for t in range(100):
        actions = np.random.default_rng(t).integers(0, 2, 6)
        for a, b in zip(whole.step(actions), part.step(actions[2:]), strict=True):
            assert np.array_equal(a[2:], b)


def test_numpy_and_tensors_give_the_same_numbers() -> None:
    env, tensors = BatchedCartPole(8), TensorEnv(CartPole, 8)
    assert np.array_equal(env.reset(4), tensors.reset(4).numpy())
    for t in range(200):
        actions = np.random.default_rng(t).integers(0, 2, 8)
        for a, b in zip(env.step(actions), tensors.step(torch.from_numpy(actions)), strict=True):
            np.testing.assert_allclose(a, b.numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("game", GAMES)
def test_a_state_in_float32_is_close_and_its_last_observation_is_kept(game) -> None:
    exact, rough, random = (
        TensorEnv(game, 64),
        TensorEnv(game, 64, dtype=torch.float32),
        np.random.default_rng(0),
    )
    exact.reset(2)
    rough.reset(2)
    ended = 0
    for _ in range(210):
        rough.state.copy_(exact.state)  # one step at a time: a rounding grows
        choose = cartpole_actions if game is CartPole else pendulum_actions
        actions = torch.from_numpy(choose(exact.state.numpy(), random))
        mine, theirs = rough.step(actions), exact.step(actions)
        for a, b in zip(mine, theirs, strict=True):
            assert a.dtype == b.dtype
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
        done = mine.terminated | mine.truncated
        ended += int(done.sum())
        assert (mine.obs[done] != mine.next_obs[done]).any(1).all()
    assert ended >= 64


@pytest.mark.parametrize("game", GAMES)
def test_episodes_are_put_back_to_the_last_bit(game) -> None:
    env, log = BatchedEnv(game, 5), [[] for _ in range(5)]
    env.reset(seed=11)
    for t in range(270):
        random = np.random.default_rng(t)
        actions = (
            random.integers(0, 2, 5) if game is CartPole else random.uniform(-2, 2, (5, 1)).astype(np.float32)
        )
        result = env.step(actions)
        for i in range(5):
            log[i] = [] if result.terminated[i] or result.truncated[i] else [*log[i], actions[i]]
    assert len({len(x) for x in log}) > 1 or game is Pendulum  # of different lengths
    empty = np.zeros((0, *env.single_action_space.shape), env.single_action_space.dtype)
    played = [np.array(x) if x else empty for x in log]
    other = BatchedEnv(game, 5)
    obs = other.restore(11, env.episodes.tolist(), played)
    assert np.array_equal(obs, result.obs) and np.array_equal(other.state, env.state)
    assert np.array_equal(other.steps, env.steps)
    assert same(env.step(actions), other.step(actions))


def test_actions_that_do_not_belong_to_the_episode_are_refused() -> None:
    with pytest.raises(EnvironmentFault, match="environment 1: a replayed episode ended early"):
        BatchedCartPole(2).restore(0, [0, 0], [np.zeros(0, int), np.ones(30, int)])


def test_a_call_at_the_wrong_time_is_refused() -> None:
    env = BatchedCartPole(2)
    with pytest.raises(OutOfStep, match="before the first reset"):
        env.step(np.zeros(2, int))
    env.reset(seed=0)
    env.close()
    env.close()
    for call in (lambda: env.step(np.zeros(2, int)), env.reset, lambda: env.restore(0, [0, 0], [])):
        with pytest.raises(OutOfStep, match="close"):
            call()


def test_a_step_that_was_interrupted_is_not_continued() -> None:
    class Interrupted(CartPole):
        @classmethod
        def step(cls, state, actions):
            raise KeyboardInterrupt

    env = BatchedEnv(Interrupted, 2)
    env.reset(seed=0)
    with pytest.raises(KeyboardInterrupt):
        env.step(np.zeros(2, int))
    with pytest.raises(OutOfStep, match="inside step"):
        env.step(np.zeros(2, int))
    env.reset(seed=0)


@pytest.mark.parametrize(
    ("env", "actions", "words"),
    [
        (BatchedCartPole(2), [0, 2], r"actions\[1\]=2 is outside Discrete"),
        (BatchedCartPole(2), [0], "shape"),
        (BatchedCartPole(2), [0.0, 1.0], "dtype"),
        (BatchedPendulum(2), [[0.0], [2.1]], r"actions\[1, 0\]=2.0999"),
        (BatchedPendulum(2), [[0.0], [np.nan]], "outside"),
        (BatchedPendulum(2), [0.0, 0.0], "shape"),
    ],
)  # fmt: skip
def test_wrong_actions_move_nothing(env, actions, words: str) -> None:
    env.reset(seed=0)
    before = env.state.copy()
    with pytest.raises(ConfigError, match=words):
        env.step(np.array(actions))
    assert np.array_equal(env.state, before)
    env.step(np.zeros((2, *env.single_action_space.shape), env.single_action_space.dtype))


@pytest.mark.parametrize(
    "arguments", [{"num_envs": 0}, {"num_envs": 2.0}, {"num_envs": 2, "first_index": -1}]
)
def test_wrong_settings_are_refused(arguments) -> None:
    with pytest.raises(ConfigError):
        BatchedCartPole(**arguments)


# ---- with the trainer


def trainer(env=None, **changes) -> Trainer:
    config = PPOConfig(num_envs=16, num_steps=64, total_timesteps=16 * 64 * 6, **changes)
    return Trainer(config, env=env or BatchedCartPole(16))


def test_training_goes_on_to_the_last_bit_after_a_stop(tmp_path) -> None:
    whole, stopped = trainer(), trainer()
    all_stats = list(whole.run())
    for stats in stopped.run():
        if stats.iteration == 3:
            stopped.save(tmp_path / "run.ppo")
            break
    resumed = Trainer.resume(tmp_path / "run.ppo", env=BatchedCartPole(16))
    rest = list(resumed.run())
    assert torch.equal(whole.weights, resumed.weights)
    assert [s[:12] for s in rest] == [s[:12] for s in all_stats[3:]]


def test_training_goes_on_to_the_last_bit_after_an_interrupt() -> None:
    class Interrupted(BatchedCartPole):
        countdown = 200

        def step(self, actions):
            self.countdown -= 1
            result = super().step(actions)
            if self.countdown == 0:
                raise KeyboardInterrupt
            return result

    whole, interrupted = trainer(), trainer(Interrupted(16))
    list(whole.run())
    with pytest.raises(KeyboardInterrupt):
        list(interrupted.run())
    assert interrupted.iteration == 3
    list(interrupted.run())
    assert torch.equal(whole.weights, interrupted.weights)


def test_cartpole_is_learned() -> None:
    """Learned on arrays, evaluated in Gymnasium's own environment."""
    config = PPOConfig(num_envs=32, num_steps=64, total_timesteps=80_000, seed=1)
    with Trainer(config, env=BatchedCartPole(32)) as learner:
        before = learner.evaluate(10).mean
        *_, last = learner.run()
        assert before < 100 < last.episodic_return
        assert learner.evaluate(20).mean >= 475


def test_pendulum_runs_with_a_gaussian_policy() -> None:
    config = PPOConfig.preset("Pendulum-v1", num_steps=200, total_timesteps=16 * 200 * 2)
    with Trainer(config, env=BatchedPendulum(16)) as learner:
        stats = list(learner.run())
        assert [s.episodes for s in stats] == [16, 16] and stats[-1].episodic_length == 200
        assert -2200 < stats[-1].episodic_return < -500  # what a policy that knows nothing gets
        assert np.isfinite(learner.evaluate(2).returns).all()
