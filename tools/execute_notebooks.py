"""Execute the chapters, two at a time, into the cache that the book is rendered from.

    python tools/execute_notebooks.py [--jobs 2] [notebooks/05_gae.ipynb ...]

Sphinx executes one notebook after another and shows no progress, so the cache is filled first, one process per
chapter. A chapter is executed again when one of its code cells changed, or when anything in `FOUNDATIONS`
changed; otherwise its outputs are taken from the cache. `book/conf.py` uses the same `cache_path`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE_PREFIX = "cache-"
CELL_TIMEOUT = 300  # seconds for one cell

# What a chapter's outputs depend on besides its own cells. jupyter-cache looks at the cells alone and would show
# yesterday's numbers after a change in the package.
FOUNDATIONS = (
    "ppo_core/**/*.py",
    "ppo_core/**/*.mjs",
    "ppo_core/**/*.json",
    "ppo_core/**/*.css",
    "ppo_core/**/*.png",
    "ppo_core/**/*.safetensors",
    "benchmarks/**/*.py",
    "benchmarks/**/*.csv",
    "benchmarks/**/*.json",
    "notebooks/**/*.py",
    "notebooks/**/*.csv",
    "requirements.lock",
)


def cache_path(root: Path = ROOT) -> Path:
    """The folder of executed notebooks that belongs to the present package sources, lock and Python."""
    key = hashlib.sha256(f"python {sys.version_info[0]}.{sys.version_info[1]}".encode())
    for path in sorted({path for pattern in FOUNDATIONS for path in root.glob(pattern)}):
        if path.is_file() and ".ipynb_checkpoints" not in path.parts:
            # line ends differ between systems, the sources do not
            content = path.read_bytes().replace(b"\r\n", b"\n")
            key.update(f"\0{path.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return root / "book" / "_build" / "executed" / f"{CACHE_PREFIX}{key.hexdigest()[:16]}"


def chapters(root: Path = ROOT) -> list[Path]:
    """The notebooks of the table of contents, in its order."""
    toc = (root / "book" / "_toc.yml").read_text(encoding="utf-8")
    return [root / f"{name}.ipynb" for name in re.findall(r"^\s*-\s*file:\s*(notebooks/\S+)", toc, re.M)]


def read(path: Path):
    """Read a notebook the way myst-nb does, so that both compute the same cache key."""
    import nbformat

    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)


def prune(keep: Path, spare: int = 1) -> None:
    """Remove the caches of older sources, but keep `spare` of them: changing branches is common."""
    others = [p for p in keep.parent.glob(f"{CACHE_PREFIX}*") if p != keep and p.is_dir()]
    for old in sorted(others, key=lambda p: p.stat().st_mtime, reverse=True)[spare:]:
        shutil.rmtree(old, ignore_errors=True)


# --- one chapter, in a process of its own


def execute_one(source: Path, target: Path) -> int:
    """Execute `source`; write the executed notebook to `target`. A failing cell is written as JSON instead."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = read(source)
    now = {"index": 0, "id": "?"}

    def on_cell_start(cell, cell_index):
        now.update(index=cell_index, id=cell.get("id", "?"))

    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        resources={"metadata": {"path": str(source.parent)}},
        record_timing=False,
        on_cell_start=on_cell_start,
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        source_lines = notebook.cells[now["index"]].source
        fault = {"cell": now["index"] + 1, "id": now["id"], "source": source_lines, "error": str(error)}
        target.write_text(json.dumps(fault), encoding="utf-8")
        return 3
    import nbformat

    nbformat.write(notebook, target)
    return 0


# --- all chapters

CHILDREN: set[subprocess.Popen] = set()
PRINTING = threading.Lock()


def say(text: str) -> None:
    with PRINTING:
        print(text, flush=True)


def kernel_environment(root: Path = ROOT) -> dict[str, str]:
    """One BLAS thread, the environment's own kernels, no private start-up files, no reader's progress, no display."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    private = ("MPLBACKEND", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")
    ipython = root / "book" / "_build" / "ipython"
    ipython.mkdir(parents=True, exist_ok=True)
    return {
        **{name: value for name, value in os.environ.items() if name not in private},
        **dict.fromkeys(threads, "1"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "IPYTHONDIR": str(ipython),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONUTF8": "1",
        "PPO_TEACH_STATE": "",  # a solved notebook that is executed solves nothing for the reader
        "SDL_VIDEODRIVER": "dummy",  # pictures of environments need no display, and should not ask for one
    }


def run_child(path: Path, target: Path, root: Path) -> tuple[int, float, str]:
    start = time.perf_counter()
    command = [sys.executable, str(Path(__file__).resolve()), "--one", str(path), str(target)]
    child = subprocess.Popen(
        command, env=kernel_environment(root), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    CHILDREN.add(child)
    try:
        noise, _ = child.communicate()
    finally:
        CHILDREN.discard(child)
    return child.returncode, time.perf_counter() - start, noise


def report(path: Path, fault: dict) -> str:
    bar = "-" * 78
    error = re.sub(r"\x1b\[[0-9;]*m", "", fault["error"]).strip()  # no colours: this may go into a log
    return (
        f"\n{bar}\n{path.name}, cell {fault['cell']} (id {fault['id']}) failed:\n{bar}\n"
        f"{fault['source']}\n{bar}\n{error}\n{bar}"
    )


def execute_all(paths: list[Path], jobs: int = 2, root: Path = ROOT) -> int:
    """Bring the cache up to date for `paths`; print a line per chapter; return the number of failures."""
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn

    folder = cache_path(root)
    folder.parent.mkdir(parents=True, exist_ok=True)
    cache = get_cache(folder)
    cache.change_cache_limit(10_000)
    done, failed, todo = 0, 0, []
    for path in paths:
        if not path.exists():
            say(f"  {path.name:<34} is in book/_toc.yml but does not exist")
            failed += 1
            continue
        try:
            cache.match_cache_notebook(read(path))
            done += 1
        except KeyError:
            todo.append(path)
    if done:
        say(f"  {done} of {len(paths)} chapters are unchanged")

    def one(path: Path, work: Path) -> bool:
        target = work / path.name
        say(f"  {path.name:<34} started")
        code, seconds, noise = run_child(path, target, root)
        if code == 0:
            bundle = CacheBundleIn(read(target), str(path), data={"execution_seconds": seconds})
            with PRINTING:
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            say(f"  {path.name:<34} {seconds:6.1f} s")
            return True
        if code == 3 and target.exists():
            say(report(path, json.loads(target.read_text(encoding="utf-8"))))
        else:
            say(f"  {path.name} ended with exit code {code}:\n{noise}")
        return False

    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        results = [pool.submit(one, path, Path(work)) for path in todo]
        try:
            failed += sum(not result.result() for result in results)
        except KeyboardInterrupt:
            for result in results:
                result.cancel()
            for child in list(CHILDREN):
                child.terminate()
            raise
    prune(folder)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: every chapter of book/_toc.yml")
    parser.add_argument("--jobs", type=int, default=2, help="chapters executed at once (default: 2)")
    parser.add_argument("--one", nargs=2, type=Path, metavar=("SOURCE", "TARGET"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return execute_one(*options.one)
    try:
        failed = execute_all([p.resolve() for p in options.notebooks] or chapters(), options.jobs)
    except KeyboardInterrupt:
        say("  stopped; the chapters that had ended are kept")
        return 130
    if failed:
        say(f"  {failed} chapter{'s' if failed > 1 else ''} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
