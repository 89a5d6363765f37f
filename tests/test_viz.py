"""Figures carry alt text everywhere, a live curve is one output, and a film needs neither network nor autoplay."""

from __future__ import annotations

import base64
import io
import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

matplotlib = pytest.importorskip("matplotlib", reason="needs the lab extra (matplotlib)")
matplotlib.use("agg")

import matplotlib.pyplot as plt  # noqa: E402
from bs4 import BeautifulSoup  # noqa: E402

from ppo_core.viz import PALETTE, FilmTooLarge, LiveCurve, film, films, show, style  # noqa: E402
from ppo_core.viz.figures import figure_bundle  # noqa: E402


def a_figure():
    fig, ax = plt.subplots()
    ax.plot([0, 1], [0, 1])
    return fig


@pytest.fixture
def drawn_at_once(monkeypatch):
    """A notebook in this process: collects what is displayed, and what each display is updated to."""
    shown: list[list[dict]] = []

    class Handle:
        def __init__(self, bundle):
            shown.append([bundle])

        def update(self, bundle, raw=False):
            assert raw
            shown[-1].append(bundle)

    for module in ("figures", "live"):
        monkeypatch.setattr(f"ppo_core.viz.{module}.in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw, display_id: Handle(bundle))
    return shown


# ---- figures


def test_alt_text_is_html_attribute_and_plain_text_and_the_picture_is_whole() -> None:
    style()
    bundle = figure_bundle(a_figure(), 'A line that rises: "y < x"\n  and ends', caption="A <caption>")
    page = BeautifulSoup(bundle["text/html"], "html.parser")
    assert page.img["alt"] == bundle["text/plain"] == 'A line that rises: "y < x" and ends'
    assert page.figcaption.text == "A <caption>"
    assert page.img["src"] == "data:image/png;base64," + bundle["image/png"]
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    for pixels, shown in zip(picture.size, (page.img["width"], page.img["height"]), strict=True):
        assert abs(pixels - 2 * int(shown)) <= 1  # sharp on fine screens
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)  # white paper, also in the dark


@pytest.mark.parametrize("alt", ["", "  \n", None, 3])
def test_a_figure_without_alt_text_is_refused_and_stays_open(alt) -> None:
    fig = a_figure()
    with pytest.raises(ValueError, match="needs alt text"):
        show(fig, alt=alt)
    assert plt.fignum_exists(fig.number)
    plt.close(fig)


def test_show_displays_once_and_closes(drawn_at_once) -> None:
    fig = a_figure()
    assert show(fig, alt="A line.") is None
    assert [bundle["text/plain"] for (bundle,) in drawn_at_once] == ["A line."]
    assert not plt.fignum_exists(fig.number)


def test_in_a_plain_script_a_figure_is_its_description(capsys) -> None:
    show(a_figure(), alt="A line that rises.")
    assert capsys.readouterr().out == "A line that rises.\n"


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


# Viénot, Brettel and Mollon 1999: what a red-blind and a green-blind eye make of linear RGB
BLIND = {
    "protanopia": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deuteranopia": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
}


def seen(colour: str, eye: str) -> np.ndarray:
    """The colour in CIE L*a*b*, as that eye sees it."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    rgb = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    rgb = np.clip(np.array(BLIND[eye]) @ rgb, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb
    x, y, z = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_colours_stand_out_on_white_and_the_first_three_from_each_other_for_every_eye() -> None:
    for colour in PALETTE.values():
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5, colour
    for eye, (one, other) in itertools.product(BLIND, itertools.combinations(list(PALETTE.values())[:3], 2)):
        assert np.linalg.norm(seen(one, eye) - seen(other, eye)) > 20, (eye, one, other)


def test_lines_differ_in_more_than_colour() -> None:
    style()
    fig, ax = plt.subplots()
    lines = [ax.plot([0, 1])[0] for _ in PALETTE]
    assert len({(str(line._unscaled_dash_pattern)) for line in lines}) == len(PALETTE)
    plt.close(fig)


# ---- live curves


def test_a_live_curve_is_one_output_updated_in_place_and_closes_its_figures(drawn_at_once) -> None:
    before = plt.get_fignums()
    with LiveCurve("steps", "return", goal=475, every=0) as curve:
        for step in range(5):
            curve.update(step, 10.0 * step, status=f"update {step}")
    assert len(drawn_at_once) == 1
    assert len(drawn_at_once[0]) == 6  # five updates and the last state
    assert plt.get_fignums() == before
    last = drawn_at_once[0][-1]["text/plain"]
    assert last == (
        "Line plot of return against steps. return: from 0 at 0 to 40 at 4, highest 40 at 4. "
        "A dashed line marks the goal, 475."
    )


def test_a_live_curve_draws_no_more_often_than_it_should(drawn_at_once) -> None:
    with LiveCurve("steps", "return", every=1000) as curve:
        for step in range(100):
            curve.update(step, 1.0)
    assert len(drawn_at_once[0]) == 2  # the first and the last


def test_several_series_and_values_that_are_not_there_yet() -> None:
    curve = LiveCurve("steps", "return")
    curve.update(1, math.nan, series="slow")
    curve.update(1, 5.0, series="fast")
    curve.update(2, 3.0, series="fast")
    curve.update(3, np.float32("inf"), series="fast")
    assert curve.describe() == (
        "Line plot of return against steps. slow: no points yet. fast: from 5 at 1 to 3 at 2, highest 5 at 1."
    )


def test_an_interrupt_ends_the_curve_and_the_cell_goes_on(capsys) -> None:
    with LiveCurve("environment steps", "return") as curve:
        curve.update(1024, 20.0)
        raise KeyboardInterrupt
    said = capsys.readouterr().out
    assert "from 20 at 1,024" in said
    assert said.endswith("Interrupted at 1,024 environment steps. What was measured so far is kept.\n")


def test_another_error_is_not_swallowed_and_a_finished_curve_takes_no_more(capsys) -> None:
    curve = LiveCurve("steps", "return")
    with pytest.raises(ZeroDivisionError), curve:
        raise ZeroDivisionError
    with pytest.raises(RuntimeError, match="is finished"):
        curve.update(1, 1.0)
    capsys.readouterr()
    curve.finish(alt="Again.")
    assert capsys.readouterr().out == ""  # finishing twice shows nothing twice


def test_finish_refuses_an_empty_alt(capsys) -> None:
    with pytest.raises(ValueError, match="needs alt text"):
        LiveCurve("steps", "return").finish(alt="")


# ---- films


def frames(count: int = 12, height: int = 61, width: int = 80) -> list[np.ndarray]:
    """A dark square that moves over a light ground."""
    pictures = np.full((count, height, width, 3), 240, np.uint8)
    for i, picture in enumerate(pictures):
        picture[20:40, 4 * i : 4 * i + 16] = (11, 114, 133)
    return list(pictures)


def test_a_film_has_controls_a_poster_and_words_and_does_not_start_by_itself() -> None:
    pytest.importorskip("imageio_ffmpeg", reason="needs the lab extra (imageio-ffmpeg)")
    bundle = films.film_bundle(frames(), alt="A square moves to the right.", fps=20, caption="Twelve frames")
    page = BeautifulSoup(bundle["text/html"], "html.parser")
    video = page.video
    assert {"controls", "muted", "playsinline"} <= set(video.attrs)
    assert video["preload"] == "metadata" and "autoplay" not in video.attrs and "loop" not in video.attrs
    assert video["aria-label"] == video.text == bundle["text/plain"] == "A square moves to the right."
    assert video["poster"].startswith("data:image/png;base64,")
    assert page.figcaption.text == "Twelve frames"
    data = base64.b64decode(video["src"].removeprefix("data:video/mp4;base64,"))
    assert data[4:8] == b"ftyp" and b"avc1" in data  # an mp4 that every browser plays
    assert data.index(b"moov") < data.index(b"mdat")  # and can begin before it has read all of it
    import imageio.v3

    back = imageio.v3.imread(io.BytesIO(data), extension=".mp4")
    assert back.shape == (12, 60, 80, 3)  # even sizes, every frame
    assert np.abs(back[3].astype(int) - frames()[3][:60].astype(int)).mean() < 6


def test_without_ffmpeg_a_gif_that_waits_to_be_asked(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    bundle = films.film_bundle(frames(), alt="A square moves to the right.", fps=20)
    page = BeautifulSoup(bundle["text/html"], "html.parser")
    assert "open" not in page.details.attrs
    still, moving = page.find_all("img")
    assert still.find_parent("summary") and still["alt"] == "A square moves to the right." and moving["alt"]
    gif = Image.open(io.BytesIO(base64.b64decode(moving["src"].removeprefix("data:image/gif;base64,"))))
    assert gif.n_frames == 12 and gif.info["duration"] == 50


def test_a_file_is_embedded_as_it_is(tmp_path, capsys) -> None:
    path = tmp_path / "agent.gif"
    path.write_bytes(films._gif(frames(), 20))
    bundle = films.film_bundle(path, alt="A square.")
    assert base64.b64encode(path.read_bytes()).decode() in bundle["text/html"]
    with pytest.raises(ValueError, match="mp4 or a GIF"):
        film(tmp_path / "agent.avi", alt="A square.")
    film(path, alt="A square.")
    assert capsys.readouterr().out == "A square.\n"


def test_an_mp4_file_gets_its_first_frame_as_poster_or_none_without_ffmpeg(tmp_path, monkeypatch) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="needs the lab extra (imageio-ffmpeg)")
    path = tmp_path / "agent.mp4"
    path.write_bytes(films._mp4(films._checked(frames()), 20))
    with_ffmpeg = BeautifulSoup(films.film_bundle(path, alt="A square.")["text/html"], "html.parser").video
    poster = Image.open(io.BytesIO(base64.b64decode(with_ffmpeg["poster"].split(",")[1])))
    assert poster.size == (80, 60)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    bundle = films.film_bundle(path, alt="A square.")
    without = BeautifulSoup(bundle["text/html"], "html.parser").video
    assert (
        without["src"] == with_ffmpeg["src"] and "poster" not in without.attrs and "image/png" not in bundle
    )


def test_a_film_that_is_too_large_is_refused_with_its_size() -> None:
    noise = list(np.random.default_rng(0).integers(0, 256, (20, 200, 300, 3), dtype=np.uint8))
    with pytest.raises(
        FilmTooLarge, match=r"\d+ kB \(20 frames at 30 per second\), above max_kb=50: show fewer"
    ):
        film(noise, alt="Noise.", max_kb=50)


@pytest.mark.parametrize(
    "bad, message",
    [
        ([], "at least one frame"),
        ([np.zeros((4, 4))], r"uint8 of shape \[height, width, 3\], got float64 \(4, 4\)"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((6, 4, 3), np.uint8)], "one size"),
    ],
)
def test_frames_that_are_no_film(bad, message) -> None:
    with pytest.raises(ValueError, match=message):
        film(bad, alt="Nothing.")


def test_a_film_needs_words() -> None:
    with pytest.raises(ValueError, match="a film needs alt text"):
        film(frames(), alt=" ")


# ---- in a real kernel

NOTEBOOK = """
import matplotlib.pyplot as plt
from ppo_core.viz import LiveCurve, film, show
fig, ax = plt.subplots()
ax.plot([1, 2])
show(fig, alt="A line that rises.")
---
with LiveCurve("steps", "return", every=0) as curve:
    for step in range(4):
        curve.update(step, step * step)
---
from ppo_core.viz.explorables import WorkerGantt
gantt = WorkerGantt(num_envs=3)
gantt
---
import os, signal
with LiveCurve("steps", "return", every=0) as curve:
    curve.update(7, 1.0)
    os.kill(os.getpid(), signal.SIGINT)
    curve.update(8, 2.0)
print("the cell goes on with", len(curve.series[""][0]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="platform: no SIGINT from within on Windows")
def test_in_a_real_kernel_each_picture_is_one_output_with_its_words() -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in NOTEBOOK.split("---")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    figure, curve, gantt, stopped = ([dict(output) for output in cell.outputs] for cell in notebook.cells)
    assert [output["output_type"] for output in figure] == ["display_data"]
    assert figure[0]["data"]["text/plain"] == "A line that rises."
    assert 'alt="A line that rises."' in figure[0]["data"]["text/html"]
    assert [output["output_type"] for output in curve] == ["display_data"]
    assert "from 0 at 0 to 9 at 3" in curve[0]["data"]["text/plain"]
    widget = "application/vnd.jupyter.widget-view+json"
    assert set(gantt[0]["data"]) == {"text/plain", "text/html", "image/png", widget}
    assert '"num_envs": 3' in gantt[0]["data"]["text/html"]
    assert gantt[0]["data"]["text/plain"].startswith("Where the time of a step goes: ")
    said = "".join(output["text"] for output in stopped if output["output_type"] == "stream")
    assert "Interrupted at" in said and "the cell goes on with" in said


def test_the_package_does_not_load_matplotlib() -> None:
    script = "import sys, ppo_core; print(sorted({'matplotlib', 'ipywidgets', 'anywidget', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_run_with_shows_the_first_picture_and_says_where_the_controls_work(monkeypatch):
    import IPython.display
    import ipywidgets

    from ppo_core.viz import run_with

    shown, called = [], []
    monkeypatch.setattr(IPython.display, "display", lambda data, raw=False: shown.append(data))
    widget = run_with(
        lambda rate, epochs: called.append((rate, epochs)), rate=(0.25, 0.75, 0.25), epochs=[1, 2]
    )
    assert called == [(0.5, 1)]
    (data,) = shown
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
    assert data["text/html"].startswith('<p class="needs-kernel">Controls for rate, epochs.')
    assert "rate = 0.5, epochs = 1" in data["text/plain"]

    slider, choice, button = widget.children[:3]
    slider.value, choice.value = 0.75, 2
    assert len(called) == 1  # nothing is trained before somebody asks for it
    assert isinstance(button, ipywidgets.Button)
    button.click()
    assert called[1:] == [(0.75, 2)]


def test_run_with_refuses_a_control_that_is_missing():
    from ppo_core.viz import run_with

    with pytest.raises(ValueError, match="cannot find widget or abbreviation for argument: 'epochs'"):
        run_with(lambda rate, epochs: None, rate=(0.0, 1.0))
