"""Nothing in the repository or in the built book tells about the machine or the person that made it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "book" / "_build" / "html"
sys.path.insert(0, str(ROOT / "tools"))

import notebooks  # noqa: E402

TEXT = {
    *(".py", ".md", ".ipynb", ".html", ".js", ".mjs", ".json", ".csv", ".yml", ".toml", ".lock", ".txt"),
    *(".svg", ".css", ".bib", ".cff", ".sh", ".env", ".cfg", ".ini", ".xml", ".map", ""),
}
# these plant such words on purpose, or start a server for one test as the user root of a container
EXEMPT = {
    "tests/test_secrets.py",
    "tests/gates/test_notebooks.py",
    "tests/explorables/test_lab.py",
    "tools/notebooks.py",
}
UNSAFE_SERVER = {
    "every address": r"--ip[= ]+['\"]?(?:0\.0\.0\.0|\*|::)",
    "no token": r"(?:--[\w.]*|\b)(?:token|password)=(?:''|\"\")",
    "root allowed": r"--allow-root|allow_root\s*=\s*True",
    "no check of the origin": r"disable_check_xsrf|allow_origin[= ]+['\"]?\*",
    "trusting a notebook unread": r"\bjupyter trust\b|Trust [Nn]otebook",
}


def told(text: str) -> list[str]:
    """What a text tells about who made it and where."""
    return [what for what in notebooks.giveaways(text) if not what.startswith("a temporary path")]


def committed() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [ROOT / name for name in names if name and Path(name).suffix in TEXT and (ROOT / name).is_file()]


def findings(files: Iterator[Path] | list[Path], look) -> list[str]:
    found = []
    for path in files:
        if path.relative_to(ROOT).as_posix() in EXEMPT:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {what}" for what in look(text)]
    return found


def test_no_committed_file_tells_who_made_it() -> None:
    files = committed()
    assert len(files) > 200
    assert findings(files, told) == []


@pytest.mark.book
def test_no_built_file_tells_who_built_it() -> None:
    assert (HTML / "index.html").exists(), "there is no built book: run make book first"

    def look(text: str) -> list[str]:
        here = [f"the folder of this checkout: {ROOT}"] if f"{ROOT}/" in text else []
        return told(text) + here

    files = [path for path in sorted(HTML.rglob("*")) if path.is_file() and path.suffix in TEXT - {""}]
    assert len(files) > 50
    assert findings(files, look) == []


@pytest.mark.parametrize(
    "text",
    [
        'File "/home/mary/ppo-book/ppo_core/gae.py", line 3',
        "/Users/mary/ppo-book/notebooks",
        r"C:\Users\mary\ppo-book",
        '"C:\\\\Users\\\\mary\\\\ppo-book"',
        "/root/ppo-book/book",
        "ghp_" + "a1B2" * 9,
        "hf_" + "abcdefghij" * 3,
        "http://localhost:8888/lab?token=" + "0123456789abcdef" * 3,
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_a_planted_secret_is_found(text: str) -> None:
    assert told(text)


@pytest.mark.parametrize(
    "text", ["~/ppo-book/", "git clone https://github.com/ppo-book/ppo-book", "the token of Jupyter"]
)
def test_ordinary_text_is_no_secret(text: str) -> None:
    assert told(text) == []


def unsafe(text: str) -> list[str]:
    return [f"{what}: {found[0]}" for what, rule in UNSAFE_SERVER.items() if (found := re.search(rule, text))]


def test_no_command_opens_the_server_to_others() -> None:
    """JupyterLab keeps to this machine and asks for its token, in every command that we run or recommend."""
    assert findings(committed(), unsafe) == []


@pytest.mark.parametrize(
    "text",
    [
        "jupyter lab --ip=0.0.0.0",
        "jupyter lab --ip 0.0.0.0",
        "jupyter lab --IdentityProvider.token=''",
        'jupyter lab --ServerApp.password=""',
        "jupyter lab --allow-root",
        "c.ServerApp.allow_origin = '*'".replace(" = ", "="),
        "--ServerApp.disable_check_xsrf=True",
        "press Trust Notebook",
    ],
)
def test_a_planted_open_server_is_found(text: str) -> None:
    assert unsafe(text)


UNPACKED = re.compile(
    r"\bpickle\.load\(|allow_pickle\s*=\s*True|weights_only\s*=\s*False|\btorch\.load\(|\bjoblib\.load\("
)


def test_no_file_is_unpickled() -> None:
    """`pickle.loads` is for messages between our own processes; nothing is ever unpickled from a file."""
    code = [path for path in committed() if path.is_relative_to(ROOT / "ppo_core")]
    assert len(code) > 30
    assert findings(code, lambda text: [found[0]] if (found := UNPACKED.search(text)) else []) == []
    assert UNPACKED.search("torch.load(path)") and UNPACKED.search("np.load(f, allow_pickle=True)")
