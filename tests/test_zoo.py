"""The bug zoo: every specimen is another program, its test rejects it and accepts the core, and what is said of it is measured."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from studies import with_later_settings

import ppo_core
from ppo_core.teach import zoo
from ppo_core.teach.zoo import builder, tests

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import bug_zoo_page  # noqa: E402

SPECIMENS = [zoo.specimen(name) for name in zoo.names()]
each = pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda one: one.name)


# ---- every specimen


@each
@pytest.mark.filterwarnings("ignore")
def test_its_test_rejects_it_and_accepts_the_core(specimen):
    assert zoo.complaint(specimen.test, zoo.sound()) == ""
    assert zoo.complaint(specimen.test, zoo.broken(specimen.name)) != ""
    assert zoo.caught(specimen.test, specimen.name)


@each
def test_it_is_another_program_of_the_same_names(specimen):
    core = zoo.broken(specimen.name)
    assert core is not ppo_core
    assert core is zoo.broken(specimen.name), "made once and kept"
    assert set(core.__all__) == set(ppo_core.__all__)
    assert core.Trainer is not ppo_core.Trainer
    broken, sound = (inspect.getsource(getattr(package, specimen.module)) for package in (core, zoo.sound()))
    assert broken.replace(core.__name__, "ppo_core") != sound


@each
def test_its_diff_is_short_and_of_the_real_source(specimen):
    lines = specimen.diff.splitlines()
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert {line[0] for line in changed} >= {"+"}
    assert len(changed) <= 8
    source = builder.read(specimen.module)
    assert all(line[1:] in source for line in lines if line[:1] in " -" and line[:3] != "---")


@each
def test_its_sources_are_threads_with_thanks(specimen):
    assert specimen.sources
    for source in specimen.sources:
        url = urlsplit(source.url)
        assert url.scheme == "https"
        assert url.netloc == "github.com"
        assert url.path.split("/")[3] in ("issues", "pull"), "a thread, with a number"
        assert url.path.split("/")[4].isdigit()
        assert all((source.project, source.version_or_date, source.what, source.thanks))


@each
def test_it_is_told_in_whole_sentences(specimen):
    assert specimen.family in zoo.FAMILIES
    for text in (specimen.symptom, specimen.cause, specimen.remedy, *(s.what for s in specimen.sources)):
        assert text.endswith(".")
        assert len(text) < 240
    assert specimen.title
    assert not specimen.title.endswith(".")


@each
def test_its_test_is_short_and_says_what_it_expects(specimen):
    source = inspect.getsource(specimen.test)
    assert 2 <= len(source.splitlines()) <= 18
    assert "assert" in source


# ---- all together


def test_there_are_enough_of_them():
    assert len(SPECIMENS) >= 22
    assert len({one.family for one in SPECIMENS}) == len(zoo.FAMILIES)
    assert len({(one.module, one.old, one.new) for one in SPECIMENS}) == len(SPECIMENS), "no bug twice"


def test_every_test_catches_something():
    written = {
        name
        for name, function in vars(tests).items()
        if inspect.isfunction(function) and list(inspect.signature(function).parameters) == ["core"]
    }
    assert written == {one.caught_by for one in SPECIMENS}


def test_the_core_is_untouched():
    before = {path: path.read_bytes() for path in builder.SOURCE.glob("*.py")}
    for name in zoo.names():
        zoo.broken(name)
    assert {path: path.read_bytes() for path in builder.SOURCE.glob("*.py")} == before
    assert not any(
        "zoo" in (ppo_core.__dict__[name].__module__ or "")
        for name in ("Trainer",)
        if name in ppo_core.__dict__
    )


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(KeyError, match="entropy-sign"):
        zoo.specimen("entropy")


def test_a_bug_that_no_longer_applies_is_an_error():
    with pytest.raises(LookupError, match="0 times"):
        builder.exchange("gone", "gae", "no such code", "")


def test_nothing_is_left_behind():
    program = (
        "from ppo_core.teach import zoo, zoo as z; from pathlib import Path\n"
        "print(Path(z.broken('entropy-sign').__file__).parent.parent)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not Path(done.stdout.strip()).exists()


def test_looking_at_the_zoo_loads_no_torch():
    program = "import sys; from ppo_core.teach import zoo; zoo.specimen('entropy-sign').diff; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# ---- a reader's own test


def test_hunting_counts_what_is_caught():
    found = zoo.hunt(tests.the_six_cases_of_the_clip)
    assert set(found.caught) == {
        "minimum-before-the-advantage",
        "clipped-on-both-sides",
        "clip-without-advantage",
    }
    assert set(found.caught) | set(found.missed) == set(zoo.names())
    assert f"catches 3 of {len(SPECIMENS)}" in str(found)


def rejects_everything(core):
    raise AssertionError("no")


def test_a_test_that_rejects_the_sound_package_is_told_so():
    with pytest.raises(zoo.RejectsTheSound, match="rejects the sound package too"):
        zoo.caught(rejects_everything, "entropy-sign")
    found = zoo.hunt(rejects_everything)
    assert found.caught == ()
    assert "rejects the sound package too" in str(found)


def test_a_mistake_in_the_test_is_no_catch():
    def mistaken(core):
        return {}["a mistake in the test"]

    with pytest.raises(KeyError):
        zoo.caught(mistaken, "entropy-sign")


def test_a_breakdown_of_the_specimen_is_a_catch():
    def trains(core):
        settings = {"num_envs": 4, "num_steps": 8, "total_timesteps": 32}
        env = core.SerialVectorEnv([core.probes.constant_reward] * 4)
        list(core.Trainer(core.PPOConfig(**settings), env).run())

    assert zoo.caught(trains, "deviation-of-zero")
    assert not zoo.caught(trains, "entropy-sign")


def test_a_test_that_notices_nothing_catches_nothing():
    assert not zoo.caught(lambda core: None, "entropy-sign")


# ---- what is measured


STUDY = bug_zoo_page.read_study()


@each
def test_what_gives_it_away_was_measured(specimen):
    """Each column of `visible_in` differs from the sound trainer; and where there is none, nothing was seen on CartPole."""
    for column in specimen.visible_in:
        assert STUDY.differs(specimen, column), f"{column} does not tell it from the sound trainer"
    assert specimen.visible_in or STUDY.verdict(specimen).startswith("not visible")


def test_the_study_belongs_to_this_zoo():
    """Every specimen with every seed, and nothing else; the settings are the defaults."""
    assert set(STUDY.names) == {"sound", *zoo.names()}
    settings = ppo_core.PPOConfig().to_dict()
    settings.pop("seed")
    assert with_later_settings(STUDY.settings) == settings
    for one in SPECIMENS:
        assert STUDY.seeds(one.name, one.setup) == STUDY.seeds("sound", one.setup)
        assert len(STUDY.seeds(one.name, one.setup)) >= 5


# ---- the page


def test_the_page_has_a_section_for_each():
    text = bug_zoo_page.page()
    for one in SPECIMENS:
        assert f"(zoo-{one.name})=" in text
        assert one.diff.rstrip() in text
        assert one.test_source.rstrip() in text
        assert all(source.url in text for source in one.sources)
