"""Make the page of the bug zoo from the specimens and from what was measured.

`book/bug_zoo.md` holds the introduction and two places to fill; `book/conf.py` calls `fill` when Sphinx reads it.
Numbers, verdicts, diffs and tests are never typed: they come from benchmarks/ch12_bug_zoo.csv and from the code.
By hand, to see the Markdown:  python tools/bug_zoo_page.py
"""

from __future__ import annotations

import csv
import functools
import json
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ppo_core.teach import zoo  # noqa: E402

STUDY = ROOT / "benchmarks" / "ch12_bug_zoo.csv"
DOCUMENT = "book/bug_zoo"
SOUND = "sound"

# What a column is called on the page, and the smallest difference that is worth a word.
LABELS: dict[str, tuple[str, float]] = {
    "evaluation": ("return after training", 10.0),
    "episode_length": ("mean episode over the whole run, in steps", 10.0),
    "reported_last": ("return that it reports at the end", 10.0),
    "reported_most": ("largest return that it ever reports", 10.0),
    "approx_kl": ("approx_kl, mean over the run", 0.001),
    "least_kl": ("smallest approx_kl of an update, nats", 1e-4),
    "clip_frac": ("clip_frac, mean over the run", 0.01),
    "first_entropy": ("entropy of the first update, nats", 0.005),
    "last_entropy": ("entropy of the last update, nats", 0.05),
    "explained_variance": ("explained variance, second half", 0.1),
    "value_loss": ("value loss, second half", 0.001),
    "grad_norm": ("gradient norm, before clipping", 0.2),
    "last_move": ("largest move of a weight in the last update", 1e-6),
    "worlds": ("different first states in eight environments", 1.0),
    "rows_seen": ("share of rows that an epoch shows", 0.01),
    "iterations": ("iterations before it stopped", 1.0),
    "after_loading": ("return after saving and loading", 10.0),
    "constant": ("V where the truth is 1", 0.05),
    "two_steps_error": ("largest error of V in two_steps", 0.05),
    "forever": ("V where the truth is 5 (reward for ever)", 0.1),
    "ring_error": ("largest error of V on a ring with a time limit", 0.05),
    "last_day_error": ("error of V after a death at the limit", 0.05),
    "right_action": ("probability of the right action", 0.05),
    "aim_error": ("distance of a continuous action from its target", 0.1),
    "first_ratio_gap": ("distance of the first ratio from 1", 0.01),
}  # fmt: skip
SETUPS = {
    "gymnasium": "Trained on Gymnasium's own vector environment, in its default mode.",
    "clip_value_loss": "Trained with `clip_value_loss=True`.",
    "one_row": "Trained with minibatches of one row, for a few iterations.",
    "remembers": "Trained with a policy that keeps the scale of its observations in a buffer, then saved and loaded.",
}


FINE = ("last_move", "least_kl", "value_loss")  # columns in which small numbers are told from zero


@dataclass(frozen=True)
class Mean:
    """A mean over seeds with its 95 % bootstrap interval; NaN where no seed has a number."""

    mean: float
    low: float
    high: float
    fine: bool = False

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return "–"
        mean, low, high = (number(value, self.fine) for value in (self.mean, self.low, self.high))
        return mean if low == high else f"{mean} ({low} to {high})"


def number(value: float, fine: bool) -> str:
    """About three digits; below 0.0005 zero, unless small numbers matter."""
    if abs(value) < 0.0005:
        text = f"{value:.1e}" if fine and value else "0"
    else:
        text = (
            f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"
        )
    text = text.removesuffix(".00")
    return f"−{text[1:]}" if text.startswith("-") else text


class Study:
    """The rows of the CSV, by specimen and setup."""

    def __init__(self, path: Path):
        lines = path.read_text(encoding="utf-8").splitlines()
        self.header = dict(line.removeprefix("# ").split(": ", 1) for line in lines if line.startswith("# "))
        self.settings = json.loads(self.header["settings"])
        self.rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
        self.names = list(dict.fromkeys(row["name"] for row in self.rows))

    def select(self, name: str, setup: str) -> list[dict[str, str]]:
        return [row for row in self.rows if (row["name"], row["setup"]) == (name, setup)]

    def seeds(self, name: str, setup: str) -> list[str]:
        return [row["seed"] for row in self.select(name, setup)]

    @functools.cache  # noqa: B019 (one study in one build)
    def mean(self, name: str, setup: str, column: str) -> Mean:
        """The mean over seeds and its percentile bootstrap interval; the same numbers on every machine."""
        rows = self.select(name, setup)
        if name == SOUND and not any(row[column] for row in rows):
            rows = self.select(name, "")  # the probes need no setup
        values = np.array([float(row[column]) for row in rows if row[column]])
        if not len(values):
            return Mean(math.nan, math.nan, math.nan)
        draws = np.random.default_rng(0).choice(values, (10_000, len(values))).mean(1)
        low, high = np.percentile(draws, [2.5, 97.5])
        return Mean(float(values.mean()), float(low), float(high), column in FINE)

    def pair(self, one: zoo.Specimen, column: str) -> tuple[Mean, Mean]:
        """The specimen, and the sound trainer in the same setup."""
        return self.mean(one.name, one.setup, column), self.mean(SOUND, one.setup, column)

    def differs(self, one: zoo.Specimen, column: str) -> bool:
        """Whether the intervals are apart and the means differ by something worth a word, or the specimen has no number."""
        broken, sound = self.pair(one, column)
        if math.isnan(broken.mean) or math.isnan(sound.mean):
            return math.isnan(broken.mean) != math.isnan(sound.mean)
        apart = broken.high < sound.low or sound.high < broken.low
        return apart and abs(broken.mean - sound.mean) >= LABELS[column][1]

    def stopped(self, one: zoo.Specimen) -> bool:
        return all(row["stopped"] for row in self.select(one.name, one.setup))

    def verdict(self, one: zoo.Specimen) -> str:
        """What CartPole's return shows, in words, computed."""
        final, usual = self.pair(one, "evaluation")
        if self.stopped(one):
            return "training stops with a `NonFiniteError`"
        if self.differs(one, "evaluation"):
            return f"visible on CartPole: return {final}, sound {usual}"
        length, usual_length = self.pair(one, "episode_length")
        if self.differs(one, "episode_length"):
            pace = "slower" if length.mean < usual_length.mean else "faster"
            return f"learns {pace} on CartPole: mean episode {length}, sound {usual_length}; return {final}, sound {usual}"
        return f"not visible on CartPole: return {final}, sound {usual}"

    def sight(self, one: zoo.Specimen) -> str:
        """The verdict in a word."""
        return self.verdict(one).split(":")[0].removesuffix(" on CartPole")


@functools.cache
def read_study(path: Path = STUDY) -> Study:
    return Study(path)


# ---- Markdown


def fence(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def chapter(name: str) -> str:
    """A link to a chapter."""
    return f"[chapter {name[:2]}](../notebooks/{name}.ipynb)"


def without_dead_links(text: str) -> str:
    """Links to chapters that are not written yet become plain words."""

    def keep(found: re.Match) -> str:
        return found[0] if (ROOT / "notebooks" / found[2]).exists() else found[1]

    return re.sub(r"\[([^\]]+)\]\(\.\./notebooks/(\w+\.ipynb)\)", keep, text)


def overview(study: Study) -> str:
    rows = ["| Specimen | Seen as | Return on CartPole | Caught by |", "|---|---|---|---|"]
    family = ""
    for one in map(zoo.specimen, zoo.names()):
        if one.family != family:
            family = one.family
            rows.append(f"| **{zoo.FAMILIES[family]}** | | | |")
        final = "stops" if study.stopped(one) else str(study.pair(one, "evaluation")[0])
        mark = "**" if study.stopped(one) or study.differs(one, "evaluation") else ""
        rows.append(
            f"| [{one.name}](#zoo-{one.name}) | {one.short} | {mark}{final}{mark} | `{one.caught_by}` |"
        )
    return "\n".join(rows)


def findings(study: Study) -> str:
    """What the table says, counted."""
    all_of_them = [zoo.specimen(name) for name in zoo.names()]
    stops = [one for one in all_of_them if study.stopped(one)]
    worse = [one for one in all_of_them if one not in stops and study.differs(one, "evaluation")]
    slower = [one for one in all_of_them if study.sight(one) == "learns slower"]
    hidden = [one for one in all_of_them if study.sight(one) == "not visible"]
    usual, seeds = study.mean(SOUND, "", "evaluation"), len(study.seeds(SOUND, ""))
    return (
        f"Of {len(all_of_them)} broken trainers, {len(stops)} {'stops' if len(stops) == 1 else 'stop'} with an error, {len(worse)} end with another return than"
        f" the sound one, and {len(slower)} get there later.\n"
        f"**{len(hidden)} cannot be told from the sound trainer by CartPole's return with {seeds} seeds, neither at the end"
        " nor on the way.**\n"
        f"The sound trainer's return is {usual}; numbers are means over {seeds} seeds with a 95 %"
        " bootstrap interval, and bold ones have an interval apart from that of the sound trainer.\n"
        "A bug that does no harm here may do harm elsewhere: “it learns CartPole” is no proof."
    )


def evidence(one: zoo.Specimen, study: Study) -> str:
    """What gives it away, in numbers."""
    if not one.visible_in:
        return ""
    rows = ["| | this specimen | sound |", "|---|---|---|"]
    for column in one.visible_in:
        broken, sound = study.pair(one, column)
        rows.append(f"| {LABELS[column][0]} | {'stops' if math.isnan(broken.mean) else broken} | {sound} |")
    return "\n".join(rows)


def sighting(source: zoo.Source) -> str:
    return f"- [{source.project}]({source.url}), {source.version_or_date}. {source.what} Thank you, {source.thanks}."


def section(one: zoo.Specimen, study: Study) -> str:
    verdict = study.verdict(one)
    setup = f"{SETUPS[one.setup]}\n" if one.setup else ""
    return "\n\n".join(
        part
        for part in (
            f"(zoo-{one.name})=\n### {one.title}",
            f"`{one.name}` · {verdict}.",
            f"**Symptom.** {one.symptom}\n{setup}".rstrip(),
            evidence(one, study),
            f"**Cause.** {one.cause}",
            fence("diff", one.diff),
            f"**Remedy.** {one.remedy}\nExplained in {chapter(one.chapter)}.",
            f":::{{dropdown}} The test that catches it: {one.caught_by}\n{fence('python', one.test_source)}\n:::",
            "**Seen in public.**\n\n" + "\n".join(map(sighting, one.sources)),
        )
        if part
    )


def sections(study: Study) -> str:
    out = []
    for family, title in zoo.FAMILIES.items():
        out.append(f"## {title}")
        out += [section(one, study) for one in map(zoo.specimen, zoo.names()) if one.family == family]
    return "\n\n".join(out)


def listing(study: Study) -> str:
    """Every number that the page prints, as the study has it."""
    total = len(zoo.names())
    lines = [f"{total} specimens, {len(study.seeds(SOUND, ''))} seeds: mean (95 % interval)", ""]
    for verdict in dict.fromkeys(study.sight(zoo.specimen(name)) for name in zoo.names()):
        count = sum(study.sight(zoo.specimen(name)) == verdict for name in zoo.names())
        lines.append(f"{verdict.replace('`', '')}: {count}")
    for one in map(zoo.specimen, zoo.names()):
        lines.append(f"\n{one.name}")
        for column in dict.fromkeys(("evaluation", "episode_length", *one.visible_in)):
            broken, sound = study.pair(one, column)
            lines.append(f"  {LABELS[column][0]}: {broken}; sound {sound}")
    return fence("text", "\n".join(lines))


def helpers() -> str:
    """The two functions that several tests use."""
    import inspect

    from ppo_core.teach.zoo import tests

    return fence("python", "\n\n".join(inspect.getsource(f) for f in (tests.column, tests.trainer_on)))


def fill(text: str) -> str:
    """The page's source with its places filled."""
    study = read_study()
    places = {
        "overview": lambda: f"{findings(study)}\n\n{overview(study)}",
        "helpers": helpers,
        "sections": lambda: sections(study),
        "listing": lambda: listing(study),
    }
    for place, make in places.items():
        mark = f"% zoo: {place}"
        if text.count(mark) != 1:
            raise ValueError(f"book/bug_zoo.md must hold the line {mark!r} once")
        text = text.replace(mark, make())
    return without_dead_links(text)


def page() -> str:
    return fill((ROOT / f"{DOCUMENT}.md").read_text(encoding="utf-8"))


# ---- Sphinx


def source_read(app, docname: str, content: list[str]) -> None:
    if docname == DOCUMENT:
        content[0] = fill(content[0])


def always_outdated(app, env, added, changed, removed) -> list[str]:
    """The page depends on code and on a CSV, which Sphinx does not watch."""
    return [DOCUMENT] if DOCUMENT in env.found_docs else []


def setup(app):
    app.add_css_file("bug_zoo.css")
    app.connect("source-read", source_read)
    app.connect("env-get-outdated", always_outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    print(page())
