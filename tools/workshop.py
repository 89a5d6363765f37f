"""The workshop pack: what a room without a network needs, in one folder and one zip file.

    python tools/workshop.py [--wheels]

    dist/ppo-workshop/
        START-HERE.md      how to install and open it
        notebooks/         the student edition: no solutions, no outputs
        book/              the rendered book, solutions folded, every figure alive without a network
        benchmarks/        the measured numbers that the chapters plot
        packages/          ppo_core; with --wheels everything it needs, for this system and this Python
        requirements.lock
    dist/ppo-workshop.zip  the same

A workshop on several systems is packed on each of them with --wheels, and the `packages` folders are put together.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version as installed
from pathlib import Path

import student_edition

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import make  # noqa: E402

HTML = ROOT / "book" / "_build" / "html"
DIST = ROOT / "dist"
NAME = "ppo-workshop"

START = """# PPO, line by line: the workshop pack

Everything here works without a network.

## Look

Open `book/index.html` in a browser. That is the whole book, executed; solutions are folded.

## Work

You need Python {python}. In this folder:

```
{create}
{install}
{doctor}
{lab}
```

{origin}

`doctor` tries what the chapters need, and prints what to mend.
The notebooks stand in `notebooks/`. Each runs by itself, in any order.
Write your answers into the exercise cells; `check` says which idea is missing, `hint("name")` helps, `status()` shows how far you are.
Your progress is a small file on your own machine. Nothing is sent anywhere.

To start a chapter again, copy it anew out of the zip file.

ppo_core {version}, packed on {system}.
"""


def start_text(wheels: bool, version: str) -> str:
    windows = platform.system() == "Windows"
    bin_ = r".venv\\Scripts\\" if windows else ".venv/bin/"
    source = "--no-index --find-links packages" if wheels else "--find-links packages"
    origin = (
        f"The wheels in `packages/` are for {platform.system()} {platform.machine()} and Python "
        f"{sys.version_info[0]}.{sys.version_info[1]}. For another system, leave out `--no-index` and let pip ask the network."
        if wheels
        else "pip asks the network once, for the packages. A pack for a room without a network is made with `python make.py workshop --wheels`."
    )
    install = f'{bin_}python -m pip install {source} -c requirements.lock "ppo-core[lab]"'
    if platform.system() == "Linux" and not wheels:  # the torch of PyPI would bring 2.6 GB of CUDA libraries
        torch = f"torch=={installed('torch').split('+')[0]}"
        install = (
            f"{bin_}python -m pip install {torch} --index-url https://download.pytorch.org/whl/cpu\n{install}"
        )
    return START.format(
        python=f"{sys.version_info[0]}.{sys.version_info[1]}" if wheels else "3.11 or newer",
        create=f"{'py' if windows else 'python3'} -m venv .venv",
        install=install,
        doctor=f"{bin_}python -m ppo_core doctor",
        lab=f"{bin_}jupyter lab notebooks",
        origin=origin,
        version=version,
        system=f"{platform.system()} {platform.machine()}",
    )


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, check=True)


def collect(packages: Path) -> None:
    """Download everything that `ppo-core[lab]` needs; on Linux torch first, as the CPU build, else 2.6 GB of CUDA come."""
    if platform.system() == "Linux":
        index = ["--extra-index-url", make.CPU_INDEX] if make.reachable(f"{make.CPU_INDEX}/torch/") else []
        pip("download", "--no-deps", "-d", packages, *index, f"torch=={make.TORCH}+cpu")
    lock = ROOT / "requirements.lock"
    pip("download", "-d", packages, "--find-links", packages, "-c", lock, "ppo-core[lab]")


def pack(wheels: bool = False, html: Path = HTML, dist: Path = DIST) -> Path:
    """Write the folder and the zip file; returns the zip file. Raises: FileNotFoundError before the book is built."""
    if not (html / "index.html").exists():
        raise FileNotFoundError(f"{html} holds no book: run `make book` first")
    folder = dist / NAME
    shutil.rmtree(folder, ignore_errors=True)
    student_edition.build(folder / "notebooks", sorted((ROOT / "notebooks").glob("*.ipynb")))
    shutil.copytree(
        html, folder / "book", ignore=shutil.ignore_patterns(".buildinfo", ".doctrees", "_sources")
    )
    shutil.copytree(ROOT / "benchmarks", folder / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", folder)
    packages = folder / "packages"
    pip("wheel", "--no-deps", "-w", packages, ROOT)
    if wheels:
        collect(packages)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (folder / "START-HERE.md").write_text(start_text(wheels, project["version"]), encoding="utf-8")
    return Path(shutil.make_archive(str(dist / NAME), "zip", dist, NAME))


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the workshop pack.")
    parser.add_argument(
        "--wheels", action="store_true", help="with every package, for this system and this Python"
    )
    made = pack(parser.parse_args().wheels)
    print(f"{made} ({made.stat().st_size / 1e6:.0f} MB); unpacked: {made.with_suffix('')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
