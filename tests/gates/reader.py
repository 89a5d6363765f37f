"""The reader's gate: take the code that a built page shows, copy it into an empty folder, run it in a fresh interpreter.

What counts as shown is read off the HTML, not off the notebook's tags: code inside a closed <details>, or in an
element that is hidden, is not shown. One exception: an exercise, whose answer the reader writes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from bs4 import BeautifulSoup, Tag


@dataclass(frozen=True)
class Cell:
    code: str
    raises: bool = False  # the page says that this cell fails


def is_shown(element: Tag) -> bool:
    """Whether a reader who opens the page sees the element without a click."""
    for parent in (element, *element.parents):
        if not isinstance(parent, Tag):
            continue
        classes = set(parent.get("class") or [])
        style = (parent.get("style") or "").replace(" ", "")
        if parent.name == "details" and not parent.has_attr("open"):
            return False
        if (
            parent.has_attr("hidden")
            or "display:none" in style
            or classes & {"toggle", "toggle-hidden", "dropdown"}
        ):
            return False
    return True


def visible_cells(html: str) -> list[Cell]:
    """The code cells that the page shows, in order, with the exercises."""
    cells = []
    for cell in BeautifulSoup(html, "html.parser").select("div.cell"):
        classes = set(cell.get("class") or [])
        block = cell.select_one("div.cell_input pre")
        if block is None or not (is_shown(block) or "tag_exercise" in classes):
            continue
        for number in block.select(".linenos"):
            number.decompose()
        cells.append(Cell(block.get_text().strip("\n"), "tag_raises-exception" in classes))
    return cells


# Runs the cells as a notebook would, in IPython with nothing imported, and stops at the first that goes wrong.
# It is handed to `python -c`, so that the program's own folder is the empty one, and __main__ has no file, as in a kernel.
RUNNER = """
import json, os, sys
from IPython.core.interactiveshell import InteractiveShell

cells = json.load(sys.stdin)
sys.stdin = open(os.devnull)
shell = InteractiveShell.instance(colors="nocolor")
shell.enable_gui = lambda gui=None: None  # %matplotlib asks for a window system
for i, cell in enumerate(cells):
    print(f"\\n--- cell {i + 1}", flush=True)
    result = shell.run_cell(cell["code"], store_history=True)
    error = result.error_before_exec or result.error_in_exec
    if cell["raises"] and error is None:
        problem = "the page says that this cell fails, and it does not"
    elif error is not None and not cell["raises"]:
        problem = f"{type(error).__name__}: {error}"
    else:
        continue
    with open(REPORT, "w", encoding="utf-8") as report:
        json.dump({"cell": i, "problem": problem}, report)
    break
else:
    with open(REPORT, "w", encoding="utf-8") as report:
        json.dump({"cell": None, "problem": ""}, report)
sys.stdout.flush()
"""

# what an interpreter needs to start, to find its parts and to work offline; nothing else of the caller's environment
PASSED_ON = (
    "PATH",
    "SYSTEMROOT",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "USERPROFILE",
    "HOME",
    "LANG",
    "LC_ALL",
    "CI",
    "LD_LIBRARY_PATH",
)


def run(cells: list[Cell], folder: Path, timeout: float = 300) -> str:
    """Run the cells in `folder`/empty with nothing imported. Empty if all is well, else a sentence that names the cell."""
    empty = folder / "empty"
    empty.mkdir(parents=True)
    report, output = folder / "report.json", folder / "output.txt"
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {"IPYTHONDIR": str(folder / "ipython"), "MPLBACKEND": "agg", "PYTHONIOENCODING": "utf-8"}
    environment |= {"TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    code = RUNNER.replace("REPORT", repr(str(report)))
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=empty,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.communicate(json.dumps([asdict(cell) for cell in cells]).encode(), timeout=timeout)
        except subprocess.TimeoutExpired:
            pass
        finally:
            timed_out = process.poll() is None
            if hasattr(os, "killpg"):  # the page's own processes too
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            elif timed_out:
                process.kill()
            process.wait()
    said = output.read_text(encoding="utf-8", errors="replace")
    if timed_out:
        return f"not done after {timeout:g} s; the last output is\n{said[-1500:]}"
    if not report.exists():
        return (
            f"the interpreter ended with exit code {process.returncode}; the last output is\n{said[-1500:]}"
        )
    result = json.loads(report.read_text(encoding="utf-8"))
    if result["cell"] is None:
        return ""
    cell = cells[result["cell"]].code
    return f"visible cell {result['cell'] + 1} of {len(cells)}: {result['problem']}\n{cell[:600]}\n...\n{said[-2500:]}"


def built_from(cells: list[Cell], sources: list[str]) -> str:
    """Whether the page shows the notebook's code as it is now: empty, or a sentence about the first cell that differs."""

    def plain(code: str) -> str:
        return "\n".join(line.rstrip() for line in code.strip().splitlines())

    remaining = iter(plain(source) for source in sources)
    for cell in cells:
        if plain(cell.code) not in remaining:
            return f"the page is older than its notebook: run make book. It shows\n{cell.code[:400]}"
    return ""
