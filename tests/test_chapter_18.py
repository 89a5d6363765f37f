"""Chapter 18: an idea that is switched off changes the cost and not the numbers, and the stored studies are whole."""

from __future__ import annotations

import pytest
import torch
from studies import load_script, read_study

from ppo_core import PPOConfig, Trainer
from ppo_core.analytic import squared_error, surrogate
from ppo_core.loss import approximate_kl, clipped_policy_loss, value_loss


@pytest.fixture
def ideas(monkeypatch: pytest.MonkeyPatch):
    return load_script("ch18_ideas", monkeypatch)


def trained(ideas, idea: str) -> list[torch.Tensor]:
    """The weights after three iterations with one idea off or on, layer by layer."""
    _, trainer, make, settings = ideas.IDEAS[idea]
    config = PPOConfig(num_envs=2, num_steps=16, total_timesteps=96, seed=3, **settings)
    with trainer(config, make(config) if make else None) as one:
        list(one.run())
        torch.set_num_threads(1)
        return [p.detach().clone() for p in one.policy.parameters()]


@pytest.mark.parametrize(
    "idea",
    [
        "NumPy actor",
        "values in one batch",
        "flat tensors, fused Adam",
        "first three together",
        "checks on first answers only",
        "gradient by hand",
    ],
)
def test_an_idea_changes_the_cost_and_not_the_numbers(ideas, idea: str) -> None:
    start = Trainer(PPOConfig(num_envs=2, num_steps=16, total_timesteps=96, seed=3))
    expected, before = trained(ideas, "core"), start.policy.parameters()
    start.close()
    assert max((e - b.detach()).abs().max() for e, b in zip(expected, before, strict=True)) > 1e-3
    for mine, theirs in zip(trained(ideas, idea), expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


def test_an_idea_that_is_off_is_really_off(ideas) -> None:
    """Each class does what its name says: the counts of calls are those of the missing idea."""
    config = PPOConfig(num_envs=2, num_steps=16, total_timesteps=64)
    with ideas.ValuesEveryStep(config) as one:
        count, ask = [], one._evaluate
        one._evaluate = lambda *arguments: count.append(1) or ask(*arguments)
        one.collect()
        assert len(count) == 16
    with ideas.TorchActor(config) as one:
        count, act = [], one.policy.act
        one.policy.act = lambda *arguments: count.append(1) or act(*arguments)
        one.collect()
        assert len(count) == 16
    with ideas.SeparateTensors(config) as one:
        assert len(one.optimizer.param_groups[0]["params"]) == 12
        memory = {p.untyped_storage().data_ptr() for p in one.policy.parameters()}
        assert len(memory) == 12 and not one.optimizer.param_groups[0]["fused"]
    with Trainer(config) as one:
        assert len({p.untyped_storage().data_ptr() for p in one.policy.parameters()}) == 1


def test_the_table_of_ideas_is_whole(ideas) -> None:
    header, rows = read_study("ch18_ideas")
    rounds = int(header["rounds"])
    assert header["command"] == "python benchmarks/ch18_ideas.py" and rounds >= 5
    assert {(row["size"], row["idea"], row["round"]) for row in rows} == {
        (size, idea, str(k)) for size in ideas.SIZES for idea in ideas.IDEAS for k in range(1, rounds + 1)
    }
    for row in rows:
        cpu, parts = float(row["cpu_seconds"]), float(row["collect_seconds"]) + float(row["update_seconds"])
        assert 0 < parts <= cpu * 1.01 and row["kind"] == ideas.IDEAS[row["idea"]][0]


def test_the_table_of_the_compiler_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    study = load_script("ch18_compile", monkeypatch)
    header, rows = read_study("ch18_compile")
    assert header["command"] == "python benchmarks/ch18_compile.py"
    assert [int(row["rows"]) for row in rows] == [
        n for n in study.SIZES for _ in range(int(header["rounds"]))
    ]
    assert all(float(row["start_up_seconds"]) > 1 and float(row["by_hand_us"]) > 0 for row in rows)


@pytest.mark.parametrize("clip_coef", [0.1, 0.3])
def test_the_first_derivatives_are_those_of_autograd(clip_coef: float) -> None:
    """`surrogate` and `squared_error`, which the chapter derives, against the package's losses and torch's gradient."""
    generator = torch.Generator().manual_seed(18)
    new, old, advantages, values, returns, old_values = torch.randn(
        6, 200, generator=generator, dtype=torch.float64
    )
    new, old = 0.3 * new, 0.3 * old
    leaf = new.clone().requires_grad_()
    loss = clipped_policy_loss(leaf, old, advantages, clip_coef)
    loss.backward()
    got, derivative, kl, clip_frac = surrogate(*(x.numpy() for x in (new, old, advantages)), clip_coef)
    assert got == pytest.approx(loss.item()) and kl == pytest.approx(approximate_kl(new, old).item())
    assert clip_frac == pytest.approx((((new - old).exp() - 1).abs() > clip_coef).double().mean().item())
    torch.testing.assert_close(torch.from_numpy(derivative), leaf.grad)
    for around in (None, old_values):
        leaf = values.clone().requires_grad_()
        loss = value_loss(leaf, returns, around, None if around is None else clip_coef)
        loss.backward()
        arrays = (values.numpy(), returns.numpy(), None if around is None else around.numpy())
        got, derivative = squared_error(*arrays, clip_coef)
        assert got == pytest.approx(loss.item())
        torch.testing.assert_close(torch.from_numpy(derivative), leaf.grad)
