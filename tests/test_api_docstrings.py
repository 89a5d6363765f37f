"""tools/api_docstrings.py: docstrings that read well in the source come out whole on the API page."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import api_docstrings

import ppo_core

EXAMPLE = """Advantage of [T, N, *obs] under `gamma`.

δ_t = r_t + γ (1 - done_t) V(o_{t+1}) - V(o_t)
A_t = δ_t + γ λ A_{t+1},   done = terminated or truncated

Zero where |ratio - 1| > ε; see obs_ too.

Args: every tensor is [T, N]; `values` is V,
    also where an episode ended.
Returns: Advantages(advantages, returns)."""


def test_an_example():
    assert api_docstrings.to_rst(EXAMPLE.split("\n")) == [
        "Advantage of [T, N, \\*obs] under ``gamma``.",
        "",
        ".. code-block:: text",
        "",
        "    δ_t = r_t + γ (1 - done_t) V(o_{t+1}) - V(o_t)",
        "    A_t = δ_t + γ λ A_{t+1},   done = terminated or truncated",
        "",
        "Zero where \\|ratio - 1\\| > ε; see obs\\_ too.",
        "",
        ":Args: every tensor is [T, N]; ``values`` is V, also where an episode ended.",
        ":Returns: Advantages(advantages, returns).",
        "",
    ]


def test_a_sentence_with_an_equals_sign_is_no_equation():
    assert api_docstrings.to_rst(["k3 = mean(x) is never negative."])[0] == "k3 = mean(x) is never negative."


def test_code_and_links_stay_as_they_are():
    text = "`a_` and ``b*`` and :func:`ppo_core.compute_gae` and c_"
    assert api_docstrings.inline(text) == "``a_`` and ``b*`` and :func:`ppo_core.compute_gae` and c\\_"


def documented_objects():
    for module in pkgutil.walk_packages(ppo_core.__path__, "ppo_core."):
        if module.name.endswith("__main__"):
            continue
        loaded = importlib.import_module(module.name)
        yield module.name, loaded
        for name, value in vars(loaded).items():
            if getattr(value, "__module__", None) != module.name:
                continue
            yield f"{module.name}.{name}", value
            if inspect.isclass(value):
                for member, function in vars(value).items():
                    if getattr(getattr(function, "fget", function), "__module__", None) != module.name:
                        continue  # put there by a library, such as a generated __init__
                    yield f"{module.name}.{name}.{member}", function


def complaints(lines: list[str]) -> list[str]:
    """What docutils says about reStructuredText that uses no Sphinx role."""
    import docutils.core
    import docutils.utils

    text = (
        "\n".join(lines).replace(":func:", ":code:").replace(":class:", ":code:").replace(":meth:", ":code:")
    )
    settings = {
        "report_level": 5,
        "halt_level": 5,
        "file_insertion_enabled": False,
        "syntax_highlight": "none",
    }
    document = docutils.core.publish_doctree(text, settings_overrides=settings)
    return [node.astext() for node in document.parse_messages]


def test_docutils_accepts_every_docstring_of_the_package():
    seen, faults = 0, {}
    for name, value in documented_objects():
        doc = inspect.getdoc(value) if getattr(value, "__doc__", None) else None
        if not doc or not isinstance(value.__doc__, str):
            continue
        seen += 1
        found = complaints(api_docstrings.to_rst(doc.split("\n")))
        if found:
            faults[name] = found
    assert seen > 50
    assert faults == {}


def test_docutils_does_complain_about_the_raw_form():
    assert complaints(EXAMPLE.split("\n"))


class Pair(NamedTuple):
    """Two things."""

    left: float  # reward units; mean of |x|
    right: float  # 1 - x


@dataclasses.dataclass
class Settings:
    """Some settings."""

    gamma: float = dataclasses.field(default=0.99, metadata={"help": "discount γ", "unit": "steps"})
    plain: int = 3


def test_fields_take_the_comment_beside_them():
    assert api_docstrings.field_comments(Pair) == {"left": "reward units; mean of |x|", "right": "1 - x"}


def test_settings_take_their_help_text():
    assert api_docstrings.settings(Settings) == [
        "``gamma``",
        "    Discount γ (steps). Default: ``0.99``.",
        "",
    ]


@pytest.mark.parametrize("name", ["ppo_core.gae.Advantages", "ppo_core.loss.LossTerms"])
def test_every_field_of_the_packages_results_is_found(name):
    found = api_docstrings.find(name)
    assert found is not None and set(found._fields) >= set(api_docstrings.field_comments(found))
