"""Where things are, and small notebooks to plant faults in."""

from __future__ import annotations

from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "book" / "_build" / "html"
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def make_notebook(*cells: tuple[str, str] | tuple[str, str, str]) -> nbformat.NotebookNode:
    """A notebook from (kind, source) or (kind, source, "tag tag"); kind is "code" or "md"."""
    made = []
    for i, (kind, source, *tags) in enumerate(cells):
        new = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
        made.append(new(source, id=f"cell-{chr(97 + i)}"))
        made[-1].metadata = nbformat.from_dict({"tags": tags[0].split()} if tags else {})  # also a wrong one
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    language = {"name": "python", "pygments_lexer": "ipython3"}
    nb = nbformat.v4.new_notebook(metadata={"kernelspec": kernel, "language_info": language})
    nb.cells = made
    return nb
