"""Where an explorable cannot run, its still picture stands: it exists, is small, and was drawn from the present sources."""

from __future__ import annotations

import base64
import io

import pytest
from kit import ALL, explorables
from PIL import Image


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_the_picture_was_drawn_from_the_present_sources(kind: type) -> None:
    with Image.open(kind.picture_file()) as picture:
        assert picture.info["source"] == kind.fingerprint(), (
            f"run: python tools/explorable_pictures.py {kind.module}"
        )
        assert (
            picture.width >= 600 and len(picture.convert("RGB").getcolors(1 << 20)) > 4
        )  # something is drawn
    assert kind.picture_file().stat().st_size < 60_000


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_a_program_without_widgets_and_scripts_gets_it(kind: type) -> None:
    data = kind()._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    stored = base64.b64decode(data["image/png"])
    assert stored == kind.picture_file().read_bytes()
    assert Image.open(io.BytesIO(stored)).format == "PNG"
    before, _, inside = data["text/html"].partition("<noscript>")
    assert "data:image/png" in inside.partition("</noscript>")[0] and "data:image/png" not in before


def test_another_source_or_state_is_another_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = explorables.ClipLab
    now = kind.fingerprint()
    assert kind.fingerprint() == now
    monkeypatch.setattr(kind, "_css", kind._css + " ")
    assert kind.fingerprint() != now
