"""The front page prints numbers that were measured: the record must belong to the settings that we ship."""

import json
import re
from pathlib import Path

from ppo_core import PPOConfig

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "book" / "_static"
RECORD = json.loads((STATIC / "front_film.json").read_text(encoding="utf-8"))


def test_film_was_made_with_the_default_settings():
    assert RECORD["config"] == PPOConfig().to_dict(), (
        f"the defaults have changed since the film was made: {RECORD['command']}"
    )


def test_film_ends_with_a_policy_that_solves_the_task():
    first, middle, last = RECORD["stages"]
    assert first["steps"] == 0 < middle["steps"] < last["steps"]
    assert last["steps"] == PPOConfig().num_iterations * PPOConfig().batch_size
    assert last["mean_return_most_probable_action"] >= 475
    assert first["episodes_ended_in_film"] > middle["episodes_ended_in_film"] > last["episodes_ended_in_film"]


def test_the_page_types_no_result_of_its_own():
    text = (ROOT / "index.md").read_text(encoding="utf-8")
    code = r"```.*?```|\{\{.*?\}\}|`[^`\n]*`|\([^)\s]*\)"
    names = r"[Cc]hapter \d\d|\[\d\d |Python 3\.\d+|CC BY 4\.0|^:{3,}\{grid\}.*$|^:(?:gutter|link):.*$"
    prose = re.sub(names, "", re.sub(code, "", text, flags=re.DOTALL), flags=re.MULTILINE)
    assert re.findall(r"\d[\d.,]*", prose) == []


def test_film_and_poster_are_small_enough_for_a_front_page():
    assert (STATIC / "front_film.mp4").stat().st_size < 200_000
    assert (STATIC / "front_film.png").stat().st_size < 50_000
