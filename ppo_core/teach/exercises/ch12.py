"""Exercises of chapter 12, how to find out why it does not learn."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ppo_core.teach.exercise import Case, Exercise, Misconception, Wrong

# ---------------------------------------------------------------------------------------------------------------
# explained_variance(values, returns) -> a number; both are [T, N]


def explained_variance(values, returns):
    """The reference: one minus the variance of the errors over the variance of the returns."""
    import torch

    variance = returns.var(correction=0)
    if variance == 0:
        return torch.tensor(float("nan"))
    return 1 - (returns - values).var(correction=0) / variance


def explained_by_pairs(values, returns):
    """The oracle: a variance is half the mean squared difference of all pairs; no mean is computed."""

    def spread(numbers: list[float]) -> float:
        return sum((a - b) ** 2 for a in numbers for b in numbers) / (2 * len(numbers) ** 2)

    targets = np.asarray(returns, np.float64).ravel().tolist()
    errors = (np.asarray(returns, np.float64) - np.asarray(values, np.float64)).ravel().tolist()
    return 1 - spread(errors) / spread(targets) if spread(targets) else math.nan


def _explained(
    formula: Callable[[np.ndarray, np.ndarray], Any],
) -> Callable[..., Any]:
    """A wrong explained variance, from a formula on arrays in float64."""

    def wrong(values, returns):
        with np.errstate(all="ignore"):
            return formula(np.asarray(values, np.float64), np.asarray(returns, np.float64))

    return wrong


def _critic(values: Any, returns: Any) -> Callable[[], tuple]:
    def arguments() -> tuple:
        import torch

        return torch.tensor(values), torch.tensor(returns)

    return arguments


def _nothing_to_explain(answer: Callable[..., Any]) -> None:
    """Raise Wrong unless equal returns give NaN."""
    import torch

    values, returns = torch.tensor([[0.5], [0.0], [1.0]]), torch.ones(3, 1)
    try:
        got = float(answer(values, returns))
    except ZeroDivisionError:
        got = math.inf
    if not math.isnan(got):
        raise Wrong(
            f"Right wherever there is something to explain. Where all returns are equal the variance below the line is 0, and the answer was {got:g}. "
            "Answer NaN there: nothing can be explained or left unexplained. Read: chapter 12, 'Five numbers on paper'."
        )


EXPLAINED_VARIANCE = Exercise(
    name="explained_variance",
    chapter=12,
    prompt="Write the share of the variance of the returns that the critic explains.",
    hints=(
        "Two variances: that of what the critic gets wrong, and that of what there was to explain.",
        "One minus a quotient. The variance subtracts the mean first: `(returns - values).var(correction=0)`.",
        "variance = returns.var(correction=0); return 1 - (returns - values).var(correction=0) / variance, and NaN where variance is 0.",
    ),
    cases=(
        Case(
            "a perfect critic",
            "Nothing is left unexplained, so the answer is 1.",
            read="Five numbers on paper",
            arguments=_critic([[1.0], [2.0], [4.0]], [[1.0], [2.0], [4.0]]),
        ),
        Case(
            "a constant critic",
            "A constant leaves the whole variance, so the answer is 0.",
            read="Five numbers on paper",
            arguments=_critic([[3.0], [3.0], [3.0]], [[1.0], [2.0], [4.0]]),
        ),
        Case(
            "several steps and environments",
            "All T · N numbers count as one sample.",
            read="Five numbers on paper",
            arguments=_critic([[1.0, 0.5], [2.5, 2.0], [3.0, 6.0]], [[1.0, 1.0], [2.0, 3.0], [5.0, 4.0]]),
        ),
        Case(
            "off by ten",
            "A variance subtracts the mean: a critic that is wrong by the same amount everywhere has errors without variance.",
            read="Five numbers on paper",
            arguments=_critic([[11.0], [12.0], [15.0]], [[1.0], [2.0], [4.0]]),
        ),
        Case(
            "worse than a constant",
            "It may be negative: nothing holds it at 0.",
            read="Five numbers on paper",
            arguments=_critic([[4.0], [2.0], [1.0]], [[1.0], [2.0], [4.0]]),
        ),
        Case("nothing to explain", "", test=_nothing_to_explain),
    ),
    reference=explained_variance,
    oracle=explained_by_pairs,
    misconceptions=(
        Misconception(
            "the unexplained share",
            _explained(lambda v, r: (r - v).var() / r.var()),
            "This is the share that is left unexplained. Explained is one minus that.",
            read="Five numbers on paper",
        ),
        Misconception(
            "mean squared error",
            _explained(lambda v, r: 1 - np.mean((r - v) ** 2) / r.var()),
            "The numerator is the mean squared error. A variance subtracts the mean of the errors first: the explained variance does not see "
            "a critic that is wrong by the same amount everywhere.",
            read="Five numbers on paper",
        ),
        Misconception(
            "variance of the values",
            _explained(lambda v, r: v.var() / r.var()),
            "This is how much the values vary, not how much of the returns they explain: values turned upside down vary just as much. "
            "Look at the variance of returns - values.",
            read="Five numbers on paper",
        ),
        Misconception(
            "divided by the values",
            _explained(lambda v, r: 1 - (r - v).var() / v.var()),
            "The variance in the denominator is that of the values. What is there to be explained are the returns.",
            read="Five numbers on paper",
        ),
        Misconception(
            "standard deviations",
            _explained(lambda v, r: 1 - (r - v).std() / r.std() if r.std() else math.nan),
            "These are standard deviations. The share of the variance needs their squares.",
            read="Five numbers on paper",
        ),
        Misconception(
            "squared correlation",
            _explained(lambda v, r: np.corrcoef(v.ravel(), r.ravel())[0, 1] ** 2),
            "This is the squared correlation, which first stretches and shifts the values so that they fit best, and calls a critic that is upside "
            "down a good one. The critic is judged as it is.",
            read="Five numbers on paper",
        ),
        Misconception(
            "held at zero",
            _explained(lambda v, r: max(0.0, explained_by_pairs(v, r))),
            "Something holds it at 0. A critic can be worse than a constant, and a negative number says so.",
            read="Five numbers on paper",
        ),
        Misconception(
            "each environment by itself",
            _explained(lambda v, r: np.mean(1 - (r - v).var(0) / r.var(0))),
            "The variances are taken along one axis and averaged afterwards. All T · N numbers are one sample: flatten them.",
            read="Five numbers on paper",
        ),
    ),
    crash_help={
        "float division by zero": "All returns are equal in this case: answer NaN.",
        "dim": "Leave `dim` out: all T · N numbers are one sample.",
    },
    note="And it says nothing about a constant offset.",
)

# ---------------------------------------------------------------------------------------------------------------
# first_log_line(advantages, values, returns, entropy, vf_coef, ent_coef) -> [policy loss, KL, clip fraction, value loss, loss]


def first_log_line(advantages, values, returns, entropy, vf_coef, ent_coef):
    """The reference: three zeros that need no computation, and two numbers that do."""
    value_loss = 0.5 * (values - returns).square().mean()
    loss = vf_coef * value_loss - ent_coef * entropy.mean()
    return [0.0, 0.0, 0.0, float(value_loss), float(loss)]


def log_line_by_the_formula(advantages, values, returns, entropy, vf_coef, ent_coef):
    """The oracle: every term of the loss written out, sample by sample, with ratios of 1."""
    rows = [np.asarray(x, np.float64).tolist() for x in (advantages, values, returns, entropy)]
    count, raw = len(rows[0]), rows[0]
    middle = sum(raw) / count
    deviation = math.sqrt(sum((a - middle) ** 2 for a in raw) / (count - 1))
    ratio, gains, log_ratio = 1.0, [], 0.0
    for a in raw:
        normal = (a - middle) / (deviation + 1e-8)
        gains.append(min(ratio * normal, min(max(ratio, 0.8), 1.2) * normal))
    policy_loss = -sum(gains) / count
    value_loss = sum((v - r) ** 2 for v, r in zip(rows[1], rows[2], strict=True)) / (2 * count)
    loss = policy_loss + vf_coef * value_loss - ent_coef * sum(rows[3]) / count
    return [policy_loss, (ratio - 1) - log_ratio, float(abs(ratio - 1) > 0.2), value_loss, loss]


def _line(
    policy: str = "zero",
    kl: float = 0.0,
    clipped: float = 0.0,
    half: float = 0.5,
    bonus: float = -1.0,
    weight: str = "c1",
) -> Callable[..., Any]:
    """A wrong line, with one thing changed."""

    def wrong(advantages, values, returns, entropy, vf_coef, ent_coef):
        raw, v, r, h = (np.asarray(x, np.float64) for x in (advantages, values, returns, entropy))
        policy_loss = {"zero": 0.0, "raw": -raw.mean(), "raw, no minus": raw.mean()}[policy]
        value_loss = half * np.mean((v - r) ** 2)
        c1 = {"c1": vf_coef, "one": 1.0}[weight]
        return np.array(
            [
                policy_loss,
                kl,
                clipped,
                value_loss,
                policy_loss + c1 * value_loss + bonus * ent_coef * h.mean(),
            ]
        )

    return wrong


def _minibatch(
    count: int, seed: int, vf_coef: float = 0.5, ent_coef: float = 0.01, scale: float = 1.0
) -> Callable[[], tuple]:
    def arguments() -> tuple:
        import torch

        generator = torch.Generator().manual_seed(seed)
        advantages, values, errors = scale * torch.randn(3, count, generator=generator) + 1.5
        entropy = 0.3 + 0.35 * torch.rand(count, generator=generator)
        return advantages, values, values + errors, entropy, vf_coef, ent_coef

    return arguments


FIRST_LOG_LINE = Exercise(
    name="first_log_line",
    chapter=12,
    axes=("number",),
    prompt="Say what a sound trainer reports for the first minibatch of an update, before it has made a step.",
    hints=(
        "What is the ratio of every sample before the first step? Three of the five numbers follow from it without any computation.",
        "Advantages are normalised in the minibatch, so their mean is 0, and with it the policy loss.",
        "value_loss = 0.5 * (values - returns).square().mean(); return [0.0, 0.0, 0.0, value_loss, vf_coef * value_loss - ent_coef * "
        "entropy.mean()]",
    ),
    cases=(
        Case(
            "no bonus",
            "The loss is then c₁ times the value loss, and nothing else.",
            read="The first minibatch has a ratio of 1 and a loss of 0",
            arguments=_minibatch(5, 1, ent_coef=0.0),
        ),
        Case(
            "the usual weights",
            "The loss is policy loss + c₁ · value loss - c₂ · mean entropy.",
            read="The first minibatch has a ratio of 1 and a loss of 0",
            arguments=_minibatch(8, 2),
        ),
        Case(
            "large advantages",
            "The scale of the advantages does not matter: they are normalised.",
            read="The first minibatch has a ratio of 1 and a loss of 0",
            arguments=_minibatch(8, 3, scale=50.0),
        ),
        Case(
            "other weights",
            "c₁ is `vf_coef` and c₂ is `ent_coef`, not always the defaults.",
            read="The first minibatch has a ratio of 1 and a loss of 0",
            arguments=_minibatch(6, 4, vf_coef=2.0, ent_coef=0.3),
        ),
    ),
    reference=first_log_line,
    oracle=log_line_by_the_formula,
    tolerance=1e-3,
    misconceptions=(
        Misconception(
            "raw advantages",
            _line(policy="raw"),
            "The policy loss is minus the mean of the raw advantages here. They are normalised in each minibatch first, so that their mean is 0.",
            read="The first minibatch has a ratio of 1 and a loss of 0",
        ),
        Misconception(
            "raw advantages, sign",
            _line(policy="raw, no minus"),
            "The policy loss is the mean of the raw advantages here. A loss has a minus sign, and the advantages are normalised: their mean is 0.",
            read="The first minibatch has a ratio of 1 and a loss of 0",
        ),
        Misconception(
            "ratio of zero",
            _line(clipped=1.0),
            "All samples count as clipped here. The ratio of an unchanged policy is 1, the middle of the interval, and not 0.",
            read="The first minibatch has a ratio of 1 and a loss of 0",
        ),
        Misconception(
            "KL of one",
            _line(kl=1.0),
            "The KL divergence of a policy to itself is 0. It is the ratio that is 1.",
            read="The first minibatch has a ratio of 1 and a loss of 0",
        ),
        Misconception(
            "no half",
            _line(half=1.0),
            "The value loss is half the mean squared error; the half is missing.",
            read="The critic does plain regression",
        ),
        Misconception(
            "bonus added",
            _line(bonus=1.0),
            "The bonus is added to the loss. A loss is made small, so that this would push the entropy down: subtract it.",
            read="With nothing else to learn, the bonus raises the entropy",
        ),
        Misconception(
            "bonus forgotten",
            _line(bonus=0.0),
            "The loss has three parts: the entropy bonus is missing.",
            read="With nothing else to learn, the bonus raises the entropy",
        ),
        Misconception(
            "weight forgotten",
            _line(weight="one"),
            "The value loss enters the whole loss with its weight `vf_coef`.",
            read="The critic does plain regression",
        ),
    ),
    note="Three zeros for free.",
)

# ---------------------------------------------------------------------------------------------------------------
# my_test(core): accepts the sound package and rejects eight ways to get compute_gae wrong

WANTED = {  # the specimens that the reader's test must reject, and what a test that misses them has not looked at
    "gae-without-ends": "what an episode's end, of either kind, does to the sum",
    "truncation-is-ignored": "an episode that is cut by a time limit, with another one below it",
    "truncation-is-termination": "a truncated row whose successor has a value other than 0",
    "done-one-step-late": "an end in the middle of the rollout, with rows before and after it that differ",
    "reward-one-step-late": "rewards that differ from row to row",
    "rollout-edge-is-zero": "a last row that has not ended, and whose successor has a value",
    "last-row-left-out": "the advantage of the last row",
    "gamma-is-missing": "a γ below 1 and at least two rows of one episode",
}


def my_test(core):
    """The reference: five rows by hand; row 1 is truncated, row 3 terminates, and row 4 goes on."""
    import torch

    def column(*numbers: Any) -> Any:
        return torch.tensor(numbers)[:, None]

    rewards, values = column(1.0, 2.0, 3.0, 4.0, 5.0), column(1.0, 0.0, 2.0, 1.0, 3.0)
    next_values = column(0.0, 6.0, 1.0, 100.0, 8.0)
    terminated = column(False, False, False, True, False)
    truncated = column(False, True, False, False, False)
    gae = core.compute_gae(rewards, values, next_values, terminated, truncated, 0.5, 0.5)
    # δ = 1 + 0 - 1, 2 + 3 - 0, 3 + 0.5 - 2, 4 - 1, 5 + 4 - 3
    torch.testing.assert_close(gae.advantages, column(0 + 5 / 4, 5.0, 1.5 + 3 / 4, 3.0, 6.0))


def _accepts_the_sound(test: Callable[[ModuleType], Any]) -> None:
    """Raise Wrong unless the test takes a core, and says nothing about the sound one."""
    from ppo_core.teach import zoo

    if not callable(test):
        raise Wrong("Pass the test itself, a function of `core`, without calling it.")
    said: list[Any] = []
    complaint = zoo.complaint(lambda core: said.append(test(core)), zoo.sound())
    if complaint:
        raise Wrong(
            f"The test rejects the sound package: {complaint}. Before a test may accuse a trainer it must accept a right one. Compute its "
            "expectation once more by hand: which row ended, and how? Read: chapter 12, 'An episode knows nothing of the next one'."
        )
    if said and isinstance(said[0], (bool, np.bool_)):
        raise Wrong(
            "The test returns True or False, and nobody looks at that. A test speaks by an AssertionError: write `assert ...` or `assert_close(...)`. "
            "Read: chapter 12, 'What must hold exactly'."
        )


def _rejects(*names: str) -> Callable[[Callable[[ModuleType], Any]], None]:
    """A case: each of the named specimens is rejected."""

    def case(test: Callable[[ModuleType], Any]) -> None:
        from ppo_core.teach import zoo

        missed = [name for name in names if not zoo.caught(test, name)]
        if missed and not any(zoo.caught(test, name) for name in WANTED):
            raise Wrong(_catches_nothing(test))
        if missed:
            ideas = "".join(f"\n{name} slips through. Not looked at: {WANTED[name]}." for name in missed)
            raise Wrong(
                f"{len(names) - len(missed)} of {len(names)} of this group are caught.{ideas}\n"
                "Read: chapter 12, 'An episode knows nothing of the next one'."
            )

    return case


def _catches_nothing(test: Callable[[ModuleType], Any]) -> str:
    """Why a test may catch none at all."""
    try:
        text = inspect.getsource(test)
    except (OSError, TypeError):
        text = ""
    body = text.partition(":")[2]
    if "core" not in body.replace("ppo_core", ""):
        return (
            "The test catches nothing, and its argument `core` is not used: it tests the installed, sound package again and again. "
            "Call core.compute_gae."
        )
    return (
        "The test accepts the sound package and every broken one: it catches nothing. Shapes and types are right in all of them. "
        "Compare numbers, with several rows, different rewards, and an end in the middle."
    )


MY_TEST = Exercise(
    name="my_test",
    chapter=12,
    prompt="Write a test of compute_gae that accepts the sound core and rejects eight broken ones.",
    hints=(
        "One rollout of one environment is enough, if every row is different: one row in the middle that is truncated, one that terminates, and "
        "a last row that goes on.",
        "Choose γ = λ = 0.5, so that the numbers stay easy. Write down δ of each row, then the advantages from the last row backwards; an end of "
        "either kind stops the sum.",
        "Tensors are [T, 1]. Five rows, row 1 truncated with a successor worth 6, row 3 terminated with a successor 'worth' 100 that must not "
        "count; then assert_close(gae.advantages, expected).",
    ),
    cases=(
        Case("the sound package", "", test=_accepts_the_sound),
        Case(
            "ends",
            "",
            test=_rejects(
                "gae-without-ends", "truncation-is-ignored", "truncation-is-termination", "done-one-step-late"
            ),
        ),
        Case(
            "rows and edges",
            "",
            test=_rejects(
                "reward-one-step-late", "rollout-edge-is-zero", "last-row-left-out", "gamma-is-missing"
            ),
        ),
    ),
    reference=my_test,
    note="It accepts the sound package and rejects eight broken ones.",
)

# ---------------------------------------------------------------------------------------------------------------
# diagnose() -> {patient: diagnosis}

WARD = {  # letter: specimen, in the data of the bug hunt
    "A": "ratio-always-one",
    "B": "returns-normalised-per-batch",
    "C": "entropy-of-the-chosen-action",
    "D": "values-broadcast",
    "E": "return-is-never-reset",
    "F": "",
}
HEALTHY = "healthy"
DIAGNOSES = tuple(sorted([*filter(None, WARD.values()), "entropy-sign", "nothing-is-logged", HEALTHY]))
AGAINST = {  # (right, answered): what in the numbers tells the two apart; an answer alone stands for every patient
    ("ratio-always-one", HEALTHY): "Its approx_kl and clip_frac are exactly 0 throughout, though its entropy falls: a policy that moves has ratios other than 1.",
    ("ratio-always-one", "entropy-sign"): "Its entropy does fall fast, but look at approx_kl: exactly 0 in every update. A wrong sign would not do that.",
    ("returns-normalised-per-batch", "values-broadcast"): "Both critics explain nothing. But a value loss of one half, whatever the returns, is the variance of numbers that were normalised to 1, divided by two; with a broadcast it has the size of the returns.",
    ("values-broadcast", "returns-normalised-per-batch"): "Both critics explain nothing. But this value loss has the size of the returns' variance and changes with them; after a normalisation it would stay at one half.",
    ("entropy-of-the-chosen-action", "entropy-sign"): "A wrong sign lets the entropy fall, but it begins at log 2 ≈ 0.69 like any other. This one begins at half of that, in the first update: it is measured wrongly.",
    ("entropy-of-the-chosen-action", HEALTHY): "Two actions and an untrained policy: the entropy must begin at log 2 ≈ 0.69. Half of it is no entropy of a whole distribution.",
    ("return-is-never-reset", HEALTHY): "An episode of CartPole ends after 500 steps, so no mean return can be above 500.",
    ("", "values-broadcast"): "An explained variance below 0 at the end is no illness here: the returns are all nearly the same, and the value loss is almost 0. In the middle of the run it was near 1.",
    ("", "entropy-sign"): "The entropy falls slowly and stays well above 0. That is what learning looks like.",
}  # fmt: skip


def ward() -> dict[str, dict[str, list[float | None]]]:
    """Six patients: what each reported, one list per metric. The numbers are those of the bug hunt."""
    from ppo_core.viz import explorables

    path = Path(explorables.__file__).with_name("bughunt.json")
    patients = json.loads(path.read_text(encoding="utf-8"))["patients"]
    return {letter: patients[name] for letter, name in WARD.items()}


def diagnose():
    """The reference."""
    return {letter: name or HEALTHY for letter, name in WARD.items()}


def _diagnosed(answer: Callable[[], Any]) -> dict[str, str]:
    """What the reader answered. Raises: Wrong if it is no dictionary of known diagnoses for every patient."""
    said = answer() if callable(answer) else answer
    if said is None:
        raise Wrong("The function returned nothing. Is the line with `return` missing?")
    if not isinstance(said, dict):
        raise Wrong(
            f"The answer should be a dictionary, patient to diagnosis, but it is of type {type(said).__name__}."
        )
    missing = [letter for letter in WARD if letter not in said]
    if missing:
        raise Wrong(f"No diagnosis for patient {', '.join(missing)}.")
    unknown = [str(name) for letter, name in said.items() if letter in WARD and name not in DIAGNOSES]
    if unknown:
        raise Wrong(f"{unknown[0]!r} is not one of the diagnoses: {', '.join(DIAGNOSES)}.")
    return said


def _form_of_the_answer(answer: Any) -> None:
    _diagnosed(answer)


def _patient(letter: str, clue: str) -> Case:
    """One case per patient: the message says what tells the right diagnosis from the given one."""

    def test(answer: Any) -> None:
        said, right = _diagnosed(answer)[letter], WARD[letter]
        if said == (right or HEALTHY):
            return
        told = AGAINST.get((right, said), clue)
        raise Wrong(f"Patient {letter} is not {said!r}. {told} Read: chapter 12, 'The metrics, one by one'.")

    return Case(f"patient {letter}", "", test=test)


DIAGNOSE = Exercise(
    name="diagnose",
    chapter=12,
    prompt="Name the illness of each patient.",
    hints=(
        "Begin with what is impossible: a return above 500, an entropy that does not begin at log 2, a KL divergence of exactly 0.",
        "Then the critics: where does the explained variance stay at 0, and which size has the value loss there?",
        "One patient is healthy: at the end of its run all returns are equal, so that there is nothing to explain.",
    ),
    cases=(
        Case("the form", "", test=_form_of_the_answer),
        _patient("A", "Its approx_kl is exactly 0 in every update, while its entropy falls."),
        _patient(
            "B",
            "Its value loss is one half throughout, however large the returns become: its target has lost its unit.",
        ),
        _patient(
            "C", "Its entropy begins at about 0.35, half of log 2. No policy with two actions begins there."
        ),
        _patient(
            "D",
            "Its explained variance stays at 0, and its value loss is as large as the variance of the returns.",
        ),
        _patient(
            "E",
            "Its mean return is above 500, which no episode of CartPole can reach: look at what is measured, not at what is learned.",
        ),
        _patient("F", "All that it reports also occurs in the healthy runs at the beginning of the chapter."),
    ),
    reference=diagnose,
    note="Six patients, one of them healthy.",
)

EXERCISES = (EXPLAINED_VARIANCE, FIRST_LOG_LINE, MY_TEST, DIAGNOSE)
