"""Everything this repository does, in one command; needs nothing but Python 3.11 or newer.

    python make.py book     set up, execute every chapter, render the book to book/_build/html
    python make.py test     set up, build the book, then check everything
    python make.py lab      open the chapters in JupyterLab, as copies without solutions in my_notebooks
    python make.py workshop the student edition and the built book for a room without a network, in dist/; with
                            --wheels also every package, for this system
    python make.py train    train PPO on CartPole-v1; what follows is passed on (train --seed 2)
    python make.py bench    measure the speed, beside other libraries that it installs into .bench (about 6 GB), and
                            write benchmarks/ch18_*.csv (40 minutes; --quick: 4); bench --help says the rest
    python make.py faults   put every case of tests/faults to our vectors of environments, to those of Gymnasium and
                            Stable-Baselines3, and to our trainer; write benchmarks/ch07_faults.csv and its page (30
                            minutes, Linux; with arguments a part: --adapter ours --start-method spawn)
    python make.py lock     write requirements.lock anew, from a clean environment, and the digest of every file of it
                            to requirements-hashed.lock; with --keep the versions stay as they are
    python make.py clean    remove what was built; with --all also .venv and tests/browser/node_modules
    python make.py help     print this

`make TARGET` does the same where there is a make. The first command makes `.venv` and installs the exact versions
of requirements.lock, once; later commands start at once. Variables: PPO_VENV (where the environment is), PPO_JOBS
(chapters and test processes at once, 2), PPO_ALLOW_CUDA=1 (accept a torch that brings its CUDA libraries).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("PPO_VENV") or ROOT / ".venv").absolute()
BUILD = ROOT / "book" / "_build"
STUDENT = BUILD / "student"
MINE = ROOT / "my_notebooks"
HTML = BUILD / "html"
LOCK = ROOT / "requirements.lock"
HASHES = ROOT / "requirements-hashed.lock"
BROWSER = ROOT / "tests" / "browser"
BENCH = ROOT / ".bench"
JOBS = os.environ.get("PPO_JOBS") or "2"
EXTRAS = "lab,book,test"
LOCK_EXTRAS = "lab,book,test,bench,mujoco"
TORCH = "2.13.0"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
OLDEST = (3, 11)


sys.path.insert(0, str(ROOT / "tools"))

from execute_notebooks import cache_path, kernel_environment  # noqa: E402


class Stop(Exception):
    """Ends the command with one message and exit code 1."""


def say(text: str = "") -> None:
    print(text, flush=True)


def python_of(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run(*command: object, env: dict[str, str] | None = None) -> int:
    """Run a command in the foreground and return its exit code; Ctrl-C is the child's to answer."""
    child = subprocess.Popen([str(part) for part in command], cwd=ROOT, env=env or kernel_environment())
    interrupts = 0
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            interrupts += 1
            if interrupts == 3:
                child.terminate()


def must(what: str, *command: object, env: dict[str, str] | None = None) -> None:
    code = run(*command, env=env)
    if code:
        raise Stop(f"{what} failed (exit code {code})")


# --- the environment


def find_python() -> str:
    """The running Python if it is new enough, else a newer one on the PATH."""
    if sys.version_info[:2] >= OLDEST:
        return sys.executable
    for minor in range(14, OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            return found
    raise Stop(
        f"This book needs Python {OLDEST[0]}.{OLDEST[1]} or newer; this is {platform.python_version()} ({sys.executable}). "
        "Install one from https://www.python.org/downloads/ and call it by name, for example: python3.12 make.py book"
    )


def pip(venv: Path, *arguments: str, what: str) -> None:
    """Run pip, show where it is on one line, and say at the end how much it downloaded."""
    command = [
        str(python_of(venv)),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
    ]
    start, megabytes, lines, shown = time.monotonic(), 0.0, [], 0.0
    child = subprocess.Popen(
        [*command, *arguments],
        cwd=ROOT,
        env=kernel_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    terminal = sys.stdout.isatty()
    try:
        for line in child.stdout:
            line = line.strip()
            lines.append(line)
            size = re.match(r"Downloading .*\(([\d.]+) ([kMG]B)\)$", line)
            if size:
                megabytes += float(size[1]) * {"kB": 1e-3, "MB": 1.0, "GB": 1e3}[size[2]]
            step = re.match(
                r"(Collecting|Downloading|Building|Installing|Processing|Preparing)\b\s*(\S*)", line
            )
            now = time.monotonic() - start
            if step and (terminal or now - shown > 20):
                shown = now
                text = f"  {now:4.0f} s  {megabytes:5.0f} MB  {step[1].lower()} {step[2].rsplit('/', 1)[-1]}"[
                    :78
                ]
                print(f"\r{text:<78}" if terminal else text, end="" if terminal else "\n", flush=True)
        code = child.wait()
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise
    if terminal:
        print("\r" + " " * 78 + "\r", end="")
    if code:
        say("\n".join(line for line in lines[-25:] if "is ignored: it is neither" not in line))
        raise Stop(f"pip could not install {what}; its last lines stand above. Is the network up?")
    say(f"  {what}: {time.monotonic() - start:.0f} s, {megabytes:.0f} MB downloaded")


def installed(venv: Path, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run([str(python_of(venv)), "-c", code], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def reachable(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=6) as answer:
            return answer.status == 200
    except (OSError, ValueError):
        return False


def install_torch(venv: Path, constraints: list[str]) -> None:
    """Install the CPU build of torch.

    On Linux the torch of PyPI brings its CUDA libraries, 2.6 GB instead of 0.2. A version with the suffix +cpu can
    only be the CPU build: first from PyTorch's own index, else from wherever this machine's pip looks besides PyPI.
    """
    if installed(venv, "torch").split("+")[0] == TORCH:
        return
    if platform.system() != "Linux" or os.environ.get("PPO_ALLOW_CUDA") == "1":
        pip(venv, f"torch=={TORCH}", *constraints, what=f"torch {TORCH}")
        return
    index = ["--extra-index-url", CPU_INDEX] if reachable(f"{CPU_INDEX}/torch/") else []
    try:
        pip(venv, "--no-deps", *index, f"torch=={TORCH}+cpu", what=f"torch {TORCH} (CPU build)")
    except Stop as fault:
        if index:
            raise
        raise Stop(
            f"The index of CPU builds, {CPU_INDEX}, does not answer. The torch of PyPI would download 2.6 GB, most of it "
            "CUDA libraries. To accept that: PPO_ALLOW_CUDA=1 make book"
        ) from fault


def resolved_for() -> str:
    """The system that the lock was resolved on, as its header says."""
    found = re.search(r"Resolved with (Python [\d.]+, \w+ \w+)", LOCK.read_text(encoding="utf-8"))
    return found[1] if found else ""


def this_system(venv: Path) -> str:
    code = "import platform as p; print('.'.join(p.python_version_tuple()[:2]))"
    done = subprocess.run([str(python_of(venv)), "-c", code], capture_output=True, text=True)
    return f"Python {done.stdout.strip()}, {platform.system()} {platform.machine()}"


def make_venv(venv: Path) -> None:
    probe = "import sys; sys.exit(sys.version_info[:2] < (3, 11))"
    if python_of(venv).exists() and subprocess.run([str(python_of(venv)), "-c", probe]).returncode == 0:
        return
    done = subprocess.run([find_python(), "-m", "venv", "--clear", str(venv)], capture_output=True, text=True)
    if done.returncode:
        raise Stop(
            f"Python's venv module could not make {venv}:\n{(done.stdout + done.stderr).strip()}\n"
            "On Debian and Ubuntu it is a package of its own: sudo apt install python3-venv"
        )


def leave_out_the_buttons_of_nbgrader() -> None:
    """nbgrader serves here as a library; its menus for graders have no place in a reader's JupyterLab."""
    (VENV / "etc" / "jupyter" / "jupyter_server_config.d" / "nbgrader.json").unlink(missing_ok=True)
    shutil.rmtree(VENV / "share" / "jupyter" / "labextensions" / "@jupyter" / "nbgrader", ignore_errors=True)


def ensure_environment() -> Path:
    """Make .venv and install what is locked, once for each state of the lock and of pyproject.toml; return its Python."""
    find_python()
    parts = (
        LOCK.read_bytes(),
        HASHES.read_bytes(),
        (ROOT / "pyproject.toml").read_bytes(),
        str(ROOT).encode(),
    )
    wanted = hashlib.sha256(b"".join(parts))
    stamp = VENV / "ppo-book-installed.txt"
    if python_of(VENV).exists() and stamp.exists() and stamp.read_text().strip() == wanted.hexdigest():
        return python_of(VENV)
    start = time.monotonic()
    say(f"Setting up {VENV} (once; about 0.5 GB to download, 1.9 GB on disk, a few minutes)")
    make_venv(VENV)
    stamp.unlink(missing_ok=True)
    constraints = ["-c", str(LOCK)]
    install_torch(VENV, constraints)
    if resolved_for() == this_system(VENV):
        hashed = ["--require-hashes", "--only-binary", ":all:", "-r", str(HASHES)]
        pip(VENV, *hashed, what="the other packages, each file compared with its digest")
        pip(VENV, "--no-deps", "--no-build-isolation", "-e", ".", what="ppo_core")
    else:  # other systems need other packages besides, whose digests nobody has written down
        pip(VENV, *constraints, "-e", f".[{EXTRAS}]", what="the other packages")
    leave_out_the_buttons_of_nbgrader()
    stamp.write_text(wanted.hexdigest() + "\n")
    say(f"  ready after {time.monotonic() - start:.0f} s")
    return python_of(VENV)


# --- the targets


def toc_pages() -> list[str]:
    toc = (ROOT / "book" / "_toc.yml").read_text(encoding="utf-8")
    return re.findall(r"^\s*(?:-\s*file|root):\s*(\S+)", toc, re.M)


def book_key() -> str:
    """A hash of everything that the rendered book depends on."""
    key = hashlib.sha256(cache_path(ROOT).name.encode())
    patterns = ("index.md", "book/**/*", "notebooks/*.ipynb", "tools/*.py", "pyproject.toml", "make.py")
    for path in sorted({path for pattern in patterns for path in ROOT.glob(pattern)}):
        if path.is_file() and BUILD not in path.parents and "__pycache__" not in path.parts:
            key.update(f"\0{path.relative_to(ROOT).as_posix()}\0".encode() + path.read_bytes())
    return key.hexdigest()


def book() -> None:
    """Execute what changed, render, and check that every page of the table of contents came out."""
    python = ensure_environment()
    start = time.monotonic()
    pages = [HTML / f"{page}.html" for page in [*toc_pages(), "404"]]
    stamp, key = BUILD / "rendered.txt", book_key()
    address = f"Open {(HTML / 'index.html').as_uri()}"
    if stamp.exists() and stamp.read_text() == key and all(page.exists() for page in pages):
        say(f"Nothing has changed since the book was rendered. {address}")
        return
    stamp.unlink(missing_ok=True)
    say("Executing the chapters")
    must("executing the chapters", python, "tools/execute_notebooks.py", "--jobs", JOBS)
    say(f"Rendering {len(toc_pages())} pages")
    options = ["-q", "-b", "html", "-W", "--keep-going", "-c", "book", "-d", BUILD / "doctrees"]
    # Sphinx renews the source pages only when their source is newer; their links also depend on the API page
    shutil.rmtree(HTML / "_modules", ignore_errors=True)
    must("rendering the book", python, "-m", "sphinx", *options, ".", HTML)
    missing = [str(page) for page in pages if not page.exists()]
    if missing:
        raise Stop("these pages did not come out: " + ", ".join(missing))
    for folder in ("notebooks", "book"):  # a page that left the book must not stay readable
        for page in (HTML / folder).glob("*.html"):
            if page not in pages:
                page.unlink()
    stamp.write_text(key)
    say(f"The book is ready ({time.monotonic() - start:.0f} s). {address}")


def browser_packages(faults: list[str]) -> None:
    """npm ci for the browser tests. Without Node they are skipped, except in CI."""
    lock = BROWSER / "package-lock.json"
    npm = shutil.which("npm")
    if not lock.exists():
        return
    if not npm:
        text = "no Node.js: the browser tests cannot run (install Node 20 or newer)"
        (faults.append if os.environ.get("CI") == "true" else say)(f"  {text}")
        return
    stamp = BROWSER / "node_modules" / ".installed"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=BROWSER,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        faults.append(f"npm ci in tests/browser failed:\n{done.stdout}{done.stderr}")
    else:
        stamp.write_text(wanted)


def count(report: Path) -> str:
    """The test counts of a JUnit report, notebook cells apart from tests."""
    totals: dict[str, dict[str, int]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        where = f"{case.get('file', '')} {case.get('classname', '')} {case.get('name', '')}"
        kind = "notebook cells" if ".ipynb" in where else "tests"
        outcome = {"failure": "failed", "error": "failed", "skipped": "skipped"}
        result = next((outcome[child.tag] for child in case if child.tag in outcome), "passed")
        counts = totals.setdefault(kind, {"passed": 0, "failed": 0, "skipped": 0})
        counts[result] += 1
    return "\n".join(
        f"  {kind}: " + ", ".join(f"{n} {r}" for r, n in c.items()) for kind, c in totals.items()
    )


def test() -> None:
    """Lint, snippets, clean notebooks, the built book, then every test and every notebook; print the counts."""
    python = ensure_environment()
    begin = time.monotonic()
    steps: list[tuple[str, bool, float]] = []

    def step(name: str, *command: object) -> None:
        start = time.monotonic()
        say(f"\n== {name}")
        code = run(python, *command)
        steps.append((name, code == 0, time.monotonic() - start))

    faults: list[str] = []
    node = threading.Thread(target=browser_packages, args=(faults,))
    node.start()
    step("lint", "-m", "ruff", "check", ".")
    step("format", "-m", "ruff", "format", "--check", ".")
    step("imports in snippets", "tools/check_snippets.py")
    step("notebooks are clean", "tools/notebooks.py", "check")
    step("the book", "make.py", "book")
    node.join()
    parallel = ("-m", "pytest", "-n", JOBS, "--dist", "loadfile")
    strict = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=300"]
    lax = ["--nbval-lax", *strict[1:]]
    reports = [BUILD / "tests.xml", BUILD / "student.xml"]
    for report in reports:
        report.unlink(missing_ok=True)
    step(
        "tests and notebooks",
        *(*parallel, *strict, f"--junitxml={reports[0]}", "tests", "notebooks"),
    )
    shutil.rmtree(STUDENT, ignore_errors=True)
    step("student edition, made", "tools/student_edition.py", STUDENT, "--untouched")
    step(
        "student edition, run",
        *(*parallel, *lax, f"--junitxml={reports[1]}", STUDENT),
    )
    say()
    for name, good, seconds in steps:
        say(f"  {'ok    ' if good else 'FAILED'} {name:<24} {seconds:6.0f} s")
    for report in reports:
        if report.exists():
            say(f"  {report.stem}:\n{count(report)}")
    say(f"  all together {time.monotonic() - begin:.0f} s")
    faults += [f"{name} failed" for name, good, _ in steps if not good]
    if faults:
        raise Stop("; ".join(faults))


def workshop(*arguments: str) -> None:
    book()
    must("packing the workshop", ensure_environment(), "tools/workshop.py", *arguments)


def own_environment() -> dict[str, str]:
    """The reader's own environment variables; kernels still come from .venv."""
    return {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1", "PYTHONUTF8": "1"}


def lab(*arguments: str) -> None:
    python = ensure_environment()
    must("writing your copy of the notebooks", python, "tools/student_edition.py", MINE, "--keep")
    say(f"Your copy of the chapters is in {MINE.name}; delete a notebook there to get it anew.")
    first = next(page for page in toc_pages() if page.startswith("notebooks/"))
    start = f"/lab/tree/{MINE.name}/{Path(first).name}.ipynb"
    options = [f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url={start}"]
    must("JupyterLab", python, "-m", "jupyterlab", *options, *arguments, env=own_environment())


def train(*arguments: str) -> None:
    code = run(ensure_environment(), "-m", "ppo_core", "train", *arguments, env=own_environment())
    if code:
        raise SystemExit(code)


def faults(*arguments: str) -> None:
    python = ensure_environment()
    must("the fault suite", python, "benchmarks/ch07_faults.py", *arguments)
    must("its page", python, "tools/fault_table_page.py")
    if not arguments:
        must("the trainer and kernel cases", python, "tests/faults/trainer_table.py")


def peer_environment(requirements: Path) -> None:
    """The environment of one library in .bench; `failed.txt` in it says why there is none."""
    venv = BENCH / requirements.stem
    own = ["--no-deps", "-e", "."] if requirements.stem == "ours" else []
    stamp, failed = venv / "installed.txt", venv / "failed.txt"
    wanted = requirements.read_text(encoding="utf-8") + str(ROOT)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    say(f"Setting up {venv}")
    try:
        stamp.unlink(missing_ok=True)
        make_venv(venv)
        failed.unlink(missing_ok=True)
        install_torch(venv, [])
        pip(venv, "-r", str(requirements), what=requirements.stem)
        if own:
            pip(venv, *own, what="ppo_core")
    except Stop as fault:
        if own:
            raise
        venv.mkdir(parents=True, exist_ok=True)
        failed.write_text(str(fault), encoding="utf-8")
        say(f"{requirements.stem} is left out: {fault}")
    else:
        stamp.write_text(wanted, encoding="utf-8")


def bench(*arguments: str) -> None:
    """Measure: each library in an environment of its own, so that none decides the versions of another."""
    for requirements in sorted((ROOT / "benchmarks" / "peers").glob("*.txt")):
        if "--help" not in arguments or requirements.stem == "ours":
            peer_environment(requirements)
    code = run(python_of(BENCH / "ours"), "benchmarks/bench.py", *arguments, env=own_environment())
    if code:
        raise SystemExit(code)


def lock(*arguments: str) -> None:
    """Install the ranges of pyproject.toml into a clean environment and write down what came, and its digests."""
    if "--keep" not in arguments:
        with tempfile.TemporaryDirectory() as folder:
            venv = Path(folder) / "venv"
            make_venv(venv)
            install_torch(venv, [])
            ranges = ["--upgrade", "setuptools", f"torch=={TORCH}", "-e", f".[{LOCK_EXTRAS}]"]
            pip(venv, *ranges, what="the ranges of pyproject.toml")
            freeze = [
                str(python_of(venv)),
                "-m",
                "pip",
                "freeze",
                "--all",
                "--exclude",
                "pip",
                "--exclude-editable",
            ]
            frozen = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout
            version = this_system(venv)
        pins = sorted(
            {re.sub(r"\+\S+", "", line) for line in frozen.split("\n") if "==" in line}, key=str.lower
        )
        header = (
            "# Exact versions of everything the book, its tests and its benchmarks install. Made by `make lock` (python make.py lock):\n"
            f"# a clean environment, the ranges of pyproject.toml with the extras {LOCK_EXTRAS}, torch first, pip freeze, without\n"
            f"# local suffixes such as +cpu. Resolved with {version}. Use it as constraints: pip install -c requirements.lock ...\n"
        )
        LOCK.write_text(header + "\n".join(pins) + "\n", encoding="utf-8", newline="\n")
        say(
            f"wrote {LOCK.name}: {len(pins)} versions. environment.yml repeats six of them; tests/test_environment.py compares."
        )
    pins = [line for line in LOCK.read_text(encoding="utf-8").splitlines() if "==" in line and line[0] != "#"]
    with ThreadPoolExecutor(8) as several:
        entries = list(several.map(hashed_entry, pins))
    header = (
        f"# The versions of {LOCK.name} with the SHA-256 of each wheel, as PyPI states them, for CPython 3.11 to 3.14 on Linux,\n"
        "# macOS and Windows. Made by `make lock` (with --keep: the versions stay). make.py installs from it with\n"
        f"# --require-hashes where the lock was resolved: {resolved_for()}. The CPU build of torch is the exception:\n"
        "# it comes from PyTorch's own index, before this list.\n"
    )
    HASHES.write_text(header + "".join(entries), encoding="utf-8", newline="\n")
    say(f"wrote {HASHES.name}: {sum(entry.count('--hash') for entry in entries)} digests")


def hashed_entry(pin: str) -> str:
    """One version with the digests of its wheels, asked from PyPI's index."""
    name, version = pin.split("==")
    address = f"https://pypi.org/simple/{re.sub(r'[-_.]+', '-', name).lower()}/"
    request = urllib.request.Request(address, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        files = json.load(answer)["files"]
    digests = sorted(file["hashes"]["sha256"] for file in files if wanted_wheel(file["filename"], version))
    if not digests:
        raise Stop(f"PyPI has no wheel of {pin} for this book's systems")
    return f"{pin} \\\n" + " \\\n".join(f"    --hash=sha256:{digest}" for digest in digests) + "\n"


def wanted_wheel(filename: str, version: str) -> bool:
    """Whether a file is a wheel of this version for CPython 3.11 to 3.14 on a system that the book is read on."""
    parts = filename.removesuffix(".whl").split("-")
    if not filename.endswith(".whl") or parts[1] != version:
        return False
    python, abi, system = parts[-3:]
    rare = (
        "musllinux",
        "ppc64",
        "s390x",
        "armv7",
        "riscv",
        "win32",
        "i686",
        "loongarch",
        "ios",
        "android",
        "pyodide",
    )
    if any(word in system for word in rare):
        return False
    stable = abi == "abi3" and any(
        re.fullmatch(r"cp3\d*", tag) and int(tag[3:] or 0) <= 14 for tag in python.split(".")
    )
    own = python in ("cp311", "cp312", "cp313", "cp314") and abi in (python, "none")
    return stable or own or "py3" in python.split(".")


def clean(*arguments: str) -> None:
    targets = [
        BUILD,
        *(ROOT / name for name in (".pytest_cache", ".ruff_cache", ".hypothesis", "build", "dist")),
    ]
    if "--all" in arguments:
        targets += [VENV, BROWSER / "node_modules"]
    for target in targets:
        if target.exists():
            shutil.rmtree(target)
            say(f"removed {target}")


def main(arguments: list[str]) -> int:
    targets = {f.__name__: f for f in (book, test, lab, workshop, train, bench, faults, lock, clean)}
    name, rest = (arguments[0], arguments[1:]) if arguments else ("help", [])
    if name in ("help", "-h", "--help"):
        say(__doc__.strip())
        return 0
    if name not in targets:
        say(f"no target {name!r}; there are: {', '.join(targets)}, help")
        return 2
    if rest and name not in ("lab", "workshop", "train", "bench", "faults", "lock", "clean"):
        say(f"{name} takes no arguments, got: {' '.join(rest)}")
        return 2
    try:
        targets[name](*rest)
    except Stop as fault:
        print(f"\n{fault}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr, flush=True)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
