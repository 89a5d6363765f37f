"""Keep the notebooks in one form, so that a change in a diff is a change of the book.

    python tools/notebooks.py clean [PATH ...]  rewrite notebooks in the one form
    python tools/notebooks.py check [PATH ...]  name every deviation, notebook and cell; exit 1 if there is any
    python tools/notebooks.py store PATH ...    run each notebook twice in fresh kernels, store the outputs of
                                                cells tagged nbval-check-output if both runs print the same

Without a path, `clean` and `check` take all of notebooks/.

The form: an output and its execution count are stored only in cells tagged `nbval-check-output`; the count is
the cell's place among the code cells; metadata is the minimum; every cell has an id that a person can read;
keys are sorted.
"""

from __future__ import annotations

import argparse
import ast
import copy
import getpass
import json
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]

STORED = "nbval-check-output"
TAGS = {
    STORED: "the output is deterministic text: it is stored, and nbval compares it",
    "core": "the definition equals the package's",
    "exercise": "the reader writes this; the page shows the solution collapsed",
    "check": "checks the exercise above it",
    "solution": "an answer, taken out of the student edition",
    "instructor": "for the teacher, taken out of the student edition",
    "raises-exception": "the error is the lesson",
    "standalone": "meant to be copied alone: it imports every module it uses",
    "hide-input": "the page shows the code collapsed; nothing that a reader runs may need it",
    "hide-output": "the page shows the output collapsed",
    "hide-cell": "the page shows the cell collapsed; nothing that a reader runs may need it",
    "remove-input": "the page leaves the code out; nothing that a reader runs may need it",
    "remove-output": "the page leaves the output out",
    "remove-cell": "the page leaves the cell out; nothing that a reader runs may need it",
    "full-width": "the page lets the cell use the whole width",
    "margin": "the page sets the cell beside the text",
}
HIDDEN = {
    "hide-input",
    "hide-cell",
    "remove-input",
    "remove-cell",
}  # tags whose code the page does not show at once
KEPT_METADATA = {"tags", "mystnb"}
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    # the lexer is what myst-nb and nbconvert colour the code by
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
LONG_CELL = 30  # lines; longer cells are reported, not refused

# not the random ids that JupyterLab gives, and not the numbers that other tools put in their place
READABLE_ID = re.compile(r"(?!\d+$)(?![0-9a-f]{8}(?![a-z0-9]))[a-z0-9]+([-_][a-z0-9]+)*")
SOLUTION = re.compile(r"^\s*### BEGIN SOLUTION[ \t]*$.*?^\s*### END SOLUTION[ \t]*$", re.M | re.S)
GIVEAWAYS = {
    "a home path": re.compile(r"/home/\w+|/Users/\w+|[A-Z]:\\+Users\\+\w+|/root/"),
    "a temporary path": re.compile(r"/tmp/\w+|/var/folders/|\\AppData\\|/ipykernel_\d+"),
    "a token": re.compile(
        r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{22,}|hf_[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9_-]{20,}|xox[abprs]-[\w-]{10,}"
        r"|\bAKIA[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|[?&]token=[0-9a-fA-F]{16,}"
    ),
    "a private address": re.compile(
        r"\b(?:10(?:\.\d{1,3}){3}|192\.168(?:\.\d{1,3}){2}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d{1,3}){2})\b"
        r"|\b[\w-]+\.(?:internal|localdomain)\b"
    ),
}
NOBODY = {"localhost", "runner", "runneradmin", "jovyan", "ubuntu", "debian", "admin"}  # give nothing away
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")  # of an object in memory: another one in every run
FORBIDDEN = {
    "clear_output": "update a display by its handle: h = display(fig, display_id=True); h.update(fig)",
    "tqdm": "its bar differs in every run; use ppo_core.viz.LiveCurve",
}


# --- reading and writing


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.from_dict(json.loads(path.read_text(encoding="utf-8")))


def text_of(nb: nbformat.NotebookNode) -> str:
    """The file: sorted keys, one-space indent, text as it is, a newline at the end."""
    nb = copy.deepcopy(nb)
    for cell in nb.cells:
        cell.source = cell.source.splitlines(keepends=True)
        for output in cell.get("outputs", []):
            if "text" in output:
                output.text = output.text.splitlines(keepends=True)
            for mime, value in output.get("data", {}).items():
                output["data"][mime] = value.splitlines(keepends=True) if isinstance(value, str) else value
    return json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def write(nb: nbformat.NotebookNode, path: Path) -> None:
    path.write_text(text_of(nb), encoding="utf-8", newline="\n")


def joined(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "".join(value)


def tags_of(cell: nbformat.NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def shown(cell: nbformat.NotebookNode) -> bool:
    """Whether a reader of the page sees this cell's code. An exercise counts: the reader writes it."""
    return "exercise" in tags_of(cell) or not HIDDEN & set(tags_of(cell))


# --- clean


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")


def named_ids(cells: list[nbformat.NotebookNode]) -> list[str]:
    """An id for every cell: its own where readable and unique, else one made of its heading or definition."""
    own = [cell.get("id", "") for cell in cells]
    keep = {
        i
        for i, name in enumerate(own)
        if READABLE_ID.fullmatch(name) and len(name) <= 64 and own.index(name) == i
    }
    taken, names, heading = {own[i] for i in keep}, [], "start"
    for i, cell in enumerate(cells):
        title = re.search(r"^#+[ \t]+(.+)$", cell.source, re.M) if cell.cell_type == "markdown" else None
        heading = (title and slug(title[1])) or heading
        if i in keep:
            names.append(own[i])
            continue
        definition = (
            re.search(r"^(?:def|class)[ \t]+(\w+)", cell.source, re.M) if cell.cell_type == "code" else None
        )
        base = definition and slug(definition[1])
        base = base or (heading if title else f"{heading}-{'code' if cell.cell_type == 'code' else 'text'}")
        name, n = base, 1
        while name in taken or not READABLE_ID.fullmatch(name):
            n += 1
            name = f"{base}-{n}"
        taken.add(name)
        names.append(name)
    return names


def clean_outputs(outputs: list, count: int) -> list:
    """Outputs as they are stored: neighbouring prints joined, an error as one line, nothing about the run."""
    cleaned: list = []
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            text = joined(output["text"])
            if cleaned and cleaned[-1]["output_type"] == "stream" and cleaned[-1]["name"] == output["name"]:
                cleaned[-1]["text"] += text
                continue
            cleaned.append({"output_type": "stream", "name": output["name"], "text": text})
        elif kind == "error":
            line = f"{output['ename']}: {output['evalue']}"
            cleaned.append(
                {
                    "output_type": kind,
                    "ename": output["ename"],
                    "evalue": output["evalue"],
                    "traceback": [line],
                }
            )
        else:
            data = {
                mime: joined(value) if isinstance(value, list) else value
                for mime, value in output["data"].items()
            }
            kept = {"output_type": kind, "data": data, "metadata": {}}
            cleaned.append(kept | {"execution_count": count} if kind == "execute_result" else kept)
    return cleaned


def clean(nb: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook in the one form. Cleaning twice changes nothing more."""
    source = nb.get("cells", [])
    cells, count = [], 0
    for cell in source:
        cell.source = joined(cell.source)
    for cell, name in zip(source, named_ids(source), strict=True):
        metadata = {k: v for k, v in cell.get("metadata", {}).items() if k in KEPT_METADATA and v}
        if "tags" in metadata:
            metadata["tags"] = sorted(set(metadata["tags"]))
        new = {"cell_type": cell.cell_type, "id": name, "metadata": metadata, "source": cell.source.rstrip()}
        if cell.cell_type == "code":
            count += 1
            stored = STORED in metadata.get("tags", []) and bool(cell.get("outputs"))
            new["outputs"] = clean_outputs(cell.get("outputs", []), count) if stored else []
            new["execution_count"] = count if stored else None
        elif cell.get("attachments"):
            new["attachments"] = cell.attachments
        cells.append(new)
    metadata = copy.deepcopy(NOTEBOOK_METADATA)
    if nb.metadata.get("mystnb"):
        metadata["mystnb"] = nb.metadata.mystnb
    return nbformat.from_dict({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


# --- check


def parse(source: str) -> ast.Module | None:
    """The cell's code without magics and shell lines; None where it is another language, or not Python."""
    if re.match(r"\s*%%(?!time|capture|timeit)", source):
        return None
    magic = re.compile(r"^%%.*$|^(\s*)[%!?].*$|^(\s*)[\w.]+\?+$|^(\s*[\w, ]+=\s*)[%!].*$", re.M)
    plain = magic.sub(lambda line: f"{line[3]}None" if line[3] else f"{line[1] or line[2] or ''}pass", source)
    for code in (source, plain):
        try:
            return compile(code, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except SyntaxError:
            continue
    return None


def names_in(source: str) -> set[str]:
    """Every name, attribute and imported module of a cell; of a cell that is not plain Python, every word."""
    tree = parse(source)
    if tree is None:
        return set(re.findall(r"\w+", source))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update(part for alias in node.names for part in alias.name.split("."))
            found.update((getattr(node, "module", None) or "").split("."))
    return found


def output_texts(output: dict) -> Iterator[str]:
    yield joined(output.get("text", ""))
    yield joined(output.get("evalue", ""))
    yield from (joined(v) for v in output.get("data", {}).values() if isinstance(v, str | list))


def not_text(outputs: list) -> str:
    """Why these outputs cannot be stored and compared; empty when they can."""
    for output in outputs:
        other = sorted(set(output.get("data", {})) - {"text/plain"})
        if other:
            return f"shows {', '.join(other)}: only text can be stored"
        if output.get("name") == "stderr":
            return "writes to stderr: warnings differ between machines"
        if any(ADDRESS.search(text) for text in output_texts(output)):
            return "prints the address of an object, which differs in every run"
    return ""


def giveaways(text: str) -> Iterator[str]:
    for what, pattern in GIVEAWAYS.items():
        if match := pattern.search(text):
            yield f"{what} ({match[0]})"
    for what, name in whereabouts():
        if len(name) > 4 and name not in NOBODY and re.search(rf"\b{re.escape(name)}\b", text):
            yield f"{what} ({name})"


def whereabouts() -> Iterator[tuple[str, str]]:
    yield "the name of this machine", socket.gethostname()
    try:
        yield "your user name", getpass.getuser()
    except (KeyError, OSError):  # a container without a user table
        return


def cell_problems(
    cell: nbformat.NotebookNode,
    count: int,
    following: nbformat.NotebookNode | None,
    previous: nbformat.NotebookNode | None,
) -> Iterator[str]:
    tags = tags_of(cell)
    yield from (f"tag '{tag}' is not a tag of this book" for tag in tags if tag not in TAGS)
    if len(set(tags)) < len(tags):
        yield "a tag is given twice"
    yield from (f"metadata '{key}' is not kept" for key in cell.metadata if key not in KEPT_METADATA)
    yield from (f"the source holds {what}" for what in giveaways(cell.source))
    if cell.cell_type != "code":
        return

    outputs = cell.get("outputs", [])
    if STORED in tags:
        if not outputs:
            yield f"is tagged {STORED} but stores no output: run `python tools/notebooks.py store`"
        elif cell.execution_count != count:
            yield f"has execution count {cell.execution_count}, its place among the code cells is {count}"
        if reason := not_text(outputs):
            yield reason
    else:
        if outputs:
            yield f"stores an output without the tag {STORED}"
        if cell.get("execution_count") is not None:
            yield f"stores an execution count without the tag {STORED}"
    for output in outputs:
        yield from (f"the output holds {what}" for text in output_texts(output) for what in giveaways(text))

    for name in FORBIDDEN.keys() & names_in(cell.source):
        yield f"uses {name}: {FORBIDDEN[name]}"
    if (
        parse(cell.source) is None
        and not cell.source.lstrip().startswith("%%")
        and "raises-exception" not in tags
    ):
        yield "is not Python"

    if "exercise" in tags:
        if following is None or "check" not in tags_of(following):
            yield "is an exercise, but the next code cell is not tagged 'check'"
        if not SOLUTION.search(cell.source):
            yield "is an exercise without ### BEGIN SOLUTION ... ### END SOLUTION"
        if "hide-input" not in tags:
            yield "is an exercise without the tag 'hide-input': the page would show the answer"
        tree = parse(cell.source)
        if tree and any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree)):
            yield "is an exercise with an import: import in a visible cell, the reader does not see this one"
    if "check" in tags:
        if previous is None or "exercise" not in tags_of(previous):
            yield "is tagged 'check', but the code cell before it is no exercise"
        if "check" not in names_in(cell.source):
            yield "is tagged 'check' but does not call check(...)"
    if "core" in tags and (tree := parse(cell.source)) is not None:
        if not any(
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in tree.body
        ):
            yield "is tagged 'core' but defines nothing"


def problems(path: Path) -> list[str]:
    """Every deviation of one notebook, as `cell 'id' (3): what`. Empty: the notebook is in the one form."""
    raw = path.read_text(encoding="utf-8")
    try:
        nb = read(path)
        cleaned = clean(copy.deepcopy(nb))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        return [f"is not a notebook: {error!r}"]
    found, count = [], 0
    for cell in nb.cells:
        cell.source = joined(cell.source)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    for i, (cell, after) in enumerate(zip(nb.cells, cleaned.cells, strict=True), 1):
        where = f"cell {cell.get('id', '(no id)')!r} ({i}): "
        if cell.get("id") != after.id:
            found.append(
                f"{where}the id is missing, random or used twice; `clean` would call it {after.id!r}"
            )
        following = previous = None
        if cell.cell_type == "code":
            count += 1
            previous = code[count - 2] if count > 1 else None
            following = code[count] if count < len(code) else None
        found += [where + problem for problem in cell_problems(cell, count, following, previous)]
    if not found and raw != text_of(cleaned):
        old, new = raw.splitlines(), text_of(cleaned).splitlines()
        line = next(
            (i for i, (a, b) in enumerate(zip(old, new, strict=False), 1) if a != b),
            min(len(old), len(new)) + 1,
        )
        found.append(f"line {line}: not in the one form; run `python tools/notebooks.py clean {path.name}`")
    return found


def long_cells(path: Path) -> list[str]:
    cells = [
        (cell.get("id"), joined(cell.source).rstrip().count("\n") + 1)
        for cell in read(path).cells
        if cell.cell_type == "code"
    ]
    return [f"cell {name!r} has {lines} lines" for name, lines in cells if lines > LONG_CELL]


# --- store


class Refused(Exception):
    """A tagged cell's output cannot be stored; the message names the cell."""


def execute(nb: nbformat.NotebookNode, folder: Path, timeout: float) -> nbformat.NotebookNode:
    """A copy, run from top to bottom in a fresh kernel of this Python."""
    from jupyter_client import AsyncKernelManager  # comes with nbclient
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from nbclient import NotebookClient

    class ThisPython(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    run = copy.deepcopy(nb)
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython())
    NotebookClient(run, km=manager, timeout=timeout, resources={"metadata": {"path": str(folder)}}).execute()
    return run


def store(path: Path, timeout: float = 600) -> list[str]:
    """Run twice, store what both runs print in the tagged cells; the ids of the cells that were filled."""
    nb = clean(read(path))
    first, second = (clean(execute(nb, path.resolve().parent, timeout)) for _ in range(2))
    filled = []
    for cell, one, two in zip(nb.cells, first.cells, second.cells, strict=True):
        if STORED not in tags_of(cell):
            continue
        name = f"{path}: cell {cell.id!r}"
        if not one.outputs:
            raise Refused(f"{name} is tagged {STORED} but shows nothing")
        if reason := not_text(one.outputs) or not_text(two.outputs):
            raise Refused(f"{name} {reason}")
        if one.outputs != two.outputs:
            shown_twice = [
                " | ".join(filter(None, (t for o in run.outputs for t in output_texts(o))))
                for run in (one, two)
            ]
            raise Refused(f"{name} printed two different things:\n  {shown_twice[0]!r}\n  {shown_twice[1]!r}")
        cell.outputs, cell.execution_count = one.outputs, one.execution_count
        filled.append(cell.id)
    write(nb, path)
    return filled


# --- command line


def all_notebooks() -> list[Path]:
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["clean", "check", "store"])
    parser.add_argument(
        "paths", nargs="*", type=Path, help="notebooks (default: all of notebooks/, for clean and check)"
    )
    parser.add_argument(
        "--timeout", type=float, default=600, help="seconds for one cell, for store (default 600)"
    )
    args = parser.parse_args(argv)
    if args.command == "store" and not args.paths:
        parser.error("store runs notebooks, so name them")
    bad = 0
    paths = args.paths or all_notebooks()
    for path in paths:
        if args.command == "check":
            found = problems(path)
            bad += len(found)
            print("".join(f"{path}: {problem}\n" for problem in found), end="")
            print(
                "".join(
                    f"{path}: note: {cell}; most have under 15\n"
                    for cell in ([] if found else long_cells(path))
                ),
                end="",
            )
            continue
        before = path.read_text(encoding="utf-8")
        if args.command == "clean":
            write(clean(read(path)), path)
            print(f"{path}: {'already clean' if path.read_text(encoding='utf-8') == before else 'cleaned'}")
        else:
            try:
                filled = ", ".join(store(path, args.timeout))
                print(f"{path}: stored {filled or f'nothing: no cell is tagged {STORED}'}")
            except Refused as reason:
                bad += 1
                print(reason, file=sys.stderr)
    if args.command == "check":
        print(f"{len(paths)} notebooks, {bad} problems")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
