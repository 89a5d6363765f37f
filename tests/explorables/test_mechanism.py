"""One output serves JupyterLab and a page without a kernel: what holds for every explorable, and the shared library."""

from __future__ import annotations

import json
import re

import pytest
import traitlets
from kit import ALL, FOLDER, explorables, module, node


def test_every_module_has_its_class() -> None:
    written = {path.stem for path in FOLDER.glob("*.mjs")} - {"common", "host"}
    assert {kind.module for kind in ALL} == written and len(ALL) == len(written)


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
    assert (
        len(page) < 160_000
    )  # so that two of them add less than 300 kB to a page, and a third of that is the picture


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
            with pytest.raises(traitlets.TraitError):
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


def test_scales_and_ticks() -> None:
    got = node(
        f"""import {{ brief, fixed, linear, ticks }} from {module("common")};
        answer([linear([0, 10], [0, 300])(5), linear([1, 1], [0, 8])(1), ticks(0, 1), ticks(-0.37, 0.92), ticks(2, 2),
                fixed(-0.001), fixed(-2), brief(12345), brief(0.012345), brief(Infinity), brief(-3)]);"""
    )
    assert got == [150, 4, [0, 0.5, 1], [0, 0.5], [2], "0.00", "−2.00", "12,300", "0.0123", "–", "−3"]
