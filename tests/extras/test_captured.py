"""Training on one device: the numbers of the ordinary trainer, and no moment at which the host waits for the device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ppo_core import ActorCritic, CheckpointError, ConfigError, NonFiniteError, PPOConfig, Trainer
from ppo_core.extras import captured
from ppo_core.extras.batched import (
    BatchedCartPole,
    BatchedEnv,
    CartPole,
    Pendulum,
    TensorEnv,
)
from ppo_core.extras.captured import CapturedTrainer

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="platform: no CUDA device here")
GAMES = [CartPole, Pendulum]


def settings(game=CartPole, **changes) -> PPOConfig:
    return PPOConfig(
        **{
            "env_id": game.ENV_ID,
            "num_envs": 6,
            "num_steps": 45,
            "total_timesteps": 6 * 45 * 4,
            "seed": 3,
            **changes,
        }
    )


def trained(learner) -> list:
    return list(learner.run())


# ---- the oracle: the ordinary trainer


class TheTrainersNumbers(CapturedTrainer):
    """Draws what `Trainer` would draw, from one generator on the host."""

    def __init__(self, config, **arguments):
        super().__init__(config, **arguments)
        self.host = torch.Generator().manual_seed(config.seed)
        spaces = self.env.single_observation_space, self.env.single_action_space
        ActorCritic(*spaces, config.hidden_size, self.host)  # the initial weights come first

    def _noise(self):
        return self.policy.noise(self.config.num_steps, self.config.num_envs, generator=self.host)

    def _order(self):
        return torch.randperm(self.config.batch_size, generator=self.host)


def agrees(mine: CapturedTrainer, tolerance: float, iterations: int = 3) -> None:
    """The ordinary trainer on the same environments gives the same weights, rollouts and reports."""
    config = mine.config
    theirs = Trainer(config, env=BatchedEnv(mine.env.game, config.num_envs))
    torch.testing.assert_close(mine.weights, theirs.weights, atol=0, rtol=0)
    ended = []
    for _, ours, other in zip(range(iterations), mine.run(), theirs.run(), strict=False):
        for name in captured.TensorRollout._fields:
            a, b = getattr(mine.rollout, name), getattr(theirs.rollout, name)
            assert a.dtype == b.dtype and a.shape == b.shape, name
            torch.testing.assert_close(
                a, b, atol=100 * tolerance, rtol=100 * tolerance, msg=lambda m, n=name: n + m
            )
        difference = float((mine.weights - theirs.weights).detach().abs().max())
        assert difference < tolerance, f"weights differ by {difference}"
        for name in ("step", "exp_avg", "exp_avg_sq"):
            torch.testing.assert_close(
                mine.optimizer.state[mine.weights][name], theirs.optimizer.state[theirs.weights][name],
                atol=100 * tolerance, rtol=100 * tolerance,
            )  # fmt: skip
        assert (ours.iteration, ours.global_step, ours.episodes) == (
            other.iteration,
            other.global_step,
            other.episodes,
        )
        for name in ours._fields[5:-1]:
            if name != "explained_variance" or not np.isnan(other.explained_variance):
                assert getattr(ours, name) == pytest.approx(getattr(other, name), rel=1e-5, abs=1e-5), name
        ended.append(ours)
    episodes = sum(stats.episodes for stats in ended)
    if 0 < episodes <= 20:  # within the trainer's window
        total = sum(stats.episodic_return * stats.episodes for stats in ended if stats.episodes)
        assert total / episodes == pytest.approx(other.episodic_return, rel=1e-6)
        lengths = sum(stats.episodic_length * stats.episodes for stats in ended if stats.episodes)
        assert lengths / episodes == pytest.approx(other.episodic_length, rel=1e-6)


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-6)])
def test_an_iteration_is_the_ordinary_trainers(game, dtype: str, tolerance: float) -> None:
    agrees(
        TheTrainersNumbers(settings(game, dtype=dtype), every=1), tolerance, 3 if dtype == "float64" else 1
    )


def test_episodes_that_end_are_counted_as_the_trainer_counts_them() -> None:
    """Rollouts short enough that many of them end no episode, long enough in all that episodes pass through several."""
    config = settings(
        Pendulum, num_steps=30, num_envs=3, num_minibatches=1, update_epochs=1, total_timesteps=30 * 3 * 20
    )
    agrees(TheTrainersNumbers(config.replace(dtype="float64"), every=1), 1e-9, 20)


@pytest.mark.parametrize(
    "changes",
    [
        {"clip_value_loss": True, "normalize_advantages": False},
        {"max_grad_norm": 0.0, "anneal_lr": False, "num_minibatches": 7},
        {"target_kl": 1e-4},
    ],
)
def test_the_settings_mean_the_same(changes) -> None:
    config = settings(dtype="float64", **changes)
    # After a stop the two draw different numbers: there is one iteration to compare.
    agrees(TheTrainersNumbers(config, every=1), 1e-10, 1 if "target_kl" in changes else 2)


class WrongGae(TheTrainersNumbers):
    def __init__(self, config, **arguments):
        super().__init__(config, **arguments)
        self._gae = lambda *tensors: captured.compute_gae(*tensors[:-1], tensors[-1] * 0.999)


class TruncationIsTheEnd(TheTrainersNumbers):
    def __init__(self, config, **arguments):
        super().__init__(config, **arguments)
        self._gae = lambda r, v, n, end, out, *rest: captured.compute_gae(r, v, n, end | out, out, *rest)


class ForgetsToClip(TheTrainersNumbers):
    def update(self):
        kept, captured.clip_gradient = captured.clip_gradient, lambda grad, limit: grad.norm()
        try:
            super().update()
        finally:
            captured.clip_gradient = kept


class OneMoreEpoch(TheTrainersNumbers):
    def update(self):
        super().update()
        self.learning_rate.zero_()
        super().update()


class CountsEveryRollout(TheTrainersNumbers):
    def _count_episodes(self):
        super()._count_episodes()
        self.running.zero_()


class NeverAnneals(TheTrainersNumbers):
    def _iterate(self):
        self.clock.zero_()
        super()._iterate()


@pytest.mark.parametrize(
    "wrong", [WrongGae, TruncationIsTheEnd, ForgetsToClip, OneMoreEpoch, CountsEveryRollout, NeverAnneals]
)
def test_a_wrong_trainer_is_found(wrong) -> None:
    config = settings(Pendulum, num_steps=110, dtype="float64", update_epochs=1, total_timesteps=6 * 110 * 4)
    agrees(TheTrainersNumbers(config, every=1), 1e-9, 2)
    with pytest.raises(AssertionError):
        agrees(wrong(config, every=1), 1e-9, 2)


# ---- the host never waits


class NoQuestions(TorchDispatchMode):
    """Refuses every operation that tells the host something about a tensor's content."""

    REFUSED = ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal", "masked_select", "_unique2")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        chooses = func.overloadpacket.__name__ == "index" and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )  # with a mask: the size of the answer depends on its content
        if chooses or func.overloadpacket.__name__ in self.REFUSED:
            raise AssertionError(f"the host asked: {func}")
        return func(*args, **(kwargs or {}))


class OnMeta(CapturedTrainer):
    """On the device that has shapes and no content: whoever asks for content gets an error, `.numpy()` too."""

    def __init__(self, config):
        adam, torch.optim.Adam = torch.optim.Adam, lambda weights, rate, **_: torch.optim.SGD(weights, lr=1.0)
        try:  # the fused Adam is torch's own, and the other test sees it
            super().__init__(config, device="meta")
        finally:
            torch.optim.Adam = adam
        self.optimizer.step = lambda: None

    def _new_generator(self, seed):
        return None


def branch(learner):
    step = learner._env_step

    def asks(actions):
        result = step(actions)
        if result.terminated.any():
            pass
        return result

    learner._env_step = asks


def numpy(learner):
    act = learner._act
    learner._act = lambda obs, noise: act(torch.from_numpy(obs.numpy().copy()), noise)


def choose(learner):
    update = learner.update
    learner.update = lambda: (update(), learner.rollout.rewards[learner.rollout.terminated])


def printed(learner):
    loss = learner._loss

    def shows(*arguments):
        terms = loss(*arguments)
        f"{terms.loss:.3f}"
        return terms

    learner._loss = shows


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("changes", [{}, {"target_kl": 0.01, "clip_value_loss": True}])
def test_an_iteration_asks_no_tensor_for_its_value(game, changes) -> None:
    learner = CapturedTrainer(settings(game, **changes))
    with NoQuestions():
        learner._iterate()
        learner._iterate()
    assert float(learner.clock) == 2
    OnMeta(settings(game, **changes))._iterate()


@pytest.mark.parametrize("question", [branch, choose, printed])
def test_a_question_is_found(question) -> None:
    learner = CapturedTrainer(settings())
    question(learner)
    with pytest.raises(AssertionError, match="the host asked"), NoQuestions():
        learner._iterate()


@pytest.mark.parametrize("question", [branch, numpy, printed])
def test_a_question_is_found_on_a_device_without_content(question) -> None:
    learner = OnMeta(settings())
    question(learner)
    with pytest.raises((RuntimeError, NotImplementedError, TypeError)):
        learner._iterate()


def test_every_tensor_keeps_its_address() -> None:
    """A graph writes to the addresses that it was recorded with."""
    learner = CapturedTrainer(settings())

    def addresses():
        tensors = {
            **learner._static(),
            **learner.rollout._asdict(),
            "grad": learner.weights.grad,
            "rate": learner.learning_rate,
        }
        return {name: tensor.data_ptr() for name, tensor in tensors.items()}

    before = addresses()
    learner._iterate()
    learner._set_state(learner._state())
    learner._iterate()
    assert addresses() == before
    start = learner.weights.data_ptr()
    assert next(learner.policy.parameters()).data_ptr() == start  # and the network reads what Adam writes
    assert next(learner.policy.parameters()).grad.data_ptr() == learner.weights.grad.data_ptr()


# ---- reports, interrupts, checkpoints


def test_a_report_every_few_iterations_sums_up_the_reports_of_each() -> None:
    config = settings(total_timesteps=6 * 45 * 7)
    each, some = trained(CapturedTrainer(config, every=1)), trained(CapturedTrainer(config, every=3))
    assert [s.iteration for s in some] == [3, 6, 7] and [s.global_step for s in some] == [810, 1620, 1890]
    assert [s.episodes for s in some] == [sum(s.episodes for s in each[k : k + 3]) for k in (0, 3, 6)]
    for k, stats in zip((0, 3, 6), some, strict=True):
        for name in ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_frac", "grad_norm"):
            mean = np.mean([getattr(s, name) for s in each[k : k + 3]])
            assert getattr(stats, name) == pytest.approx(mean, rel=1e-9), name
    assert some[-1].learning_rate == pytest.approx(config.learning_rate / 7)
    assert all(s.steps_per_second > 0 for s in some)


def test_the_same_seed_gives_the_same_numbers() -> None:
    first, second, other = (CapturedTrainer(settings(seed=seed)) for seed in (1, 1, 2))
    for learner in (first, second, other):
        trained(learner)
    assert torch.equal(first.weights, second.weights) and not torch.equal(first.weights, other.weights)


def test_an_interrupt_goes_back_to_the_last_report() -> None:
    whole, stopped = CapturedTrainer(settings(), every=2), CapturedTrainer(settings(), every=2)
    trained(whole)
    step, countdown = stopped._env_step, iter(range(45 * 3 + 10))

    def interrupted(actions):
        if next(countdown, None) is None:
            stopped._env_step = step
            raise KeyboardInterrupt
        return step(actions)

    stopped._env_step = interrupted
    with pytest.raises(KeyboardInterrupt):
        trained(stopped)
    assert stopped.iteration == 2 and float(stopped.clock) == 2
    trained(stopped)
    assert torch.equal(whole.weights, stopped.weights)


def test_a_checkpoint_goes_on_to_the_last_bit(tmp_path) -> None:
    whole, stopped = CapturedTrainer(settings(), every=2), CapturedTrainer(settings(), every=2)
    last = trained(whole)[-1]
    next(stopped.run())
    stopped.save(tmp_path / "run.ppo")
    resumed = CapturedTrainer.resume(tmp_path / "run.ppo", every=2)
    assert trained(resumed)[-1][:-1] == last[:-1] and torch.equal(whole.weights, resumed.weights)


def test_the_trainer_takes_over(tmp_path) -> None:
    learner = CapturedTrainer(settings(), every=2)
    next(learner.run())
    learner.export(tmp_path / "run.ppo")
    for env in (None, BatchedCartPole(6)):
        with Trainer.resume(tmp_path / "run.ppo", env=env) as ordinary:
            assert torch.equal(ordinary.weights, learner.weights) and ordinary.iteration == 2
            for name, value in learner.optimizer.state[learner.weights].items():
                assert torch.equal(ordinary.optimizer.state[ordinary.weights][name], value)
            stats = next(ordinary.run())
            assert stats.iteration == 3 and stats.learning_rate == pytest.approx(settings().learning_rate / 2)


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path) -> None:
    with Trainer(settings()) as ordinary:
        ordinary.save(tmp_path / "ordinary.ppo")
    with pytest.raises(CheckpointError, match=r"Trainer\.resume"):
        CapturedTrainer.resume(tmp_path / "ordinary.ppo")
    learner = CapturedTrainer(settings())
    learner.save(tmp_path / "run.ppo")
    with pytest.raises(CheckpointError, match="not one of a trainer"):
        Trainer.resume(tmp_path / "run.ppo")
    with pytest.raises(ConfigError, match="seed cannot be changed"):
        CapturedTrainer.resume(tmp_path / "run.ppo", {"seed": 4})
    policy = ActorCritic(*CartPole.spaces(), 8)
    with pytest.raises(CheckpointError, match="exp_avg differs"):
        CapturedTrainer.resume(tmp_path / "run.ppo", policy=policy)
    assert (
        CapturedTrainer.resume(tmp_path / "run.ppo", {"total_timesteps": 6 * 45}).config.num_iterations == 1
    )


@pytest.mark.parametrize(("name", "row"), [("rewards", 3), ("obs", 0)])
def test_a_nan_of_the_environment_is_named_and_undone(name: str, row: int) -> None:
    learner = CapturedTrainer(settings(), every=2)
    reports = learner.run()
    next(reports)
    kept, step = learner.weights.clone(), learner._env_step

    def broken(actions):
        result = step(actions)
        result._asdict()[name][0] = float("nan")
        return result

    learner._env_step = broken
    with pytest.raises(
        NonFiniteError, match=f"^{name} holds a NaN or an infinity in update 3; .* of update 2$"
    ):
        next(reports)
    assert torch.equal(learner.weights, kept) and learner.iteration == 2
    learner._env_step = step
    assert trained(learner)[-1].iteration == 4


def test_a_nan_of_the_gradient_is_named() -> None:
    learner = CapturedTrainer(settings(), every=4)
    loss = learner._loss
    calls = iter(range(1000))

    def broken(*arguments):
        terms = loss(*arguments)
        return terms._replace(loss=terms.loss * float("nan")) if next(calls) == 20 else terms

    learner._loss = broken
    with pytest.raises(
        NonFiniteError,
        match=r"^loss or gradient norm holds a NaN or an infinity in update 2; .* of update 0$",
    ):
        trained(learner)
    assert torch.isfinite(learner.weights).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"config": settings(gradient="analytic")}, "analytic"),
        ({"config": settings(num_workers=2)}, "num_workers=2"),
        ({"config": settings(env_id="Acrobot-v1")}, "Acrobot-v1.*CartPole-v1 and Pendulum-v1"),
        ({"config": settings(), "every": 0}, "every=0"),
        ({"config": settings(), "graph": True}, "CUDA"),
        ({"config": settings(), "env": TensorEnv(CartPole, 5)}, "5 environments"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused(arguments, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        CapturedTrainer(**arguments)


def test_cartpole_is_learned() -> None:
    learner = CapturedTrainer(PPOConfig(num_envs=64, num_steps=32, total_timesteps=100_000, seed=1))
    before = learner.evaluate(10).mean
    first, *_, last = learner.run()
    assert first.episodic_return < 100 < 300 < last.episodic_return
    assert before < 100 and learner.evaluate(20).mean >= 475


# ---- with a GPU


def on_cuda(game=CartPole, **arguments) -> CapturedTrainer:
    config = settings(game, num_envs=64, num_steps=32, total_timesteps=64 * 32 * 6)
    return CapturedTrainer(config, device="cuda", every=2, **arguments)


@CUDA
@pytest.mark.parametrize("game", GAMES)
def test_the_graph_gives_the_numbers_of_its_recording(game) -> None:
    graph, eager = on_cuda(game), on_cuda(game, graph=False)
    for mine, theirs in zip(graph.run(), eager.run(), strict=True):
        assert mine.episodes == theirs.episodes and mine.entropy == pytest.approx(theirs.entropy, rel=1e-5)
        torch.testing.assert_close(graph.rollout.actions, eager.rollout.actions)
        torch.testing.assert_close(graph.weights, eager.weights, atol=1e-6, rtol=1e-5)
    again = on_cuda(game)
    trained(again)
    torch.testing.assert_close(again.weights, graph.weights, atol=1e-6, rtol=1e-5)


@CUDA
@pytest.mark.parametrize("game", GAMES)
def test_an_iteration_on_a_gpu_never_synchronises(game) -> None:
    learner = on_cuda(game, graph=False)
    learner._iterate()  # the first one loads kernels
    torch.cuda.synchronize()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        learner._iterate()
    finally:
        torch.cuda.set_sync_debug_mode(before)
    assert float(learner.clock) == 2


@CUDA
@pytest.mark.parametrize("game", GAMES)
def test_an_iteration_on_a_gpu_is_the_ordinary_trainers(game) -> None:
    class SameNumbers(TheTrainersNumbers):
        def _noise(self):
            return super()._noise().to(self.device)

        def _order(self):
            return super()._order().to(self.device)

    config = settings(game, dtype="float64")
    mine, theirs = (
        SameNumbers(config, device="cuda", graph=False, every=1),
        Trainer(config, env=BatchedEnv(game, 6)),
    )
    next(mine.run())
    next(theirs.run())
    assert torch.equal(mine.rollout.terminated.cpu(), theirs.rollout.terminated)
    torch.testing.assert_close(mine.weights.cpu(), theirs.weights, atol=1e-8, rtol=1e-8)


@CUDA
def test_a_graph_is_saved_and_goes_on(tmp_path) -> None:
    whole, stopped = on_cuda(), on_cuda()
    trained(whole)
    next(stopped.run())
    stopped.save(tmp_path / "run.ppo")
    resumed = CapturedTrainer.resume(tmp_path / "run.ppo", device="cuda", every=2)
    trained(resumed)
    torch.testing.assert_close(resumed.weights, whole.weights, atol=1e-6, rtol=1e-5)
    assert CapturedTrainer.resume(tmp_path / "run.ppo", device="cpu").iteration == 2


@CUDA
def test_steps_per_second_on_a_gpu(capsys) -> None:
    config = PPOConfig(num_envs=4096, num_steps=32, total_timesteps=4096 * 32 * 20)
    speed = {}
    for graph in (False, True):
        speed[graph] = trained(CapturedTrainer(config, device="cuda", every=5, graph=graph))[
            -1
        ].steps_per_second
    with capsys.disabled():
        print(f"\n{torch.cuda.get_device_name()}: {speed[False]:,.0f} steps/s, as a graph {speed[True]:,.0f}")
    assert speed[True] > speed[False]
