"""In a real JupyterLab: every explorable appears, a change in Python reaches it, and a key pressed in it reaches Python."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from kit import ALL, explorables

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "gates"))

import page  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.slow]

START = """
from ppo_core.viz import explorables
from ppo_core.viz.explorables import *

def other(widget):
    '''A trait with a range, and a value in it that it does not have now.'''
    for name, trait in sorted(widget.traits(sync=True, page=True).items()):
        low, high = getattr(trait, "min", None), getattr(trait, "max", None)
        now = getattr(widget, name)
        if isinstance(now, (int, float)) and low is not None and high is not None and not isinstance(now, bool):
            middle = type(now)(low + 0.75 * (high - low))
            return name, middle if middle != now else type(now)(low + 0.25 * (high - low))
    for name, trait in sorted(widget.traits(sync=True, page=True).items()):
        if hasattr(trait, "values"):
            return name, next(value for value in trait.values if value != getattr(widget, name))
    raise LookupError(f"{type(widget).__name__} has no trait to move")

class DeafClip(ClipLab):
    _esm = ClipLab._esm.replace("model.save_changes()", "model.get('ratio')").replace("model.on(", "model.get(")
"""
CHANGE = "name, value = other(w)\nsetattr(w, name, value)\nbefore = w.page_state()"
REPORT = "print('moved:', *[name for name, value in w.page_state().items() if value != before[name]])"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What the browser saw, by class name. One JupyterLab for all of them, with a settings folder of its own."""
    try:
        chromium, node = page.find_chromium(), shutil.which("node")
        page.install_packages()
        if node is None:
            raise page.NoBrowser("no Node.js")
    except page.NoBrowser as reason:
        if os.environ.get("CI"):
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))
    folder = tmp_path_factory.mktemp("lab")
    names = [*(kind.__name__ for kind in ALL), "DeafClip"]
    cells = [START]
    for name in names:
        cells += [f"w = {name}()\nw", CHANGE, REPORT]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    nb.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nb, folder / "all.ipynb")
    port, token = free_port(), secrets.token_hex(16)
    own = {
        name: str(folder / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
    ]
    command += [
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.expose_app_in_browser=True",
    ]
    environment = {**os.environ, **own, "JUPYTER_PREFER_ENV_PATH": "1", "CHROMIUM": chromium}
    address = f"http://127.0.0.1:{port}"
    with open(folder / "lab.log", "w") as log:
        lab = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/api/status?token={token}", timeout=5)
                break
            except OSError:
                assert lab.poll() is None, (folder / "lab.log").read_text()
                time.sleep(0.25)
        done = subprocess.run(
            [node, str(page.BROWSER / "lab.mjs"), f"{address}/lab/tree/all.ipynb?token={token}&reset", str(len(names))],
            env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + (folder / "lab.log").read_text()[-2000:]
    finally:
        lab.terminate()
        try:
            lab.wait(timeout=20)
        except subprocess.TimeoutExpired:
            lab.kill()
            lab.wait()
    return dict(zip(names, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_python_and_jupyterlab_tell_each_other(kind: type, seen: dict[str, dict]) -> None:
    found = seen[kind.__name__]
    assert found["started"] and not found["errors"], found
    assert found["fromPython"], "a trait that was set in Python did not reach the picture"
    moved = found["changed"].removeprefix("moved:").split()
    assert moved and set(moved) <= set(kind().page_state()), json.dumps(found)


def test_an_explorable_that_tells_nobody_is_noticed(seen: dict[str, dict]) -> None:
    """Planted: its module neither listens to the model nor saves its changes."""
    found = seen["DeafClip"]
    assert found["started"]
    assert not found["fromPython"] and found["changed"].strip() == "moved:"


def test_the_module_is_the_one_of_the_class() -> None:
    assert len({kind.module for kind in ALL}) == len(ALL) and explorables.ClipLab in ALL
