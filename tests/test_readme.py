"""Nothing in README.md is untested: its program runs, its commands exist, its paths are there, its links go home."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def commands(text: str) -> list[str]:
    """Every command: the lines of shell blocks, and in running text what begins with a program's name in backticks."""
    shell = [line for block in blocks(text, "bash") for line in block.splitlines() if line.strip()]
    running = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    programs = r"(?:make|python|torchrun|pip|ruff|pre-commit|conda|git)"
    return shell + re.findall(rf"`({programs} [^`]+)`", running)


def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.search(r"^\.PHONY: (.+)$", makefile, re.M)[1].split())


def fault(command: str) -> str | None:
    """Why a command of the README cannot work here, or None. Nothing is installed, built or trained."""
    words = [word for word in shlex.split(command, comments=True) if not word.startswith("ARGS=")]
    match words:
        case (
            ["make", "TARGET"] | ["make", "X"] | ["python", "make.py", "X"] | ["python", "make.py", "TARGET"]
        ):
            return None
        case ["make", target] | ["python", "make.py", target]:
            return None if target in targets() else f"no target {target}"
        case ["git", "clone", address]:
            return None if address == REPOSITORY else f"{address} is not {REPOSITORY}"
        case ["cd", folder]:
            return None if folder == REPOSITORY.rsplit("/", 1)[1] else f"a clone has no folder {folder}"
        case ["conda", "env", "create", "-f", file] | ["source", file]:
            return None if (ROOT / file).exists() or file.startswith(".venv/") else f"no file {file}"
        case ["python", "-m", "ppo_core", *arguments] | [
            "torchrun",
            "--nproc-per-node",
            _,
            "-m",
            "ppo_core",
            *arguments,
        ]:
            from ppo_core.__main__ import parser

            try:
                parser().parse_args(arguments)
            except SystemExit:
                return "the command line refuses it"
            return None
        case ["python", "-m", "pytest", *arguments]:
            return missing(arguments)
        case ["python", script, *arguments]:
            if not (ROOT / script).exists():
                return f"no file {script}"
            done = subprocess.run([sys.executable, ROOT / script, "--help"], capture_output=True, text=True)
            if done.returncode:
                return f"{script} --help fails"
            return missing(arguments) or subcommand(arguments, done.stdout)
        case ["ruff", "check" | "format", *_] | ["pre-commit", "install"]:
            return None
        case ["pip", "install", *what]:
            known = {".", "pre-commit", "torch", "--index-url", "https://download.pytorch.org/whl/cpu"}
            return None if set(what) <= known else f"unknown package in {what}"
    return "not a command that this test knows"


def missing(arguments: list[str]) -> str | None:
    paths = [a for a in arguments if "/" in a and not a.startswith("-") and "NN_topic" not in a]
    return next((f"no file {path}" for path in paths if not (ROOT / path).exists()), None)


def subcommand(arguments: list[str], usage: str) -> str | None:
    word = arguments[0] if arguments and "/" not in arguments[0] and not arguments[0].startswith("-") else ""
    return None if word in usage else f"--help knows no {word}"


@pytest.mark.parametrize("command", sorted({*commands(README), *commands(CONTRIBUTING)}))
def test_a_command_exists(command):
    assert fault(command) is None


@pytest.mark.parametrize(
    "command",
    [
        "make boook",
        "python make.py serve",
        "git clone https://github.com/somebody/else",
        "python -m ppo_core train --num-envz 8",
        "python tools/notebooks.py polish",
        "python tools/missing.py",
        "python -m pytest tests/test_missing.py",
        "pip install ppo",
        "curl https://example.org",
    ],
)
def test_a_wrong_command_is_found(command):
    assert fault(command) is not None


def test_the_two_commands_stand_in_both_forms():
    assert {"make book", "make test", "make lab", "python make.py book", "python make.py test"} <= set(
        commands(README)
    )


@pytest.mark.slow
@pytest.mark.parametrize("program", blocks(README, "python"))
def test_the_program_runs_without_jupyter(program, tmp_path):
    """In a folder of its own, with every Jupyter and plotting package made impossible to import."""
    blocked = ("IPython", "ipykernel", "ipywidgets", "anywidget", "jupyter_client", "matplotlib", "imageio")
    guard = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in blocked)
    done = subprocess.run(
        [sys.executable, "-c", guard + program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    final = float(re.search(r"evaluation episodes: mean return (\d+)", done.stdout)[1])
    assert final >= 475, done.stdout
    assert (tmp_path / "cartpole.safetensors").stat().st_size > 10_000


def test_every_path_in_the_map_exists():
    section = README.split("## Where things are")[1].split("\n## ")[0]
    paths = re.findall(r"`([\w./-]+)`", section)
    paths = [path for path in paths if "." in path or path.endswith("/")]
    assert len(paths) >= 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_folder_is_on_the_map():
    listed = subprocess.run(
        ["git", "ls-tree", "-d", "--name-only", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("platform: not a git checkout")
    folders = [name for name in listed.stdout.split() if not name.startswith(".")]
    assert folders
    assert [name for name in folders if f"`{name}/`" not in README] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_local_links_and_pictures_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    local = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target]
    assert [target for target in local if not (ROOT / target).exists()] == []


def test_every_github_address_is_this_repository():
    addresses = re.findall(r"https://github\.com/[\w.-]+/[\w.-]+", README + CONTRIBUTING)
    assert len(addresses) >= 3
    assert set(addresses) == {REPOSITORY}


def test_pictures_have_alt_text():
    assert all(len(alt) > 20 for alt in re.findall(r"!\[(.*?)\]\(", README))
