"""pyproject.toml, requirements.lock, environment.yml and the other files that name a version say the same."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import make  # noqa: E402

CARD = ("torch", "gymnasium", "jupyter", "matplotlib", "ipywidgets", "nbval")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def locked(lock: str) -> dict[str, str]:
    lines = [line for line in lock.splitlines() if line and not line.startswith("#")]
    pins = [re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line) for line in lines]
    assert all(pins), [line for line, pin in zip(lines, pins, strict=True) if not pin]
    return {canonicalize_name(pin[1]): pin[2] for pin in pins}


def requirements(pyproject: str) -> dict[str, list[Requirement]]:
    project = tomllib.loads(pyproject)["project"]
    groups = {"core": project["dependencies"], **project["optional-dependencies"]}
    return {name: [Requirement(line) for line in lines] for name, lines in groups.items()}


def disagreements(pyproject: str, lock: str, environment: str) -> list[str]:
    """Everything in which the three files differ, one sentence each."""
    pins, faults = locked(lock), []
    for group, wanted in requirements(pyproject).items():
        for requirement in wanted:
            version = pins.get(canonicalize_name(requirement.name))
            if version is None:
                faults.append(f"{requirement.name} ({group}) is not in requirements.lock")
            elif Version(version) not in requirement.specifier:
                faults.append(
                    f"requirements.lock has {requirement.name} {version}, {group} wants {requirement.specifier}"
                )
    env = yaml.safe_load(environment)
    conda = [entry for entry in env["dependencies"] if isinstance(entry, str)]
    pip = next(entry["pip"] for entry in env["dependencies"] if isinstance(entry, dict))
    if [entry.split("=")[0] for entry in conda] != ["python", "pip"]:
        faults.append(f"environment.yml takes {conda} from conda; only python and pip belong there")
    for option in ("-c requirements.lock", "-e .[lab,book,test]"):
        if option not in pip:
            faults.append(f"environment.yml lacks {option!r}")
    named = dict(entry.split("==") for entry in pip if "==" in entry)
    for name in CARD:
        if named.get(name) != pins.get(name):
            faults.append(f"environment.yml has {name} {named.get(name)}, requirements.lock {pins.get(name)}")
    return faults


FILES = ("pyproject.toml", "requirements.lock", "environment.yml")


def test_the_three_files_agree():
    assert disagreements(*map(text, FILES)) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("environment.yml", "torch==2.13.0", "torch==2.12.0", "environment.yml has torch 2.12.0"),
        ("environment.yml", "- nbval==", "- nbval2==", "environment.yml has nbval None"),
        ("environment.yml", "- -c requirements.lock", "- pytest", "lacks '-c requirements.lock'"),
        ("environment.yml", "  - pip\n", "  - pip\n  - numpy\n", "only python and pip belong there"),
        ("requirements.lock", "gymnasium==1.4.0", "gymnasium==1.0.0", "core wants >=1.1"),
        (
            "requirements.lock",
            "safetensors==",
            "# safetensors==",
            "safetensors (core) is not in requirements.lock",
        ),
        ("pyproject.toml", '"torch>=2.6"', '"torch>=3"', "core wants >=3"),
    ],
)
def test_a_planted_difference_is_found(file, old, new, complaint):
    contents = {name: text(name) for name in FILES}
    assert old in contents[file]
    contents[file] = contents[file].replace(old, new)
    assert any(complaint in fault for fault in disagreements(*contents.values()))


def test_the_lock_holds_no_cuda_no_local_suffix_and_no_second_pygame():
    pins = locked(text("requirements.lock"))
    assert not [name for name in pins if name.startswith(("nvidia", "cuda", "triton"))]
    assert not [version for version in pins.values() if "+" in version]
    assert "pygame" not in pins, "gymnasium 1.4 uses pygame-ce, which installs into the same folder"
    assert Version(pins["torch"]) == Version("2.13.0")


def hashed(lock: str) -> dict[str, tuple[str, list[str]]]:
    """Name to (version, digests) of the lock with hashes; a line of another form is an error."""
    found = {}
    for entry in re.split(r"\n(?=\S)", "\n".join(x for x in lock.splitlines() if not x.startswith("#"))):
        first, *rest = [line.strip().removesuffix("\\").strip() for line in entry.strip().splitlines()]
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for line in rest), entry
        name, version = first.split("==")
        found[canonicalize_name(name)] = (version, rest)
    return found


def missing_digests(lock: str, with_hashes: str) -> list[str]:
    pins, digests = locked(lock), hashed(with_hashes)
    faults = [f"{name} has no digest" for name in pins if not digests.get(name, ("", []))[1]]
    faults += [
        f"{name} {version} is not the locked {pins.get(name)}"
        for name, (version, _) in digests.items()
        if pins.get(name) != version
    ]
    return faults


def test_every_locked_version_has_its_digests():
    lock, digests = text("requirements.lock"), text("requirements-hashed.lock")
    assert missing_digests(lock, digests) == [], "run make lock ARGS=--keep"
    assert missing_digests(lock + "left-pad==1.0\n", digests) == ["left-pad has no digest"]
    assert missing_digests(lock, digests.replace("six==1.", "six==0.")) != []
    with pytest.raises(AssertionError):
        hashed(digests.replace("sha256:", "md5:"))


def test_the_lock_says_what_it_was_resolved_for():
    assert re.fullmatch(r"Python 3\.\d+, \w+ \w+", make.resolved_for())


@pytest.mark.parametrize(
    ("filename", "wanted"),
    [
        ("six-1.17.0-py2.py3-none-any.whl", True),
        ("numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl", True),
        ("numpy-2.4.6-cp314-cp314-macosx_14_0_arm64.whl", True),
        ("safetensors-0.8.0-cp38-abi3-win_amd64.whl", True),
        ("numpy-2.4.6-cp310-cp310-manylinux_2_28_x86_64.whl", False),
        ("numpy-2.4.6-cp311-cp311-musllinux_1_2_x86_64.whl", False),
        ("numpy-2.4.6-cp314-cp314t-win_amd64.whl", False),
        ("numpy-2.4.6.tar.gz", False),
        ("numpy-2.4.5-cp311-cp311-manylinux_2_28_x86_64.whl", False),
    ],
)
def test_which_wheels_are_listed(filename, wanted):
    version = {"six": "1.17.0", "numpy": "2.4.6", "safetensors": "0.8.0"}[filename.split("-")[0]]
    assert make.wanted_wheel(filename, version) is wanted


def test_a_local_suffix_in_the_lock_is_refused():
    with pytest.raises(AssertionError, match="cpu"):
        locked("torch==2.13.0+cpu\n")


def test_this_environment_holds_the_locked_versions():
    pins = locked(text("requirements.lock"))
    wanted = {
        canonicalize_name(r.name) for group in requirements(text("pyproject.toml")).values() for r in group
    }
    found = {canonicalize_name(d.name): d.version.split("+")[0] for d in metadata.distributions() if d.name}
    optional = {canonicalize_name("mujoco")}
    different = {
        name: (found.get(name), pins[name])
        for name in wanted - optional
        if found.get(name) is not None and found[name] != pins[name]
    }
    assert different == {}, "run make test, or install with -c requirements.lock"


def test_other_files_name_the_same_versions():
    pins = locked(text("requirements.lock"))
    hooks = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"][0]["hooks"]
    named = {pin for hook in hooks for pin in hook["additional_dependencies"]}
    assert named == {f"ruff=={pins['ruff']}", f"nbformat=={pins['nbformat']}"}
    assert f'TORCH = "{pins["torch"]}"' in text("make.py")


def test_one_version_and_one_address():
    import ppo_core

    project = tomllib.loads(text("pyproject.toml"))["project"]
    citation = yaml.safe_load(text("CITATION.cff"))
    assert project["version"] == ppo_core.__version__ == citation["version"]
    assert project["urls"]["Repository"] == citation["repository-code"]
    assert project["version"] in text("CHANGELOG.md")
    assert project["urls"]["Repository"] in text("CONTRIBUTING.md")


def test_the_package_needs_no_jupyter():
    """What `pip install .` brings: no name of the lab, book or test extras."""
    groups = requirements(text("pyproject.toml"))
    core = {canonicalize_name(r.name) for r in groups["core"]}
    beside = {canonicalize_name(r.name) for name in ("lab", "book", "test") for r in groups[name]}
    assert core & beside == set()
    code = "import sys, ppo_core; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"torch", "matplotlib", "ipywidgets", "anywidget", "IPython"} & set(loaded) == set()


def test_the_workflow_runs_the_two_commands_and_pins_its_actions():
    workflow = text(".github/workflows/book.yml")
    jobs = yaml.safe_load(workflow)["jobs"]
    matrix = jobs["check"]["strategy"]["matrix"]["include"]
    assert {entry["os"].split("-")[0] for entry in matrix} == {"ubuntu", "macos", "windows"}
    assert {entry["call"] for entry in matrix} == {"make", "python make.py"}
    commands = [step["run"] for step in jobs["check"]["steps"] if "matrix.call" in step.get("run", "")]
    assert commands == ["${{ matrix.call }} book", "${{ matrix.call }} test"]
    used = re.findall(r"uses: (\S+)", workflow)
    assert used and all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", action) for action in used)
    assert "make test" in text(".ci/run")
