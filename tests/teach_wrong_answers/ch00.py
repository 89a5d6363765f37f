"""Answers to the exercises of chapter 00, as readers write them: each wrong one with what its message must say."""

BODY = """
method = multiprocessing.get_all_start_methods()[-1]
probabilities = np.array([0.2, 0.3, 0.5])
choice = Categorical(probs=torch.from_numpy(probabilities))
result = round(choice.entropy().item(), 4), method in ("fork", "spawn", "forkserver")
"""
IMPORTS = """import multiprocessing
import numpy as np
import torch
from torch.distributions import Categorical
"""


# --- visible_program ---------------------------------------------------------------------------------------------
def everything(cells):
    """What the machine runs."""
    return "\n".join(cell["source"] for cell in cells if cell["kind"] == "code")


def only_the_hidden(cells):
    return "\n".join(cell["source"] for cell in cells if cell["kind"] == "code" and cell["hidden"])


def text_too(cells):
    return "\n".join(cell["source"] for cell in cells if not cell["hidden"])


def sorted_cells(cells):
    return "\n".join(
        sorted(cell["source"] for cell in cells if cell["kind"] == "code" and not cell["hidden"])
    )


def until_the_first_hidden(cells):
    program = []
    for cell in cells:
        if cell["hidden"]:
            break
        if cell["kind"] == "code":
            program.append(cell["source"])
    return "\n".join(program) or "os.getcwd()"


def on_one_line(cells):
    return "; ".join(cell["source"] for cell in cells if cell["kind"] == "code" and not cell["hidden"])


def a_list(cells):
    return [cell["source"] for cell in cells if cell["kind"] == "code" and not cell["hidden"]]


def forgot_to_return(cells):
    "\n".join(cell["source"] for cell in cells if cell["kind"] == "code" and not cell["hidden"])


def with_a_loop(cells):
    program = ""
    for cell in cells:
        if cell["hidden"] or cell["kind"] != "code":
            continue
        program += cell["source"] + "\n"
    return program


WRONG = {
    "visible_program": {
        "the machine's program": (everything, "what the reader does not have"),
        "the condition reversed": (only_the_hidden, "belongs to the program"),
        "text is kept": (text_too, "Text is no code"),
        "sorted": (sorted_cells, "order of the page"),
        "stops at a hidden cell": (until_the_first_hidden, "the ones after a hidden cell count too"),
        "joined by semicolons": (on_one_line, "Expected the lines"),
        "a list": (a_list, "should be one string"),
        "no return": (forgot_to_return, "returned nothing"),
        "called": ("a = 1", "should be a function"),
    },
    "self_contained": {
        "as it was": (BODY, "neither imported nor defined: Categorical, multiprocessing, np, torch"),
        "numpy under another name": (
            IMPORTS.replace("numpy as np", "numpy") + BODY,
            "neither imported nor defined: np",
        ),
        "star import": (
            "import multiprocessing\nimport numpy as np\nimport torch\nfrom torch.distributions import *\n"
            + BODY,
            "hides which names",
        ),
        "imports below": (BODY + IMPORTS, "above the first line that needs it"),
        "imports in a function": (
            "def imports():\n    " + IMPORTS.strip().replace("\n", "\n    ") + "\n" + BODY,
            "outside any function",
        ),
        "wrong module": (IMPORTS.replace("torch.distributions", "torch.nn") + BODY, "from the right module"),
        "the lines taken out": (IMPORTS + "result = None\n", "leave the program's own lines"),
        "a syntax error": ("import multiprocessing as\n" + BODY, "cannot read the program"),
        "not a text": (["import numpy as np"], "as text"),
    },
}

RIGHT = {
    "visible_program": {"a loop": with_a_loop},
    "self_contained": {
        "torch's own multiprocessing": IMPORTS.replace(
            "import multiprocessing", "from torch import multiprocessing"
        )
        + BODY,
        "one line": "import multiprocessing, torch; import numpy as np; from torch.distributions import Categorical\n"
        + BODY,
    },
}
