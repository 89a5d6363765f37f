"""Exercises of chapter 10, PPO assembled."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ppo_core.teach.exercise import Case, Exercise, Misconception, Wrong

# ---------------------------------------------------------------------------------------------------------------
# annealed(iteration, num_iterations, initial) -> the learning rate of that iteration; iterations count from 0


def annealed(iteration, num_iterations, initial):
    """The reference: the line that the trainer uses."""
    return initial * (1 - iteration / num_iterations)


def equal_steps_down(iteration, num_iterations, initial):
    """The oracle: walk down from the full value to 0 in `num_iterations` equal steps, and stop at `iteration`."""
    return float(np.linspace(initial, 0.0, num_iterations + 1)[iteration])


ANNEALED = Exercise(
    name="annealed",
    chapter=10,
    prompt="Write the schedule that lowers the learning rate linearly, from its full value to zero.",
    hints=(
        "Write down three values first: what must the first iteration get, what the one in the middle, and what would the "
        "iteration after the last one get?",
        "The share that is left is 1 at iteration 0, and 0 at iteration `num_iterations`, which never comes.",
        "return initial * (1 - iteration / num_iterations)",
    ),
    cases=(
        Case(
            "the first iteration",
            "The first update uses the full value.",
            read="What must hold",
            arguments=lambda: (0, 8, 0.5),
        ),
        Case(
            "a run of a single iteration",
            "A run of one iteration makes one update, with the full value.",
            read="What must hold",
            arguments=lambda: (0, 1, 0.25),
        ),
        Case(
            "half-way",
            "After half of the iterations half of the learning rate is left.",
            read="What must hold",
            arguments=lambda: (4, 8, 0.5),
        ),
        Case(
            "the last iteration",
            "The last iteration still learns: zero would be reached one iteration later.",
            read="What must hold",
            arguments=lambda: (7, 8, 0.5),
        ),
    ),
    reference=annealed,
    oracle=equal_steps_down,
    misconceptions=(
        Misconception(
            "counted from one",
            lambda i, n, lr: lr * (1 - (i + 1) / n),
            "The count is one ahead: the first update already gets less than the full value, and the last one gets zero and "
            "learns nothing. Iterations count from 0 here.",
            read="What must hold",
        ),
        Misconception(
            "zero at the last iteration",
            lambda i, n, lr: lr * (1 - i / max(n - 1, 1)),
            "The schedule arrives at zero one iteration too early: the last rollout is collected, and then nothing is learned "
            "from it. Divide by num_iterations, not by num_iterations - 1.",
            read="What must hold",
        ),
        Misconception(
            "going up",
            lambda i, n, lr: lr * i / n,
            "This schedule rises: it starts at zero and ends near the full value. What is wanted is the share that is left, "
            "1 - iteration / num_iterations.",
            read="What must hold",
        ),
        Misconception(
            "never lowered",
            lambda i, n, lr: lr,
            "The learning rate stays the same. Either `iteration` is not used, or `//` rounds iteration / num_iterations down to 0.",
            read="What must hold",
        ),
    ),
    crash_help={
        "division by zero": "With a single iteration, num_iterations - 1 is 0. Is the - 1 meant?",
    },
    note="Full at first, never quite zero.",
)


# ---------------------------------------------------------------------------------------------------------------
# epoch_indices(batch_size, num_minibatches, generator) -> the rows of each minibatch of one epoch


def epoch_indices(batch_size, num_minibatches, generator):
    """The reference: one shuffle, cut into parts."""
    import torch

    return torch.randperm(batch_size, generator=generator).tensor_split(num_minibatches)


def _parts(
    answer: Callable[..., Any], batch_size: int, num_minibatches: int, seed: int = 0
) -> list[np.ndarray]:
    """The answer's minibatches as arrays of whole numbers, or Wrong if they are nothing of the kind."""
    import torch

    return _as_indices(answer(batch_size, num_minibatches, torch.Generator().manual_seed(seed)))


def _as_indices(parts: Any) -> list[np.ndarray]:
    if parts is None:
        raise Wrong("The function returned nothing. Is the line with `return` missing?")
    try:
        arrays = [np.asarray(part) for part in parts]
    except TypeError:
        raise Wrong(
            f"The answer should be a list with the rows of each minibatch, not {type(parts).__name__}."
        ) from None
    if any(array.ndim != 1 for array in arrays):
        raise Wrong(
            "Each minibatch should be a list of row numbers. Return one list for each minibatch, not one list for all."
        )
    if any(array.dtype.kind not in "iu" for array in arrays):
        raise Wrong(
            "Row numbers are whole numbers, but these are not. Shuffle the numbers from 0 to batch_size - 1."
        )
    return arrays


def _counted_once(parts: Sequence[np.ndarray], batch_size: int) -> None:
    rows = np.concatenate(parts)
    if rows.min() < 0 or rows.max() >= batch_size:
        raise Wrong(
            f"Row {rows.max()} does not exist: a rollout of {batch_size} steps has the rows 0 to {batch_size - 1}."
        )
    times = np.bincount(rows, minlength=batch_size)
    if times.max() > 1:
        missed = "" if times.min() else f", and row {int(times.argmin())} in none"
        raise Wrong(
            f"Row {int(times.argmax())} is in {times.max()} places{missed}: the rows are drawn one by one, with replacement. "
            "Shuffle all of them once, then cut. Read: chapter 10, 'What must hold'."
        )
    if times.min() == 0:
        raise Wrong(
            f"{int((times == 0).sum())} of {batch_size} rows are in no minibatch: what does not fill a minibatch is thrown away. "
            "Let some minibatches be one row larger. Read: chapter 10, 'What must hold'."
        )


def _every_row_once(answer: Callable[..., Any]) -> None:
    parts = _parts(answer, 12, 3)
    if len(parts) == 4 and all(len(part) == 3 for part in parts):
        raise Wrong(
            "There are 4 minibatches of 3 rows. num_minibatches says how many there are, not how large they are."
        )
    if len(parts) != 3:
        raise Wrong(f"There are {len(parts)} minibatches, where num_minibatches = 3 was asked for.")
    _counted_once(parts, 12)


def _also_uneven(answer: Callable[..., Any]) -> None:
    parts = _parts(answer, 10, 4)
    if len(parts) != 4:
        raise Wrong(
            f"10 rows in 4 minibatches: there are {len(parts)} of them. A size that is rounded once for all does not fit."
        )
    _counted_once(parts, 10)
    sizes = sorted(map(len, parts))
    if sizes[-1] - sizes[0] > 1:
        raise Wrong(
            f"10 rows in 4 minibatches: their sizes are {sizes}. They should differ by one row at most; a small minibatch "
            "gives its rows more weight than the others have."
        )


def _in_random_order(answer: Callable[..., Any]) -> None:
    parts = _parts(answer, 64, 4)
    if np.array_equal(np.concatenate(parts), np.arange(64)):
        raise Wrong(
            "The rows are not shuffled. Neighbouring rows come from the same moment and look alike, so the gradient of a "
            "minibatch would be that of one situation."
        )
    if all(np.array_equal(np.sort(part), np.arange(part.min(), part.min() + len(part))) for part in parts):
        raise Wrong(
            "Each minibatch holds neighbouring rows: they are shuffled inside the minibatch, after the cut. Shuffle first, then cut."
        )
    if all(np.array_equal(np.sort(part), np.arange(part.min(), 64, 4)) for part in parts):
        raise Wrong("Each minibatch holds every fourth row: shuffle before the rows are dealt out.")


def _from_the_generator(answer: Callable[..., Any]) -> None:
    import torch

    generator = torch.Generator().manual_seed(5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = np.concatenate(_as_indices(answer(64, 4, generator)))
        torch.manual_seed(0)
        second = np.concatenate(_as_indices(answer(64, 4, generator)))
        torch.manual_seed(1)
        again = np.concatenate(_parts(answer, 64, 4, seed=5))
    if not np.array_equal(first, again):
        raise Wrong(
            "The same seed gives another order: the shuffle does not use `generator`, so that a run could not be repeated. "
            "Hand it on: torch.randperm(..., generator=generator)."
        )
    if np.array_equal(first, second):
        raise Wrong(
            "Two epochs have the same order: the generator is seeded again, or not used. Every epoch is a new shuffle, so that "
            "other rows meet in a minibatch."
        )


EPOCH_INDICES = Exercise(
    name="epoch_indices",
    chapter=10,
    prompt="Cut the rows of a rollout into the minibatches of one epoch.",
    hints=(
        "Two steps: put all rows into a random order, then cut the order into parts. What does each step guarantee?",
        "torch.randperm(n, generator=generator) is a random order of 0 ... n - 1. A tensor can cut itself: look for a method "
        "whose name has `split` in it, and see what it does when the parts cannot be equal.",
        "return torch.randperm(batch_size, generator=generator).tensor_split(num_minibatches)",
    ),
    cases=(
        Case("every row exactly once", "", test=_every_row_once),
        Case("a number that does not divide", "", test=_also_uneven),
        Case("a random order", "", test=_in_random_order),
        Case("the generator decides", "", test=_from_the_generator),
    ),
    reference=epoch_indices,
    crash_help={
        "split_with_sizes": "tensor.split(k) makes parts of size k, and wants a whole number. `tensor_split` takes the number of parts.",
        "Expected a 'cpu' device type": "The generator belongs to torch; NumPy has generators of its own.",
    },
    note="Each row once, in an order of chance.",
)


# ---------------------------------------------------------------------------------------------------------------
# clip_globally(gradients, max_norm) -> the gradients, scaled by one factor so that their common norm is at most max_norm


def clip_globally(gradients, max_norm):
    """The reference: one norm over all tensors, one factor for all."""
    import torch

    norm = torch.sqrt(sum(gradient.square().sum() for gradient in gradients))
    scale = (max_norm / (norm + 1e-12)).clamp(max=1.0)
    return [gradient * scale for gradient in gradients]


def clip_as_one_vector(gradients, max_norm):
    """The oracle: one long vector in double precision, clipped, then cut up again."""
    arrays = [np.asarray(gradient, dtype=np.float64) for gradient in gradients]
    vector = np.concatenate([array.ravel() for array in arrays])
    length = math.sqrt(math.fsum(float(x) ** 2 for x in vector))
    if length > max_norm:
        vector = vector * (max_norm / length)
    ends = np.cumsum([array.size for array in arrays])
    return [
        part.reshape(array.shape) for part, array in zip(np.split(vector, ends[:-1]), arrays, strict=True)
    ]


def _scaled(scale: Callable[[list[np.ndarray], float], Any]) -> Callable[..., Any]:
    """What a misconception computes: each gradient times `scale(gradients, max_norm)`, one factor or one for each."""

    def wrong(gradients, max_norm):
        arrays = [np.asarray(gradient, dtype=np.float64) for gradient in gradients]
        factors = np.broadcast_to(scale(arrays, max_norm), len(arrays))
        return [array * factor for array, factor in zip(arrays, factors, strict=True)]

    return wrong


def _norm(arrays: Sequence[np.ndarray]) -> float:
    return math.sqrt(sum(float((array**2).sum()) for array in arrays))


def _gradients(*rows: Sequence[float], max_norm: float) -> Callable[[], tuple]:
    def arguments() -> tuple:
        import torch

        return [torch.tensor(row) for row in rows], max_norm

    return arguments


def _tensors_of_a_network(answer: Callable[..., Any]) -> None:
    import torch

    generator = torch.Generator().manual_seed(10)
    gradients = [torch.randn(shape, generator=generator) for shape in ((3, 2), (3,), (1, 3), (1,))]
    clipped = answer([gradient.clone() for gradient in gradients], 0.5)
    if not isinstance(clipped, (list, tuple)) or len(clipped) != len(gradients):
        raise Wrong(
            "With tensors of different shapes: return a list with as many tensors as there are gradients."
        )
    for got, expected in zip(clipped, clip_as_one_vector(gradients, 0.5), strict=True):
        if np.shape(got) != expected.shape:
            raise Wrong(f"A gradient of shape {expected.shape} came back with shape {tuple(np.shape(got))}.")
        if not np.allclose(np.asarray(got, dtype=np.float64), expected, atol=1e-5):
            raise Wrong(
                "With tensors of different shapes the numbers are wrong, though they are right for tensors of one shape. "
                "Each element counts once in the norm, whatever tensor it is in."
            )


CLIP_GLOBALLY = Exercise(
    name="clip_globally",
    chapter=10,
    prompt="Scale gradients so that their common norm is at most max_norm, without turning their direction.",
    hints=(
        "All gradients together are one long vector. Clipping makes that vector shorter and does not turn it. What must "
        "then be equal for all tensors?",
        "The norm of the long vector is the root of the sum of all squares, over all tensors. The factor is max_norm / norm, "
        "but never more than 1.",
        "norm = torch.sqrt(sum(g.square().sum() for g in gradients)); scale = min(1.0, max_norm / norm); "
        "return [g * scale for g in gradients]",
    ),
    cases=(
        Case(
            "one gradient that is too long",
            "A gradient of norm 5 with max_norm 1 keeps its direction and gets the norm 1.",
            read="The trainer of this book, read whole",
            arguments=_gradients([3.0, 4.0], max_norm=1.0),
        ),
        Case(
            "one gradient that is short enough",
            "A gradient that is short enough stays as it is: clipping shortens, it never lengthens.",
            read="The trainer of this book, read whole",
            arguments=_gradients([0.3, 0.4], max_norm=1.0),
        ),
        Case(
            "two gradients",
            "The norm is that of all gradients together, and all are scaled by the same factor.",
            read="The trainer of this book, read whole",
            arguments=_gradients([3.0, 4.0], [0.0, -12.0], max_norm=1.0),
        ),
        Case(
            "one long, one short",
            "A short gradient is scaled along with a long one: otherwise the direction turns.",
            read="The trainer of this book, read whole",
            arguments=_gradients([30.0, 40.0], [0.3, -0.4], [-0.1, 0.0], max_norm=2.0),
        ),
        Case("tensors of different shapes", "", test=_tensors_of_a_network),
    ),
    reference=clip_globally,
    oracle=clip_as_one_vector,
    misconceptions=(
        Misconception(
            "each tensor by itself",
            _scaled(lambda gs, m: [min(1.0, m / _norm([g])) for g in gs]),
            "Each tensor is clipped by its own norm: the long ones shrink, the short ones do not, and the step points another "
            "way. One norm over all tensors, one factor for all.",
            read="The trainer of this book, read whole",
        ),
        Misconception(
            "each number by itself",
            lambda gradients, max_norm: [np.clip(np.asarray(g), -max_norm, max_norm) for g in gradients],
            "Each number is cut off at ±max_norm. That bounds the numbers, not the norm, and turns the direction. Multiply all "
            "of them by one factor.",
            read="The trainer of this book, read whole",
        ),
        Misconception(
            "always scaled",
            _scaled(lambda gs, m: m / _norm(gs)),
            "Short gradients are made longer, up to max_norm. Clipping only shortens: the factor is never more than 1.",
            read="The trainer of this book, read whole",
        ),
        Misconception(
            "no root",
            _scaled(lambda gs, m: min(1.0, m / _norm(gs) ** 2)),
            "The root is missing: the sum of squares is the square of the norm.",
            read="The trainer of this book, read whole",
        ),
        Misconception(
            "norms added up",
            _scaled(lambda gs, m: min(1.0, m / sum(_norm([g]) for g in gs))),
            "The norms of the tensors are added up. Squares add, norms do not: sum the squares of all elements, then take the root.",
            read="The trainer of this book, read whole",
        ),
        Misconception(
            "the largest norm",
            _scaled(lambda gs, m: min(1.0, m / max(_norm([g]) for g in gs))),
            "The factor comes from the longest tensor alone. All elements of all tensors make up the norm.",
            read="The trainer of this book, read whole",
        ),
        Misconception(
            "the mean of squares",
            _scaled(
                lambda gs, m: min(1.0, m / math.sqrt(np.mean(np.concatenate([g.ravel() for g in gs]) ** 2)))
            ),
            "The mean of the squares is used where their sum belongs: a norm grows with the number of weights.",
            read="The trainer of this book, read whole",
        ),
        Misconception(
            "not clipped",
            _scaled(lambda gs, m: 1.0),
            "The gradients come back as they were: nothing is clipped.",
            read="The trainer of this book, read whole",
        ),
    ),
    crash_help={
        "stack expects each tensor": "The tensors have different shapes, so they cannot be stacked: add up their squares, or flatten them first.",
        "must be Tensor, not": "torch.sqrt wants a tensor: sum the tensors themselves, without .item(), or use math.sqrt.",
    },
    axes=("gradient", "element"),
    note="One norm, one factor, the same direction.",
)


# ---------------------------------------------------------------------------------------------------------------
# assemble_loss(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef) -> scalar


def assemble_loss(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef):
    """The reference: the package's terms, put together."""
    from ppo_core.loss import clipped_policy_loss, value_loss

    policy_term = clipped_policy_loss(logprobs, old_logprobs, advantages, clip_coef)
    return policy_term + vf_coef * value_loss(values, returns) - ent_coef * entropy.mean()


def sample_by_sample(
    logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef
):
    """The oracle: plain Python, one sample after the other, the clip cases told apart by `if`."""
    total, count = 0.0, len(advantages)
    for new, old, advantage, value, target, spread in zip(
        *(
            np.asarray(x, dtype=float).tolist()
            for x in (logprobs, old_logprobs, advantages, values, returns, entropy)
        ),
        strict=True,
    ):
        ratio = math.exp(new - old)
        if advantage > 0 and ratio > 1 + clip_coef:
            ratio = 1 + clip_coef
        if advantage < 0 and ratio < 1 - clip_coef:
            ratio = 1 - clip_coef
        total += -ratio * advantage + vf_coef * (value - target) ** 2 / 2 - ent_coef * spread
    return total / count


def _loss(
    *,
    objective: str = "min",
    ratio: str = "exp",
    policy_sign: float = -1.0,
    half: float = 0.5,
    value_sign: float = 1.0,
    entropy_sign: float = -1.0,
    swapped: bool = False,
    reduce: Callable[[Any], Any] = np.mean,
) -> Callable[..., float]:
    """A loss with one thing changed: what a misconception computes."""

    def wrong(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef):
        new, old, adv, v, target, h = (
            np.asarray(x, dtype=float) for x in (logprobs, old_logprobs, advantages, values, returns, entropy)
        )
        r = {"exp": np.exp(new - old), "inverse": np.exp(old - new), "difference": new - old}[ratio]
        clipped = np.clip(r, 1 - clip_coef, 1 + clip_coef)
        gain = {
            "min": np.minimum(r * adv, clipped * adv),
            "max": np.maximum(r * adv, clipped * adv),
            "clipped": clipped * adv,
            "unclipped": r * adv,
            "min of ratios": np.minimum(r, clipped) * adv,
        }[objective]
        if swapped:
            vf_coef, ent_coef = ent_coef, vf_coef
        return (
            policy_sign * reduce(gain)
            + value_sign * vf_coef * half * reduce((v - target) ** 2)
            + entropy_sign * ent_coef * reduce(h)
        )

    return wrong


def _samples(
    ratios: Sequence[float],
    advantages: Sequence[float],
    errors: Sequence[float] | None = None,
    entropy: Sequence[float] | None = None,
    *,
    clip_coef: float = 0.2,
    vf_coef: float = 0.5,
    ent_coef: float = 0.01,
) -> Callable[[], tuple]:
    """Arguments of assemble_loss, as a case wants them; without errors or entropy these are zero."""

    def arguments() -> tuple:
        import torch

        ratio, advantage = torch.tensor(ratios), torch.tensor(advantages)
        old_logprobs = torch.linspace(-1.5, -0.5, len(ratios))
        values = torch.linspace(0.5, 2.0, len(ratios))
        returns = values - torch.tensor(errors if errors is not None else [0.0] * len(ratios))
        spread = torch.tensor(entropy if entropy is not None else [0.0] * len(ratios))
        return (
            old_logprobs + ratio.log(), old_logprobs, advantage, values, returns, spread, clip_coef, vf_coef, ent_coef
        )  # fmt: skip

    return arguments


ASSEMBLE_LOSS = Exercise(
    name="assemble_loss",
    chapter=10,
    prompt="Put the three parts of the PPO loss together, with the right signs.",
    hints=(
        "Three parts: the clipped policy term, the squared error of the critic, the entropy. For each, ask first: do we want "
        "it large or small? What is wanted large enters with a minus sign.",
        "ratio = exp(logprobs - old_logprobs). Of ratio · A and clipped ratio · A take the smaller, sample by sample, then the "
        "mean, then the minus sign. The critic's part is half the mean squared error.",
        "gain = torch.min(ratio * advantages, ratio.clamp(1 - clip_coef, 1 + clip_coef) * advantages); "
        "return -gain.mean() + vf_coef * 0.5 * (values - returns).square().mean() - ent_coef * entropy.mean()",
    ),
    cases=(
        Case(
            "all ratios 1",
            "With all ratios at 1, a perfect critic and no entropy the loss is minus the mean advantage.",
            read="One minibatch, by hand",
            arguments=_samples([1.0, 1.0, 1.0], [1.0, -0.5, 2.0]),
        ),
        Case(
            "the five samples of the page",
            "These are the five samples worked by hand.",
            read="One minibatch, by hand",
            arguments=_samples([1.0, 1.4, 0.6, 1.4, 0.6], [1.0, 2.0, 2.0, -1.0, -1.0]),
        ),
        Case(
            "the critic's error",
            "The critic's part is vf_coef times half the mean squared error, and it is added.",
            read="One minibatch, by hand",
            arguments=_samples([1.0, 1.0], [0.0, 0.0], [1.0, -2.0]),
        ),
        Case(
            "the entropy",
            "Entropy is wanted, so it lowers the loss: minus ent_coef times its mean.",
            read="One minibatch, by hand",
            arguments=_samples([1.0, 1.0], [0.0, 0.0], entropy=[0.7, 0.3], ent_coef=0.1),
        ),
        Case(
            "everything together",
            "Each part is right by itself; look at how they are put together.",
            read="One minibatch, by hand",
            arguments=_samples(
                [0.5, 0.9, 1.1, 1.5, 1.9, 0.7],
                [-1.5, 0.5, -0.2, 2.0, -1.0, 0.8],
                [0.3, -1.2, 0.0, 2.0, 0.7, -0.4],
                [0.69, 0.6, 0.5, 0.1, 0.4, 0.2],
                clip_coef=0.3,
                vf_coef=0.7,
                ent_coef=0.05,
            ),
        ),
    ),
    reference=assemble_loss,
    oracle=sample_by_sample,
    misconceptions=(
        Misconception(
            "entropy added",
            _loss(entropy_sign=1.0),
            "The entropy has the wrong sign: this loss falls when the policy becomes more decided. A bonus is wanted large, so it "
            "is subtracted from a loss.",
            read="Break it",
        ),
        Misconception(
            "objective instead of loss",
            _loss(policy_sign=1.0),
            "The policy's part has the wrong sign: this is the objective, which is wanted large. Adam minimises, so the loss is "
            "minus its mean.",
            read="One minibatch, by hand",
        ),
        Misconception(
            "all signs of the paper",
            _loss(policy_sign=1.0, value_sign=-1.0, entropy_sign=1.0),
            "All signs are turned round: this is the sum of the paper, which is maximised. Adam minimises.",
            read="One minibatch, by hand",
        ),
        Misconception(
            "value loss subtracted",
            _loss(value_sign=-1.0),
            "The critic's error is subtracted: the critic is rewarded for being wrong. It is wanted small, so it is added.",
            read="One minibatch, by hand",
        ),
        Misconception(
            "no half",
            _loss(half=1.0),
            "The ½ in front of the squared error is missing, so that the critic weighs twice as much as vf_coef says. Some libraries "
            "leave it out; this book has it.",
            read="One minibatch, by hand",
        ),
        Misconception(
            "no clip",
            _loss(objective="unclipped"),
            "The ratio is never clipped: nothing stops the policy from moving on and on with one rollout.",
            read="One minibatch, by hand",
        ),
        Misconception(
            "clip without min",
            _loss(objective="clipped"),
            "The clipped ratio is used alone. Then a sample that moved the wrong way has no gradient that could bring it back. Take "
            "the smaller of the two products.",
            read="One minibatch, by hand",
        ),
        Misconception(
            "max instead of min",
            _loss(objective="max"),
            "The larger of the two products is taken. The clip is there to be pessimistic: take the smaller.",
            read="One minibatch, by hand",
        ),
        Misconception(
            "min before the advantage",
            _loss(objective="min of ratios"),
            "The smaller ratio is taken before it is multiplied by the advantage. For a negative advantage that is the larger "
            "product. Multiply first, then take the smaller.",
            read="One minibatch, by hand",
        ),
        Misconception(
            "ratio upside down",
            _loss(ratio="inverse"),
            "The ratio is upside down: it is new over old, exp(logprobs - old_logprobs).",
            read="One minibatch, by hand",
        ),
        Misconception(
            "difference of log-probabilities",
            _loss(ratio="difference"),
            "The difference of the log-probabilities is the logarithm of the ratio. Take its exponential.",
            read="One minibatch, by hand",
        ),
        Misconception(
            "coefficients swapped",
            _loss(swapped=True),
            "vf_coef and ent_coef are swapped.",
            read="One minibatch, by hand",
        ),
        Misconception(
            "sum instead of mean",
            _loss(reduce=np.sum),
            "The samples are added up. With the mean, the size of the step does not depend on the size of the minibatch.",
            read="One minibatch, by hand",
        ),
        Misconception(
            "entropy left out",
            _loss(entropy_sign=0.0),
            "The entropy is missing.",
            read="One minibatch, by hand",
        ),
        Misconception(
            "critic left out",
            _loss(half=0.0),
            "The critic's error is missing, so that the critic would never learn.",
            read="One minibatch, by hand",
        ),
    ),
    crash_help={
        "clamp(): argument 'input'": "clamp is a method of a tensor: ratio.clamp(1 - clip_coef, 1 + clip_coef).",
        "min(): argument": "Two tensors are compared element by element with torch.min(a, b) or torch.minimum(a, b).",
        "Boolean value of Tensor": "Python's own min and max cannot compare two tensors: use torch.min(a, b).",
    },
    note="Three parts, three signs.",
)

EXERCISES = (ANNEALED, EPOCH_INDICES, CLIP_GLOBALLY, ASSEMBLE_LOSS)
