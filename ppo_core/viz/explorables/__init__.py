"""Explorables: things to drag beside the formula. One ES module each, two hosts: a Jupyter front end, and a page alone.

In JupyterLab, VS Code and Colab an explorable is an anywidget, whose traits Python can read and set. Its output also
carries `text/html`, which holds the same module, its state and a small host: the built page runs it with no kernel,
no network and from a file, and a reader without JavaScript gets the description in words.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

_FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./common\.mjs";\n', re.MULTILINE)


def read_module(name: str) -> str:
    """The source of explorable `name` as one module that imports nothing: the shared library, then its own text."""
    common, own = ((_FOLDER / f"{part}.mjs").read_text(encoding="utf-8") for part in ("common", name))
    alone, imports = _IMPORT.subn("", own)
    if imports != 1:
        raise ValueError(
            f"{name}.mjs must import once from ./common.mjs, in one line; found {imports} such imports"
        )
    return re.sub(r"^export (?=const|function)", "", common, flags=re.MULTILINE) + alone


class Explorable(anywidget.AnyWidget):
    """Base class. A subclass gives `module` (the name of its .mjs file), `description`, and traits.

    Traits tagged `sync=True, page=True` are the state that both hosts share. `title`, `question` (asked above) and
    `explanation` (below, folded) are text that a chapter may replace; a line break starts a paragraph.
    """

    module = ""
    description = ""  # the explorable in words: for screen readers, for print, and where JavaScript is off

    title = traitlets.Unicode().tag(sync=True, page=True)
    question = traitlets.Unicode().tag(sync=True, page=True)
    explanation = traitlets.Unicode().tag(sync=True, page=True)

    _css = (_FOLDER / "common.css").read_text(encoding="utf-8")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "module" in cls.__dict__:  # anywidget subclasses again, for each instance
            cls._esm = read_module(cls.module)
        super().__init_subclass__(**kwargs)

    def page_state(self) -> dict[str, Any]:
        """What the page's host starts the explorable with."""
        return {name: getattr(self, name) for name in sorted(self.traits(sync=True, page=True))}

    def to_html(self) -> str:
        """The explorable as a piece of HTML that needs nothing else."""
        state = json.dumps(self.page_state()).replace("<", "\\u003c")  # no text can end the script
        host = (_FOLDER / "host.mjs").read_text(encoding="utf-8").replace("export function", "function")
        return (
            f'<style>{self._css}</style><div class="explorable" data-explorable="{self.module}" role="group" aria-label="{html.escape(self.title)}">'
            f'<script type="application/json">{state}</script>'
            f"<p><strong>{html.escape(self.title)}</strong></p><p>{html.escape(self.description)}</p>"
            "<noscript><p>With JavaScript this becomes a figure with controls to move.</p></noscript></div>"
            f'<script type="module">\n{self._esm}\n{host}\nstart("{self.module}", render);\n</script>'
        )

    def __repr__(self) -> str:
        return f"{self.title}: {self.description}"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data["text/html"] = self.to_html()
        data["text/plain"] = repr(self)
        return bundle


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


class WorkerGantt(Explorable):
    """Where the time of a step goes, with N environments in one process or shared out over worker processes.

    The model: a worker waits for its message (`overhead_ms`), then steps its environments one after the other; at most
    `cores` workers run at once; a step ends with the last worker. The policy's own time is left out.
    """

    module = "workers"
    description = (
        "Sliders for workers, environments, processor cores, the time of a step with its spread, one slow environment, and the overhead "
        "of a step, over two Gantt charts on one time axis: all environments in one process, and shared out over workers. "
        "Processes win when a step takes long compared with the overhead; each step waits for its last worker, and workers "
        "beyond the cores only queue."
    )

    num_workers = traitlets.Int(4, min=1, max=16).tag(sync=True, page=True)
    num_envs = traitlets.Int(8, min=1, max=32).tag(sync=True, page=True)
    cores = traitlets.Int(4, min=1, max=16).tag(sync=True, page=True)
    mean_ms = traitlets.Float(0.02, min=0.005, max=50.0).tag(sync=True, page=True)
    spread = traitlets.Float(0.2, min=0.0, max=1.0).tag(sync=True, page=True)
    slow = traitlets.Float(1.0, min=1.0, max=10.0).tag(sync=True, page=True)
    overhead_ms = traitlets.Float(0.2, min=0.0, max=5.0).tag(sync=True, page=True)

    @traitlets.default("title")
    def _title(self) -> str:
        return "Where the time of a step goes"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "Predict first: eight environments as cheap as CartPole, four workers on four cores. How much faster than one process? "
            "Then let a step take longer, until the workers win. What do more workers than cores bring? And what does one slow environment cost?"
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "A message to a worker and its waking up (hatched) cost about the same whether the environment needs a microsecond or a second. "
            "For a cheap environment that is most of the step, and one process is faster.\n"
            "Each step ends with its last worker: the more the step times spread, and the slower the slowest environment (amber), "
            "the longer the others wait (empty). Several environments in one worker even out the spread.\n"
            "Workers beyond the cores only queue. The numbers are those of this simple model: the chapter measures the real ones."
        )


class ClipLab(Explorable):
    """PPO's clipped objective for one sample: the ratio, the advantage, ε, and the parts of the formula one by one.

    `objective` is "ppo", or a version with a part missing: "no min" (the clipped product alone), "min first" (the
    smaller ratio is taken before the advantage comes in) or "no clip".
    """

    module = "clip"
    description = (
        "Sliders for the ratio, the advantage and ε, and a choice of objective, over two charts that share the ratio as their axis: what "
        "one sample adds to the objective, and its pull on the log-probability of the action. With the objective of PPO the pull is zero only "
        "where a good action has grown beyond 1 + ε or a bad one has shrunk below 1 − ε; on the other side it is whole."
    )

    ratio = traitlets.Float(1.0, min=0.01, max=2.0).tag(sync=True, page=True)
    advantage = traitlets.Float(1.0, min=-2.0, max=2.0).tag(sync=True, page=True)
    clip_coef = traitlets.Float(0.2, min=0.0, max=0.5).tag(sync=True, page=True)
    objective = traitlets.Enum(["ppo", "no min", "min first", "no clip"], "ppo").tag(sync=True, page=True)

    @traitlets.default("title")
    def _title(self) -> str:
        return "Clip lab: one sample"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "Predict first: the action was good (A = 1). For which ratios is the pull zero? And for which, if it was bad (A = −1)? "
            "Then move the ratio from 0 to 2, once for each.\n"
            "Now leave out the min, and ask again: on which side does a sample lose the pull that it needs?"
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "The min takes the smaller of two products. For a good action that is the clipped one above 1 + ε, for a bad action below 1 − ε: "
            "there the line is flat and the pull is zero. These are the samples that have moved far enough the way they should.\n"
            "On the other side ratio · A is the smaller one, and the line keeps its slope all the way. A good action that became rarer and "
            "a bad one that became more frequent are pulled back, however far outside they are.\n"
            "Without the min the line is flat on both sides, so that a sample on the wrong side is lost. With the min before the advantage, "
            "good actions look right, and bad ones are wrong on both sides: no way back above, and no limit below."
        )
