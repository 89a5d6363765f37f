"""The explorables compute what ppo_core computes, and one output serves JupyterLab and a page without a kernel.

The functions behind the pictures are run by Node on numbers that Python makes; the answers agree to 1e-6.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import ppo_core
from ppo_core.probes import corridor

explorables = pytest.importorskip("ppo_core.viz.explorables", reason="needs the lab extra (anywidget)")

FOLDER = Path(explorables.__file__).parent
ALL = [explorables.GAEExplorable, explorables.WorkerGantt, explorables.ClipLab]
TOLERANCE = 1e-6


def node(script: str, data: object = None) -> object:
    """Run an ES module script with `input` (JSON) at hand; returns the JSON that it passes to `answer`."""
    if shutil.which("node") is None:
        if os.environ.get("CI"):
            pytest.fail("Node is not installed, and CI must run these tests")
        pytest.skip("Node is not installed")
    program = (
        "import { readFileSync } from 'node:fs';\n"
        "const input = JSON.parse(readFileSync(0, 'utf8'));\n"
        "const answer = (x) => process.stdout.write(JSON.stringify(x));\n" + script
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program],
        input=json.dumps(data),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def module(name: str) -> str:
    return json.dumps((FOLDER / f"{name}.mjs").as_uri())


def random_rollout(seed: int, num_steps: int = 40) -> dict[str, list]:
    """One environment's rollout, with both kinds of ending."""
    rng = np.random.default_rng(seed)
    rewards, values, next_values = rng.normal(size=(3, num_steps)).tolist()
    terminated = rng.random(num_steps) < 0.15
    truncated = ~terminated & (rng.random(num_steps) < 0.15)
    return {
        "rewards": rewards,
        "values": values,
        "next_values": next_values,
        "terminated": terminated.tolist(),
        "truncated": truncated.tolist(),
    }


def package_advantages(rollout: dict[str, list], gamma: float, gae_lambda: float) -> np.ndarray:
    columns = {name: torch.tensor(column)[:, None] for name, column in rollout.items()}
    columns = {
        name: column.double() if column.is_floating_point() else column for name, column in columns.items()
    }
    return ppo_core.compute_gae(**columns, gamma=gamma, gae_lambda=gae_lambda).advantages[:, 0].numpy()


SETTINGS = list(itertools.product([0.0, 0.5, 0.99, 1.0], [0.0, 0.3, 0.95, 1.0]))


def test_gae_advantages_are_those_of_the_package() -> None:
    rollouts = [random_rollout(seed) for seed in range(5)]
    got = node(
        f"""import {{ advantages, deltas }} from {module("gae")};
        answer(input.rollouts.map((r) => input.settings.map(([g, l]) => [advantages(r, g, l), deltas(r, g)])));""",
        {"rollouts": rollouts, "settings": SETTINGS},
    )
    for rollout, answers in zip(rollouts, got, strict=True):
        for (gamma, gae_lambda), (advantages, deltas) in zip(SETTINGS, answers, strict=True):
            np.testing.assert_allclose(
                advantages, package_advantages(rollout, gamma, gae_lambda), atol=TOLERANCE, rtol=0
            )
            np.testing.assert_allclose(
                deltas, package_advantages(rollout, gamma, 0.0), atol=TOLERANCE, rtol=0
            )


def test_gae_weights_times_deltas_are_the_advantages() -> None:
    rollout = random_rollout(7)
    got = node(
        f"""import {{ weights }} from {module("gae")};
        answer(input.settings.map(([g, l]) => input.rollout.rewards.map((_, t) => weights(input.rollout, g, l, t))));""",
        {"rollout": rollout, "settings": SETTINGS},
    )
    for (gamma, gae_lambda), matrix in zip(SETTINGS, got, strict=True):
        deltas = package_advantages(rollout, gamma, 0.0)
        np.testing.assert_allclose(
            np.array(matrix) @ deltas, package_advantages(rollout, gamma, gae_lambda), atol=TOLERANCE, rtol=0
        )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99, 1.0])
def test_gae_critics_are_the_values_of_the_corridor(gamma: float) -> None:
    rollout, process = explorables.corridor_rollout()
    exact, none, one, untrained = node(
        f"""import {{ processValues, withCritic }} from {module("gae")};
        const {{ rollout, corridor, gamma }} = input;
        answer([processValues(corridor, gamma), processValues(corridor, gamma, 0), processValues(corridor, gamma, 1),
                withCritic(rollout, corridor, "untrained", gamma)]);""",
        {"rollout": rollout, "corridor": process, "gamma": gamma},
    )
    np.testing.assert_allclose(exact, corridor(5).exact_values(gamma), atol=TOLERANCE, rtol=0)
    assert none == [0.0] * 5
    assert one == process["rewards"]
    assert untrained == {**rollout, "values": [0] * 18, "next_values": [0] * 18}


def test_the_corridor_rollout_is_a_true_one_with_every_kind_of_ending() -> None:
    """The rings of the picture are the TD errors of the exact critic: in a deterministic world the exact advantages."""
    rollout, process = explorables.corridor_rollout()
    assert sum(rollout["terminated"]) == 1 and sum(rollout["truncated"]) == 1
    assert not (rollout["terminated"][-1] or rollout["truncated"][-1])  # and the last episode goes on
    exact = corridor(5).exact_advantages(0.99)
    td_errors = package_advantages(rollout, 0.99, 0.0)
    for t, (state, successor) in enumerate(zip(process["states"], process["next_states"], strict=True)):
        action = int(successor > state)
        assert td_errors[t] == pytest.approx(exact[state, action], abs=1e-6)
    for t in range(17):
        if not (rollout["terminated"][t] or rollout["truncated"][t]):
            assert process["next_states"][t] == process["states"][t + 1]


def clip_objectives(
    ratio: torch.Tensor, advantages: torch.Tensor, clip_coef: float
) -> dict[str, torch.Tensor]:
    """The three versions with a part missing, [B] each, as PyTorch computes them."""
    clipped = ratio.clamp(1 - clip_coef, 1 + clip_coef)
    return {
        "no clip": ratio * advantages,
        "no min": clipped * advantages,
        "min first": torch.min(ratio, clipped) * advantages,
    }


@pytest.mark.parametrize("clip_coef", [0.0, 0.1, 0.2, 0.5])
def test_clip_gains_and_pulls_are_those_of_the_package(clip_coef: float) -> None:
    """Values and gradients of PPO's own loss, one sample at a time, and of the broken versions, by autograd."""
    ratios = [0.0, 0.03, 0.31, 0.49, 0.77, 0.93, 1.04, 1.17, 1.33, 1.61, 2.0]
    cases = [(r, a) for r in ratios for a in (-2.0, -0.7, 0.0, 0.4, 1.0, 2.0)]
    kinds = ["ppo", "no clip", "no min", "min first"]
    got = node(
        f"""import {{ gain, pull }} from {module("clip")};
        answer(input.kinds.map((kind) => input.cases.map(([r, a]) => [gain(kind, r, a, input.clip_coef), pull(kind, r, a, input.clip_coef)])));""",
        {"kinds": kinds, "cases": cases, "clip_coef": clip_coef},
    )
    ratio, advantages = torch.tensor(cases, dtype=torch.float64).T
    for kind, answers in zip(kinds, got, strict=True):
        logprobs = ratio.log().requires_grad_()
        if kind == "ppo":
            zeros = torch.zeros(1, dtype=torch.float64)
            gains = torch.stack(
                [
                    -ppo_core.clipped_policy_loss(
                        logprobs[i : i + 1], zeros, advantages[i : i + 1], clip_coef
                    )
                    for i in range(len(cases))
                ]
            )
        else:
            gains = clip_objectives(logprobs.exp(), advantages, clip_coef)[kind]
        (pulls,) = torch.autograd.grad(gains.sum(), logprobs)
        expected = torch.stack([gains, pulls], 1).detach().numpy()
        np.testing.assert_allclose(answers, expected, atol=TOLERANCE, rtol=0, err_msg=kind)


def queue_of_workers(durations: np.ndarray, num_workers: int, cores: int, overhead: float) -> float:
    """The time of all steps, step by step and second by second: each free core takes the next waiting worker."""
    total = 0.0
    for row in durations:
        jobs = [float(part.sum()) for part in np.array_split(row, num_workers)]
        running: list[float] = []
        clock = 0.0
        while jobs or running:
            while jobs and len(running) < cores:
                running.append(clock + jobs.pop(0))
            clock = min(running)
            running.remove(clock)
        total += overhead + clock
    return total


@pytest.mark.parametrize(
    "num_envs, num_workers, cores", [(8, 4, 4), (7, 3, 2), (5, 5, 1), (1, 1, 8), (32, 16, 3)]
)
def test_worker_times_are_those_of_a_queue(num_envs: int, num_workers: int, cores: int) -> None:
    durations = np.random.default_rng(num_envs).gamma(2.0, 0.5, size=(20, num_envs))
    parallel, serial, shares = node(
        f"""import {{ share, simulateSerial, simulateWorkers }} from {module("workers")};
        const {{ durations, num_workers, cores }} = input;
        answer([simulateWorkers(durations, num_workers, cores, 0.25), simulateSerial(durations),
                share(durations[0].length, num_workers)]);""",
        {"durations": durations.tolist(), "num_workers": num_workers, "cores": cores},
    )
    assert parallel["time"] == pytest.approx(
        queue_of_workers(durations, num_workers, cores, 0.25), abs=TOLERANCE
    )
    assert serial["time"] == pytest.approx(durations.sum(), abs=TOLERANCE)
    assert parallel["busy"] == pytest.approx(durations.sum(), abs=TOLERANCE)
    assert shares == [part.tolist() for part in np.array_split(np.arange(num_envs), num_workers)]
    blocks = [(b["step"], b["env"]) for b in parallel["blocks"]]
    assert sorted(blocks) == list(
        itertools.product(range(20), range(num_envs))
    )  # each environment once a step


def test_step_times_have_the_mean_and_the_spread_that_the_sliders_say() -> None:
    wide, none = node(
        f"""import {{ stepTimes }} from {module("workers")};
        answer([stepTimes(4000, 4, 2.0, 0.5, 3), stepTimes(3, 2, 2.0, 0, 1)]);"""
    )
    times = np.array(wide)
    np.testing.assert_allclose(times.mean(0), [6.0, 2.0, 2.0, 2.0], rtol=0.03)
    np.testing.assert_allclose(times.std(0) / times.mean(0), 0.5, rtol=0.08)
    np.testing.assert_allclose(none, 2.0)


def test_cheap_steps_lose_and_long_steps_win() -> None:
    settings = {"num_envs": 8, "num_workers": 4, "cores": 4, "spread": 0, "slow": 1, "overhead_ms": 0.2}
    cheap, long, crowded = node(
        f"""import {{ compare }} from {module("workers")}; answer(input.map((s) => compare(s)));""",
        [{**settings, "mean_ms": 0.02}, {**settings, "mean_ms": 50}, {**settings, "mean_ms": 50, "cores": 1}],
    )
    assert cheap["speedup"] == pytest.approx(8 * 0.02 / (2 * 0.02 + 0.2))
    assert cheap["serialRate"] == pytest.approx(50_000)
    assert long["speedup"] == pytest.approx(8 * 50 / (2 * 50 + 0.2))
    assert crowded["speedup"] < 1  # four workers on one core only queue


@pytest.mark.parametrize("kind", ALL)
def test_the_page_and_jupyter_get_the_same_module_with_the_same_state(kind: type) -> None:
    explorable = kind()
    data = explorable._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == repr(explorable) == f"{explorable.title}: {explorable.description}"
    page = data["text/html"]
    assert page.count("</script>") == 2 and page.count("<script") == 2
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[1])
    assert state == json.loads(json.dumps(explorable.page_state()))
    assert str(explorable._esm) in page
    assert explorable.description in page
    addresses = set(re.findall(r"https?://[^\s\"')]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # a name, not a place
    assert len(page) < 60_000


@pytest.mark.parametrize("kind", ALL)
def test_the_module_stands_alone(kind: type) -> None:
    """One text without imports, which Node can load: nothing is declared twice, nothing is missing."""
    source = str(kind._esm)
    assert not re.search(r"^import ", source, re.MULTILINE)
    got = node(
        """const module = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(input));
        answer(typeof module.default.render);""",
        source,
    )
    assert got == "function"


@pytest.mark.parametrize("kind", ALL)
def test_a_slider_cannot_leave_its_range_from_python_either(kind: type) -> None:
    explorable = kind()
    for name in explorable.traits(page=True):
        trait = type(explorable).class_traits()[name]
        if getattr(trait, "min", None) is not None:
            with pytest.raises(explorables.traitlets.TraitError):
                setattr(explorable, name, trait.min - 1)


def test_text_with_tags_in_it_cannot_break_the_page() -> None:
    explorable = explorables.WorkerGantt(title="</script><b>", question="<!-- a & b -->")
    page = explorable.to_html()
    assert page.count("</script>") == 2 and "<b>" not in page
    state = re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[1]
    assert json.loads(state)["title"] == "</script><b>"
    assert json.loads(state)["question"] == "<!-- a & b -->"


def test_the_host_is_a_model_without_a_kernel() -> None:
    heard = node(
        f"""import {{ plainModel }} from {json.dumps((FOLDER / "host.mjs").as_uri())};
        const model = plainModel({{ a: 1 }}), heard = [];
        const listen = () => heard.push(model.get("a"));
        model.on("change:a", listen);
        model.set("a", 2); model.set("a", 2); model.save_changes();
        model.off("change:a", listen); model.set("a", 3);
        answer([heard, model.get("a")]);"""
    )
    assert heard == [[2], 3]


def test_a_rollout_of_ones_own() -> None:
    rollout = random_rollout(3, num_steps=6)
    shown = explorables.GAEExplorable(**{name: np.array(column) for name, column in rollout.items()})
    assert shown.rollout == rollout and shown.process is None
    with pytest.raises(ValueError, match="truncated not given"):
        explorables.GAEExplorable(**{name: column for name, column in rollout.items() if name != "truncated"})
    with pytest.raises(ValueError, match=r"values must be a list of T = 6 numbers"):
        explorables.GAEExplorable(**{**rollout, "values": np.zeros((6, 2))})


def test_scales_and_ticks() -> None:
    got = node(
        f"""import {{ brief, fixed, linear, ticks }} from {module("common")};
        answer([linear([0, 10], [0, 300])(5), linear([1, 1], [0, 8])(1), ticks(0, 1), ticks(-0.37, 0.92), ticks(2, 2),
                fixed(-0.001), fixed(-2), brief(12345), brief(0.012345), brief(Infinity), brief(-3)]);"""
    )
    assert got == [150, 4, [0, 0.5, 1], [0, 0.5], [2], "0.00", "−2.00", "12,300", "0.0123", "–", "−3"]
