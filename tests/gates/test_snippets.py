"""Gate 4: every name that a reader copies is imported or defined in sight, above.

The cases are the story of chapter 00: code that used `multiprocessing` while a hidden cell imported it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import check_snippets
import pytest
from gatekit import ROOT

USE = 'ctx = multiprocessing.get_context("spawn")'
IMPORT = "import multiprocessing"
LATER = "import multiprocessing\n\nmultiprocessing.cpu_count()"
IN_FUNCTION = "def make():\n    return multiprocessing.Process()"
FENCE = f"Some text.\n\n```python\nimport numpy as np\n{USE}\nnp.zeros(1)\n```\n"
SOLVED = "### BEGIN SOLUTION\nanswer = 2\n### END SOLUTION"


def test_no_page_of_the_book_misses_a_name() -> None:
    found, _ = check_snippets.problems(check_snippets.all_pages())
    assert found == []


def judge(path: Path) -> list[str]:
    found, _ = check_snippets.problems([path])
    return [problem.removeprefix(f"{path}: ").removeprefix(f"{path}, ") for problem in found]


def missing(where: str, line: int, name: str = "multiprocessing", hint: str = " above") -> str:
    return f"{where}, line {line}: `{name}` is used but not imported or defined{hint}"


FAULTS = {
    # the founding fault: the import is there, in a cell that the page does not show
    "imported only in a hidden cell": (
        [("code", IMPORT, "hide-input"), ("code", USE)],
        missing("cell 'cell-b'", 1, hint=" in sight: only the hidden cell 'cell-a' has it"),
    ),
    "imported only in a removed cell": (
        [("code", IMPORT, "remove-cell"), ("code", USE)],
        missing("cell 'cell-b'", 1, hint=" in sight: only the hidden cell 'cell-a' has it"),
    ),
    "used in a function, imported only in a hidden cell": (
        [
            ("code", "import math\nimport multiprocessing as multiprocessing", "hide-cell"),
            ("code", IN_FUNCTION),
        ],
        missing("cell 'cell-b'", 2, hint=" in sight: only the hidden cell 'cell-a' has it"),
    ),
    "defined only in a cell for the teacher": (
        [("code", "size = 3", "instructor"), ("code", "print(size)")],
        missing("cell 'cell-b'", 1, "size", " in sight: only the hidden cell 'cell-a' has it"),
    ),
    "never imported": ([("code", "import math\n\nmath.pi"), ("code", USE)], missing("cell 'cell-b'", 1)),
    "imported in a later cell": ([("code", USE), ("code", LATER)], missing("cell 'cell-a'", 1)),
    "used in a function, never imported": (
        [("code", IN_FUNCTION), ("code", "make()")],
        missing("cell 'cell-a'", 2),
    ),
    "used in a function, imported in a later cell": (
        [("code", IN_FUNCTION + "\n\n\nmake()"), ("code", LATER)],
        missing("cell 'cell-a'", 2),
    ),
    "used in a hidden cell, never imported": ([("code", USE, "hide-input")], missing("cell 'cell-a'", 1)),
    "in a %%time cell": ([("code", f"%%time\n{USE}")], missing("cell 'cell-a'", 2)),
    "in a %%writefile cell": (
        [("code", IMPORT), ("code", f"%%writefile worker.py\nimport math\n{USE}")],
        missing("cell 'cell-b'", 3),
    ),
    "a variable of the notebook in a %%writefile cell": (
        [("code", "size = 3"), ("code", "%%writefile worker.py\nprint(size)")],
        missing("cell 'cell-b'", 2, "size"),
    ),
    "in a fence between the cells": ([("md", FENCE), ("code", IMPORT)], missing("cell 'cell-a'", 5)),
    "in a fence, imported only in a hidden cell": (
        [("code", IMPORT, "hide-input"), ("md", FENCE)],
        missing("cell 'cell-b'", 5, hint=" in sight: only the hidden cell 'cell-a' has it"),
    ),
    "a name of the package in a fence": (
        [("md", "```python\nadvantages = compute_gae(rewards)\n```")],
        missing("cell 'cell-a'", 2, "compute_gae"),
    ),
    "in a standalone cell": (
        [("code", IMPORT), ("code", USE, "standalone")],
        missing("cell 'cell-b', copied alone", 1),
    ),
    "silenced by a comment": ([("code", USE + "  # noqa: F821")], missing("cell 'cell-a'", 1)),
    "a module of its own, not loaded by its package": (
        [
            (
                "code",
                "import multiprocessing\n\nblock = multiprocessing.shared_memory.SharedMemory(create=True, size=8)",
            )
        ],
        "cell 'cell-a', line 3: `multiprocessing.shared_memory` is a module of its own: "
        "write `import multiprocessing.shared_memory`",
    ),
    "the same under another name": (
        [("code", "import concurrent as c\n\nc.futures.ProcessPoolExecutor()")],
        "cell 'cell-a', line 3: `concurrent.futures` is a module of its own: write `import concurrent.futures`",
    ),
    "not Python": ([("code", "x = (1")], "cell 'cell-a', line 1: this is not Python: nobody can run it"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_missing_import_is_found(notebook, case: str) -> None:
    cells, expected = FAULTS[case]
    assert judge(notebook(*cells, cleaned=False)) == [expected]


def test_a_star_import_that_hides_it_is_found(notebook) -> None:
    found = judge(notebook(("code", "from ppo_core import *"), ("code", USE)))
    assert len(found) == 2
    assert "cell 'cell-a'" in found[0] and "import *" in found[0]
    assert found[1].startswith("cell 'cell-b', line 1: `multiprocessing`")


RIGHT = {
    "imported in a visible cell above": [("code", IMPORT), ("md", "text"), ("code", USE)],
    "imported above a fence": [("code", IMPORT), ("md", f"```python\n{USE}\n```")],
    "imported in the fence": [("md", f"```python\n{IMPORT}\n{USE}\n```")],
    "imported in a try": [
        ("code", "try:\n    import multiprocessing\nexcept ImportError:\n    pass"),
        ("code", USE),
    ],
    "an exercise gives the name": [
        ("code", SOLVED, "exercise hide-input"),
        ("code", "print(answer)", "check"),
    ],
    "the error is the lesson": [("code", USE, "raises-exception"), ("code", IMPORT), ("code", USE)],
    "the error is shown in the fence": [
        ("md", f"```python\n{USE}  # NameError: name 'multiprocessing' is not defined\n```")
    ],
    "a variable of the text in a fence": [("md", "```python\nadvantages = deltas + gamma * running\n```")],
    "a hidden cell uses a hidden cell": [("code", IMPORT, "hide-input"), ("code", USE, "hide-input")],
    "magics, display and await": [
        (
            "code",
            "import asyncio\n\n%matplotlib inline\n!ls\ndisplay(1)\nget_ipython()\nawait asyncio.sleep(0)",
        )
    ],
    "a module that comes with its package": [
        ("code", "import os\nimport asyncio\n\nos.path, asyncio.events")
    ],
    "a module of its own, imported": [
        ("code", "import multiprocessing.shared_memory\n\nmultiprocessing.shared_memory.SharedMemory")
    ],
    "a module of its own, imported from": [
        (
            "code",
            "import multiprocessing\nfrom multiprocessing import connection\n\nconnection.wait, multiprocessing.connection",
        )
    ],
    "other languages": [
        ("code", "%%bash\nmultiprocessing"),
        ("md", "```sh\nmultiprocessing.x\n```\n```\nmultiprocessing\n```"),
    ],
    "standalone with its imports": [("code", f"{IMPORT}\n\n{USE}", "standalone")],
}


@pytest.mark.parametrize("case", RIGHT)
def test_right_code_is_left_alone(notebook, case: str) -> None:
    assert judge(notebook(*RIGHT[case], cleaned=False)) == []


PAGE = f"""# T

```python
import numpy as np
{USE}
np.zeros(1)
```

:::{{admonition}} A box
```{{code-block}} python
:caption: a caption

{USE}
```
:::

````{{note}}
```{{code-cell}} ipython3
---
tags: [hide-input]
---
{USE}
```
````

1. in a list

   ~~~py
   {USE}
   ~~~

```pycon
>>> {USE}
>>> if True:
...     multiprocessing
```

```text
{USE}
```

```python
compute_gae(rewards) -> advantages
```

:::{{code-block}} python
{IMPORT}
:::

```python
{USE}
```
"""


def test_every_kind_of_fence_on_a_page_is_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    lines = [n for n, line in enumerate(PAGE.splitlines(), 1) if "multiprocessing" in line]
    text, import_line, below = lines[-3:]
    assert PAGE.splitlines()[import_line - 1] == IMPORT and text < import_line < below
    missed = [problem for problem in judge(page) if "multiprocessing" in problem]
    assert missed == [missing("", n).removeprefix(", ") for n in lines[:-3]]
    assert [p for p in judge(page) if "not Python" in p] == [
        f"line {PAGE.splitlines().index('compute_gae(rewards) -> advantages') + 1}: this is not Python: mark the fence as text"
    ]


def test_the_command_names_page_and_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(FENCE, encoding="utf-8")
    command = [sys.executable, str(ROOT / "tools" / "check_snippets.py"), str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines() == [
        f"{page}, line 5: `multiprocessing` is used but not imported or defined above",
        "1 pages, 1 snippets, 1 problems",
    ]
    page.write_text(f"```python\n{IMPORT}\n{USE}\n```\n", encoding="utf-8")
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_without_arguments_all_pages_are_judged() -> None:
    pages = {path.relative_to(ROOT).as_posix() for path in check_snippets.all_pages()}
    on_disk = {
        p.relative_to(ROOT).as_posix()
        for p in (*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("book/*.md"), *ROOT.glob("*.md"))
    }
    assert pages >= on_disk and not any("_build" in page for page in pages)
