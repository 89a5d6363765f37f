"""What an exercise is made of. Plain data: the chapters' exercises are lists of these, in `ppo_core.teach.exercises`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class Wrong(Exception):
    """Raised by a case's `test`: the answer is wrong; the message says which idea is missing and where it is explained."""


NO_GRADIENT = (
    "The numbers are right, but no gradient flows through them, so that no policy could learn from them. Stay in torch: "
    "no numpy, no item(), no detach()."
)


def differentiable(answer: Callable[..., Any], *arguments: Any, otherwise: str = NO_GRADIENT) -> Any:
    """What the answer returns for `arguments`: a tensor that carries a gradient. Raises: Wrong(otherwise) if it does not."""
    import torch

    try:
        result = answer(*arguments)
    except RuntimeError as error:
        if "requires grad" not in str(error):
            raise
        result = None
    if not isinstance(result, torch.Tensor) or not result.requires_grad:
        raise Wrong(otherwise)
    return result


@dataclass(frozen=True)
class Case:
    """One question to an answer.

    Either `arguments`: a function without parameters that makes the arguments of one call, whose result is compared
    with the exercise's oracle (for an answer that is a value and no function: leave both out). Or `test`: a function
    that takes the answer and raises `Wrong`. `why` is said when the case fails and no misconception explains it, and
    `read` names the section of the chapter that explains the idea.
    """

    name: str
    why: str
    read: str = ""
    arguments: Callable[[], Sequence[Any]] | None = None
    test: Callable[[Any], None] | None = None


@dataclass(frozen=True)
class Misconception:
    """A mistake that people make: `wrong` computes what they get, `message` names the idea, `read` the section."""

    name: str
    wrong: Callable[..., Any]
    message: str
    read: str = ""


@dataclass(frozen=True)
class Exercise:
    """One exercise of chapter `chapter`.

    `oracle` computes the right result in another way than `reference`, which is what a reader's notebook goes on
    with. `cases` go from the simplest to the hardest, each about one idea. `crash_help` maps a fragment of an error
    message to what it usually means. `axes` names the axes of a result in a message, and `note` is printed when the answer
    is right.
    """

    name: str
    chapter: int
    prompt: str
    hints: tuple[str, ...]
    cases: tuple[Case, ...]
    reference: Any
    oracle: Any = None
    misconceptions: tuple[Misconception, ...] = ()
    crash_help: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 1e-4
    axes: tuple[str, ...] = ("t", "env")
    note: str = ""
