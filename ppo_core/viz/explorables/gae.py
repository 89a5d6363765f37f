"""GAE on one rollout: λ, γ and the quality of the critic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import traitlets

from ppo_core.viz.explorables.base import Explorable


class GAEExplorable(Explorable):
    """Generalized advantage estimation on one rollout of one environment: λ, γ, a step to look at, and a critic.

    Without arguments: a random walk in a corridor (`ppo_core.probes.corridor`) whose exact values are known, so
    that the critic can be chosen and the exact advantages are drawn. With a rollout of your own, lists of length T:

        GAEExplorable(rewards=..., values=..., next_values=..., terminated=..., truncated=...)
    """

    module = "gae"
    description = (
        "Sliders for λ, γ and a step t, over four charts that share the time axis: rewards and values, the TD errors δ, the "
        "weights (γλ)^l with which they count at step t, and the advantages A. Raising λ lets later TD errors of the same "
        "episode reach back; a termination or a truncation stops them."
    )

    rollout = traitlets.Dict().tag(sync=True, page=True)
    process = traitlets.Dict(allow_none=True).tag(sync=True, page=True)
    gamma = traitlets.Float(0.99, min=0.0, max=1.0).tag(sync=True, page=True)
    gae_lambda = traitlets.Float(0.0, min=0.0, max=1.0).tag(sync=True, page=True)
    step = traitlets.Int(0, min=0).tag(sync=True, page=True)
    critic = traitlets.Enum(["untrained", "half-trained", "exact"], "untrained").tag(sync=True, page=True)

    @traitlets.default("title")
    def _title(self) -> str:
        return "GAE, one step at a time"

    @traitlets.default("question")
    def _question(self) -> str:
        if self.process is None:
            return "Predict first: which steps will blame or praise an event that lies five steps ahead, with λ = 0 and with λ = 1? Then move λ."
        return (
            "A random walk in a corridor of five cells: leaving on the right pays 1, on the left 0.\n"
            "Predict first: this critic is untrained and says 0 everywhere. With λ = 0, which steps get an advantage other than 0? "
            "And with λ = 1? Then move λ, and after that choose a better critic."
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        ending = (
            "An ending stops the sum, whether terminated or truncated: no δ of the next episode counts. The difference lies in the last δ. "
            "Where the episode terminated there is no successor; where it was truncated V(next) still counts (the hollow dot)."
        )
        if self.process is None:
            return (
                "λ decides how far a surprise reaches back: its weight at a distance of l steps is (γλ)^l.\n"
                + ending
            )
        return (
            "With λ = 0 and an untrained critic only the step that was paid gets any credit: the critic has nothing to say about the steps that "
            "led there. Raising λ passes the credit back, further the nearer γλ is to 1; and with it the luck of every action on the way.\n"
            "With the exact critic it is the other way round: λ = 0 meets the exact advantages (the rings), and λ = 1 adds noise without "
            "being any nearer. λ is not a second discount: it says how much to trust the critic.\n" + ending
        )

    def __init__(
        self,
        rewards: Sequence[float] | None = None,
        values: Sequence[float] | None = None,
        next_values: Sequence[float] | None = None,
        terminated: Sequence[bool] | None = None,
        truncated: Sequence[bool] | None = None,
        **traits: Any,
    ):
        given = {
            "rewards": rewards,
            "values": values,
            "next_values": next_values,
            "terminated": terminated,
            "truncated": truncated,
        }
        if all(column is None for column in given.values()):
            rollout, process = corridor_rollout()
            traits = {"rollout": rollout, "process": process, **traits}
        else:
            traits = {"rollout": _checked_rollout(given), "process": None, **traits}
        super().__init__(**traits)


def corridor_rollout(num_steps: int = 18, seed: int = 10) -> tuple[dict[str, list], dict[str, list]]:
    """A random walk in the corridor, as a rollout of one environment, and the process behind it.

    Returns: the rollout with the exact critic's values for γ = 0.99, each a list of T numbers; and the Markov reward
    process of the uniform policy: transitions [S, S], rewards [S], and the states visited ([T], S means past the end).
    """
    import numpy as np

    from ppo_core.envs import SerialVectorEnv
    from ppo_core.probes import corridor

    tabular = corridor(5, time_limit=7)
    actions = np.random.default_rng(seed).integers(2, size=num_steps)
    end = len(tabular.rewards)
    index = lambda obs: int(obs.argmax()) if obs.any() else end  # noqa: E731
    with SerialVectorEnv([lambda: corridor(5, time_limit=7)]) as env:
        obs, rows = env.reset(seed=seed), []
        for action in actions:
            step = env.step(np.array([action]))
            rows.append(
                (
                    index(obs[0]),
                    index(step.next_obs[0]),
                    float(step.rewards[0]),
                    bool(step.terminated[0]),
                    bool(step.truncated[0]),
                )
            )
            obs = step.obs
    states, next_states, rewards, terminated, truncated = (list(column) for column in zip(*rows, strict=True))
    exact = [*tabular.exact_values(0.99).tolist(), 0.0]
    rollout = {
        "rewards": rewards,
        "values": [exact[state] for state in states],
        "next_values": [exact[state] for state in next_states],
        "terminated": terminated,
        "truncated": truncated,
    }
    process = {
        "transitions": tabular.transitions.mean(1).tolist(),
        "rewards": tabular.rewards.mean(1).tolist(),
        "states": states,
        "next_states": next_states,
    }
    return rollout, process


def _checked_rollout(given: dict[str, Any]) -> dict[str, list]:
    """Five lists of one length, of plain numbers and flags. Raises: ValueError that names the list."""
    missing = [name for name, column in given.items() if column is None]
    if missing:
        raise ValueError(f"a rollout needs {', '.join(given)}; {', '.join(missing)} not given")
    lists = {
        name: column.tolist() if hasattr(column, "tolist") else list(column) for name, column in given.items()
    }
    for name, column in lists.items():
        if (
            len(column) != len(lists["rewards"])
            or not column
            or any(hasattr(item, "__len__") for item in column)
        ):
            raise ValueError(
                f"{name} must be a list of T = {len(lists['rewards'])} numbers for one environment (pass rollout[:, 0])"
            )
    return {
        name: [bool(x) if name in ("terminated", "truncated") else float(x) for x in column]
        for name, column in lists.items()
    }
