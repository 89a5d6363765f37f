"""What goes wrong while a trainer works, as cases with a verdict, for ppo_core and for Stable-Baselines3.

    python tests/faults/trainer_cases.py --side ppo_core stable_baselines3
    python tests/faults/trainer_cases.py --cuts          every cut of a run of ppo_core, killed and resumed

The verdicts are those of `fault_suite.py`. Here WEAK is also work that goes on with other numbers, CRASH also finished
work that cannot be read any more. Every case runs in a process of its own, which is killed at its limit.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import multiprocessing
import multiprocessing.forkserver
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [path for path in (str(HERE), str(HERE.parents[1])) if path not in sys.path]

from fault_suite import Result  # noqa: E402
from fault_trial import SCALE  # noqa: E402
from trainer_sides import NUM_ENVS, NUM_STEPS, SIDES  # noqa: E402

FORK = "fork" if sys.platform == "linux" else "spawn"  # a forked case has torch already


class Verdict(NamedTuple):
    """One of `fault_suite.VERDICTS`, and what was seen, in words."""

    name: str
    words: str


def passed(words: str) -> Verdict:
    return Verdict("PASS", words)


class Case(NamedTuple):
    """A fault: its name, what happens in it, how to try it on a side, and the seconds it may take."""

    name: str
    what: str
    trial: Callable[[Any, Path], Verdict]
    limit: float


CASES: list[Case] = []


def case(what: str, limit: float = 60.0) -> Callable:
    def add(trial: Callable[[Any, Path], Verdict]) -> Callable:
        CASES.append(Case(trial.__name__, what, trial, limit))
        return trial

    return add


# ---- killing


def killed(work: Callable[..., None], *arguments: Any, after: float | None = None, limit: float = 60) -> int:
    """Run `work(*arguments)` in a process that kills itself, or that we kill `after` so many seconds; its exit code."""
    method = "spawn" if any(isinstance(a, dict) and a.get("workers") for a in arguments) else FORK
    process = multiprocessing.get_context(method).Process(target=work, args=arguments)
    process.start()
    process.join(limit if after is None else after)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at(number: int | None) -> Callable[[int], None]:
    """A hook that kills the process at call number `number`."""
    return lambda n: die() if n == number else None


def train_saving(side_name: str, path: Path, cut: tuple, settings: dict) -> None:
    """Train, save after every iteration, and die at the cut. For a process of its own.

    Cuts: ("iteration", k), ("step", n) and ("adam", n) before the n-th call, ("bytes", k, n) when n bytes of the save
    after iteration k are on the disk, ("line", modules, n) at the n-th line that runs in these modules.
    """
    side, (kind, *where) = SIDES[side_name], cut
    env_hook = at(where[0]) if kind == "step" else None
    adam_hook = at(where[0]) if kind == "adam" else None
    trainer = side.make(env_hook=env_hook, adam_hook=adam_hook, **settings)
    done = 0

    def save() -> None:
        nonlocal done
        done += 1
        with (
            dies_in_the_middle_of_writing(where[1])
            if cut[:2] == ("bytes", done)
            else contextlib.nullcontext()
        ):
            side.save(trainer, path)
        if cut == ("iteration", done):
            die()

    with dies_at_line(*where) if kind == "line" else contextlib.nullcontext():
        side.train(trainer, after=save)


@contextlib.contextmanager
def dies_in_the_middle_of_writing(count: int) -> Iterator[None]:
    """The process is ended by the system once a file it writes has `count` bytes."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    before = signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    signal.signal(signal.SIGXFSZ, before)


@contextlib.contextmanager
def dies_at_line(files: set[str], number: int) -> Iterator[None]:
    seen = 0

    def line(frame: Any, event: str, argument: Any) -> Any:
        nonlocal seen
        if event == "line":
            seen += 1
            if seen == number:
                die()
        return line

    sys.settrace(lambda frame, event, argument: line if frame.f_code.co_filename in files else None)
    try:
        yield
    finally:
        sys.settrace(None)


def resumed_digest(side: Any, path: Path, settings: dict, workers: int = 0) -> str:
    """Go on from the checkpoint, or from the beginning where none was written yet; the digest at the end."""
    if path.exists():
        trainer = side.resume(path, workers)
    else:
        trainer = side.make(**settings)
    return side.digest(side.train(trainer))


def cuts_resume(side: Any, folder: Path, cuts: list[tuple], settings: dict | None = None) -> Verdict:
    """Each cut: kill, resume, compare with the run in one piece."""
    settings = settings or {}
    expected = side.digest(side.train(side.make(**settings)))
    differ, lost = [], []
    for number, cut in enumerate(cuts):
        path = folder / f"{number}{side.extension}"
        code = killed(train_saving, side.name, path, cut, settings)
        if code not in (-signal.SIGKILL, -signal.SIGXFSZ):
            raise AssertionError(f"the cut {cut} was not reached: exit code {code}")
        try:
            if resumed_digest(side, path, settings) != expected:
                differ.append(cut)
        except Exception as error:
            lost.append(f"{cut}: {sentence(error)}")
    if lost:
        return Verdict("CRASH", f"{len(lost)} of {len(cuts)} cuts leave no readable checkpoint ({lost[0]})")
    if differ:
        return Verdict("WEAK", f"resumes, but with other numbers after {len(differ)} of {len(cuts)} cuts")
    return passed(f"{len(cuts)} cuts: digest {expected} each time")


def sentence(error: BaseException) -> str:
    """An error on one line of at most 160 characters."""
    text = f"{type(error).__name__}: {error}".replace("\n", " ")
    text = re.sub(r"/\S*/", "", text)
    return text if len(text) <= 160 else text[:157] + "..."


# ---- the same numbers


@case("the same seed in two processes with other hash seeds")
def same_seed(side: Any, folder: Path) -> Verdict:
    digests = []
    for hash_seed in ("1", "4242"):
        answer = subprocess.run(
            [sys.executable, HERE / "trainer_sides.py", side.name], input="{}", capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )  # fmt: skip
        assert answer.returncode == 0, answer.stderr
        digests.append(answer.stdout.strip())
    other = side.digest(side.train(side.make(seed=5)))
    assert other not in digests, "another seed gives the same digest: the digest shows nothing"
    same = digests[0] == digests[1]
    return passed(f"digest {digests[0]} twice") if same else Verdict("SILENT", "two runs, two digests")


@case("environments in this process, and in 1, 2 and 3 worker processes")
def serial_and_workers(side: Any, folder: Path) -> Verdict:
    import torch

    torch.set_num_threads(1)
    digests = {}
    for workers in (0, 1, 2, 3) if side.name == "ppo_core" else (0, 1):  # the other has one worker each
        trainer = side.make(workers=workers)
        digests[workers] = side.digest(side.train(trainer))
        (trainer.env if hasattr(trainer, "env") else trainer).close()
    return passed("one digest") if len(set(digests.values())) == 1 else Verdict("SILENT", str(digests))


@case("torch has two threads when the trainer is made")
def two_threads(side: Any, folder: Path) -> Verdict:
    import torch

    digests = []
    settings = {"num_envs": 8, "num_steps": 512, "num_minibatches": 1, "hidden_size": 64}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        digests.append(side.digest(side.train(side.make(**settings), 2)))
    same = digests[0] == digests[1]
    return passed("the same numbers") if same else Verdict("SILENT", "other numbers, unsaid")


@case("somebody else draws random numbers in this process")
def others_draw_numbers(side: Any, folder: Path) -> Verdict:
    import torch

    expected = side.digest(side.train(side.make()))

    def draw() -> None:
        torch.rand(3)
        np.random.rand(3)  # noqa: NPY002

    same = side.digest(side.train(side.make(), after=draw)) == expected
    return passed("the same numbers") if same else Verdict("SILENT", "other numbers, unsaid")


# ---- kill and resume

LAST = NUM_STEPS * 5


@case("kill -9 between two iterations, then resume", 120)
def killed_between_iterations(side: Any, folder: Path) -> Verdict:
    return cuts_resume(side, folder, [("iteration", k) for k in range(1, 5)])


@case("kill -9 in the middle of a rollout, then resume", 120)
def killed_in_a_rollout(side: Any, folder: Path) -> Verdict:
    return cuts_resume(side, folder, [("step", n) for n in (1, 5, 12, 21, 27, 40)])


@case("kill -9 between two minibatches of an update, then resume", 120)
def killed_in_an_update(side: Any, folder: Path) -> Verdict:
    return cuts_resume(side, folder, [("adam", n) for n in (1, 6, 11, 20)])


@case("kill -9 after 0, 100, 1000 or 3000 bytes of a save, then resume", 120)
def killed_in_a_save(side: Any, folder: Path) -> Verdict:
    return cuts_resume(side, folder, [("bytes", k, n) for k in (2, 4) for n in (0, 100, 1000, 3000)])


def save_for_ever(side_name: str, path: Path, ready: Any) -> None:
    side = SIDES[side_name]
    trainer = side.make(**({"hidden_size": 128} if side_name == "ppo_core" else {}))
    while True:
        side.train(trainer, 1) if side_name == "ppo_core" and trainer.iteration < 5 else None
        side.save(trainer, path)
        ready.set()


@case("kill -9 during saves, 50 times, at random moments", 300)
def killed_while_saving(side: Any, folder: Path, times: int = 50) -> Verdict:
    generator, context = np.random.default_rng(0), multiprocessing.get_context(FORK)
    path, lost = folder / f"c{side.extension}", 0
    for _ in range(times):
        ready = context.Event()
        process = context.Process(target=save_for_ever, args=(side.name, path, ready))
        process.start()
        assert ready.wait(60)
        time.sleep(float(generator.uniform(0.0, 0.05)))
        process.kill()
        process.join()
        try:
            side.resume(path)
        except Exception:
            lost += 1
            path.unlink(missing_ok=True)
    left = [name for name in os.listdir(folder) if name not in (path.name, path.name + ".previous")]
    if lost:
        return Verdict("CRASH", f"{lost} of {times} checkpoints cannot be read")
    return passed(f"{times} of {times} can be read; {len(left)} unfinished files beside them")


@case("the disk is full after n bytes of a save, for 8 values of n")
def full_disk(side: Any, folder: Path) -> Verdict:
    import resource

    path, hard = folder / f"c{side.extension}", resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    trainer = side.train(side.make(), 1)
    side.save(trainer, path)
    before, size = path.read_bytes(), path.stat().st_size
    silent, lost, rest, words = 0, 0, set(), ""
    for count in (0, 1, 64, 512, 1024, size // 2, size - 100, size - 1):
        path.write_bytes(before)
        resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
        try:
            side.save(trainer, path)
            silent += 1
        except Exception as error:
            words = sentence(error)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        lost += path.read_bytes() != before
        rest |= set(os.listdir(folder)) - {path.name}
    if lost:
        return Verdict("CRASH", f"the old checkpoint is gone in {lost} of 8 cases ({words})")
    if silent or rest:
        return Verdict("WEAK", f"{silent} times unsaid; left behind: {sorted(rest)}")
    return passed(words)


# ---- files from elsewhere


def refusals(side: Any, path: Path, contents: list[bytes], expected: str) -> Verdict:
    """Each content must be refused, or be the checkpoint that it was made from."""
    silent, raw, words = 0, set(), ""
    for content in contents:
        path.write_bytes(content)
        try:
            if side.digest(side.resume(path)) != expected:
                silent += 1
        except Exception as error:
            words = sentence(error)
            if not (isinstance(error, OSError | ValueError) and path.name in str(error)):
                raw.add(type(error).__name__)
    if silent:
        return Verdict("SILENT", f"{silent} of {len(contents)} are read as if nothing were wrong")
    if raw:
        return Verdict("WEAK", f"refused, but without naming the file: {', '.join(sorted(raw))} ({words})")
    return passed(words)


def checkpoint(side: Any, folder: Path) -> tuple[Path, bytes, str]:
    path = folder / f"c{side.extension}"
    trainer = side.train(side.make(), 2)
    side.save(trainer, path)
    return path, path.read_bytes(), side.digest(trainer)


@case("a checkpoint that is cut off, at 12 lengths")
def cut_off(side: Any, folder: Path) -> Verdict:
    path, content, expected = checkpoint(side, folder)
    return refusals(side, path, [content[: len(content) * k // 12] for k in range(12)], expected)


@case("a checkpoint with one byte changed, at 60 places", 120)
def one_byte_changed(side: Any, folder: Path) -> Verdict:
    path, content, expected = checkpoint(side, folder)
    places = np.random.default_rng(0).integers(0, len(content), 60)
    return refusals(side, path, [content[:k] + bytes([content[k] ^ 4]) + content[k + 1 :] for k in places], expected)  # fmt: skip


@case("something that is no checkpoint: empty, text, a torch file, a picture")
def no_checkpoint(side: Any, folder: Path) -> Verdict:
    import torch

    path, _, expected = checkpoint(side, folder)
    stream = io.BytesIO()
    torch.save({"weights": torch.zeros(3)}, stream)
    picture = b"\x89PNG\r\n\x1a\n" + bytes(200)
    return refusals(side, path, [b"", b"hello\n" * 50, stream.getvalue(), picture], expected)


class Mark:
    """Unpickling it makes a file."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self) -> tuple:
        return open, (self.path, "w")


@case("a checkpoint in which somebody has hidden code")
def hidden_code(side: Any, folder: Path) -> Verdict:
    """The marker is put wherever the format has room for an object: it must not run."""
    import base64
    import json
    import zipfile

    path, content, _ = checkpoint(side, folder)
    mark = folder / "mark"
    with contextlib.suppress(Exception):
        path.write_bytes(pickle.dumps(Mark(mark)))
        side.resume(path)
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                data = old.read(name)
                if name == "data":
                    facts = json.loads(data)
                    code = base64.b64encode(pickle.dumps(Mark(mark))).decode()
                    facts["ep_info_buffer"] = {":type:": "<class 'x'>", ":serialized:": code}
                    data = json.dumps(facts).encode()
                new.writestr(name, data)
    else:
        import torch

        torch.save({"weights": Mark(mark)}, path)
    try:
        side.resume(path)
        words = "loaded"
    except Exception as error:
        words = sentence(error)
    if mark.exists():
        return Verdict("SILENT", "the code ran while the file was loaded")
    assert pickle.loads(pickle.dumps(Mark(mark))).close() is None and mark.exists(), "the file is harmless"
    return passed(words)


# ---- NaN and infinity


def poisoned(side: Any, field: str, value: float, *words: str) -> Verdict:
    """In the 13th step, in the second rollout: stopped there, named, and the weights are those of the first update."""
    one = side.weights(side.train(side.make(), 1))
    trainer = side.make(poison=(field, 13, value))
    try:
        side.train(trainer)
    except Exception as error:
        told = sentence(error)
        unmoved = side.weights(trainer) == one
        missing = [word for word in words if word not in str(error)]
        if not unmoved:
            return Verdict("WEAK", f"after the weights had moved: {told}")
        if missing:
            return Verdict("WEAK", f"the cause is not named: {told}")
        return passed(told)
    ruined = "" if side.finite(trainer) else "; the weights are NaN"
    return Verdict("SILENT", f"training ends as if nothing had been{ruined}")


NAN, INF = float("nan"), float("inf")


@case("a reward that is NaN")
def nan_reward(side: Any, folder: Path) -> Verdict:
    return poisoned(side, "reward", NAN, "reward", "1")


@case("a reward that is infinite")
def inf_reward(side: Any, folder: Path) -> Verdict:
    return poisoned(side, "reward", INF, "reward", "1")


@case("a reward of 1e300, too large for float32")
def huge_reward(side: Any, folder: Path) -> Verdict:
    return poisoned(side, "reward", 1e300, "reward", "1")


@case("a reward of 1e38, whose square is too large for float32")
def large_reward(side: Any, folder: Path) -> Verdict:
    return poisoned(side, "reward", 1e38)


@case("an observation that holds a NaN")
def nan_observation(side: Any, folder: Path) -> Verdict:
    return poisoned(side, "observation", NAN, "obs", "1")


@case("an observation that holds an infinity")
def inf_observation(side: Any, folder: Path) -> Verdict:
    return poisoned(side, "observation", INF, "obs", "1")


# ---- interrupts


def interrupted(side: Any, **hook: Callable[[int], None]) -> Verdict:
    """KeyboardInterrupt once; then training is called again, to the same total."""
    expected = side.digest(side.train(side.make()))
    trainer = side.make(**hook)
    try:
        side.train(trainer)
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("no interrupt")
    try:
        side.train(trainer)
    except Exception as error:
        return Verdict("WEAK", f"cannot go on: {sentence(error)}")
    same = side.digest(trainer) == expected
    return passed("goes on to the same numbers") if same else Verdict("WEAK", "goes on, with other numbers")


def interrupt_at(number: int) -> Callable[[int], None]:
    def hook(n: int) -> None:
        if n == number:
            raise KeyboardInterrupt

    return hook


@case("an interrupt in the middle of a rollout, then training again")
def interrupted_in_a_rollout(side: Any, folder: Path) -> Verdict:
    return interrupted(side, env_hook=interrupt_at(13))


@case("an interrupt between two minibatches, then training again")
def interrupted_in_an_update(side: Any, folder: Path) -> Verdict:
    return interrupted(side, adam_hook=interrupt_at(7))


# ---- smallest sizes


def trains(side: Any, **settings: Any) -> Verdict:
    """It learns with finite weights, or refuses with a sentence."""
    try:
        trainer = side.make(**settings)
        before = side.weights(trainer)
        side.train(trainer, 3)
    except (ValueError, AssertionError) as error:
        refused = len(str(error)) > 20
        return passed(f"refused: {sentence(error)}") if refused else Verdict("WEAK", sentence(error))
    except Exception as error:
        return Verdict("WEAK", sentence(error))
    if not side.finite(trainer):
        return Verdict("SILENT", "the weights are NaN")
    return passed("trains") if side.weights(trainer) != before else Verdict("SILENT", "learns nothing")


@case("minibatches of one sample")
def minibatch_of_one(side: Any, folder: Path) -> Verdict:
    size = {"batch_size": 1} if side.name != "ppo_core" else {}
    return trains(side, num_minibatches=NUM_ENVS * NUM_STEPS, **size)


@case("a last minibatch that is smaller, of one sample")
def ragged_minibatch(side: Any, folder: Path) -> Verdict:
    size = {"batch_size": 23} if side.name != "ppo_core" else {}
    return trains(side, num_minibatches=7, **size)


@case("rollouts of one step")
def one_step(side: Any, folder: Path) -> Verdict:
    return trains(side, num_steps=1, num_minibatches=1)


@case("one environment")
def one_environment(side: Any, folder: Path) -> Verdict:
    return trains(side, num_envs=1)


@case("rollouts of one step of one environment")
def one_of_each(side: Any, folder: Path) -> Verdict:
    return trains(side, num_envs=1, num_steps=1, num_minibatches=1)


# ---- running


def _in_a_process(name: str, side_name: str, folder: str, answer: Any) -> None:
    import torch

    torch.set_num_threads(1)
    os.setsid()
    # the fork server of the process that we were forked from is not our child: start one of our own when we need it
    multiprocessing.forkserver._forkserver._forkserver_pid = None
    with contextlib.suppress(Exception):
        sys.stderr = open(os.devnull, "w")
    trial = next(c.trial for c in CASES if c.name == name)
    try:
        answer.send(tuple(trial(SIDES[side_name], Path(folder))))
    except BaseException as error:
        answer.send(("CRASH", sentence(error) + " " + traceback.format_exc()[-1500:]))


def run(fault: Case, side_name: str, scale: float = 1.0) -> tuple[Verdict, float]:
    """Try one case on one side in a process of its own. Returns (verdict, seconds)."""
    context, started = multiprocessing.get_context(FORK), time.perf_counter()
    mine, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = context.Process(target=_in_a_process, args=(fault.name, side_name, folder, theirs))
        process.start()
        theirs.close()
        verdict = Verdict("HANG", f"no answer within {fault.limit:g} s")
        if mine.poll(fault.limit * scale):
            try:
                verdict = Verdict(*mine.recv())
            except EOFError:
                process.join(5)
                verdict = Verdict("CRASH", f"the process ended with exit code {process.exitcode}")
        process.join(1)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # its own children as well
        process.join(5)
    return verdict, time.perf_counter() - started


def run_all(names: list[str] | None = None, sides: tuple[str, ...] = tuple(SIDES)) -> Iterator[Result]:
    """Each case on each side."""
    for side_name in sides:
        if FORK == "fork":  # loaded once, inherited by every case
            import torch

            torch.set_num_threads(1)
            SIDES[side_name].make()
        for fault in CASES:
            if names and fault.name not in names:
                continue
            verdict, seconds = run(fault, side_name, SCALE)
            version = SIDES[side_name].version()
            yield Result(
                fault.name, "trainer", side_name, version, "", verdict.name, round(seconds, 2), verdict.words
            )


# ---- every cut of a run

VARIANTS: dict[str, dict[str, Any]] = {
    "CartPole": {},
    "one step of one environment": {
        "num_envs": 1,
        "num_steps": 1,
        "num_minibatches": 1,
        "total_timesteps": 9,
    },
    "ragged minibatches": {"num_minibatches": 5, "update_epochs": 3, "num_steps": 7},
    "Pendulum": {"env_id": "Pendulum-v1", "num_steps": 5, "num_minibatches": 2},
    "stopped by target_kl": {"target_kl": 1e-4, "update_epochs": 5, "learning_rate": 0.02},
    "clipped values, no annealing": {"clip_value_loss": True, "anneal_lr": False},
    "hand-written gradient": {"gradient": "analytic"},
    "float64": {"dtype": "float64"},
    "hand-written gradient, float64": {"gradient": "analytic", "dtype": "float64"},
    "checked first answers alone": {"check": "first"},
}
MODULES = ("trainer", "buffer", "episodes", "envs", "gae", "loss", "policy", "checkpoint")


def files_of(modules: tuple[str, ...] = MODULES) -> set[str]:
    return {importlib.import_module(f"ppo_core.{name}").__file__ for name in modules}


def lines_of_a_run(folder: Path) -> int:
    """How many lines of these modules run from the first iteration to the last save."""
    side, files, count = SIDES["ppo_core"], files_of(), 0

    def line(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return line

    trainer = side.make()
    sys.settrace(lambda frame, event, argument: line if frame.f_code.co_filename in files else None)
    try:
        side.train(trainer, after=lambda: side.save(trainer, folder / "counted.safetensors"))
    finally:
        sys.settrace(None)
    return count


def cuts_of(folder: Path, stride: int) -> dict[str, list[tuple]]:
    """Cuts of a run of ppo_core by kind, every `stride`-th of each, and of lines every 40 times `stride`-th."""
    trainer = SIDES["ppo_core"].make()
    SIDES["ppo_core"].save(trainer, folder / "size.safetensors")
    size = (folder / "size.safetensors").stat().st_size
    steps, updates = 5 * NUM_STEPS, 5 * 2 * 2
    return {
        "between iterations": [("iteration", k) for k in range(1, 5)],
        "before a step": [("step", n) for n in range(1, steps + 1, stride)],
        "before a step of Adam": [("adam", n) for n in range(1, updates + 1, stride)],
        "while bytes are written": [("bytes", k, n) for k in range(1, 6) for n in range(0, size, size * stride // 20)],
        "before a line": [("line", files_of(), n) for n in range(1, lines_of_a_run(folder), 40 * stride)],
    }  # fmt: skip


def all_cuts(stride: int = 1) -> Iterator[Result]:
    """Kill and resume at each cut, and between all iterations of each variant."""
    side = SIDES["ppo_core"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        groups: list[tuple[str, list[tuple], dict]] = [
            (kind, cuts, {}) for kind, cuts in cuts_of(folder, stride).items()
        ]
        for variant, settings in VARIANTS.items():
            iterations = range(1, side.config(**settings).num_iterations, min(stride, 2))
            groups.append(
                (f"between iterations: {variant}", [("iteration", k) for k in iterations], settings)
            )
        if stride == 1:  # two interpreters for each
            groups.append(("with two workers", [("adam", 7), ("iteration", 3)], {"workers": 2}))
        for kind, cuts, settings in groups:
            started = time.perf_counter()
            below = folder / re.sub(r"\W", "_", kind)
            below.mkdir()
            try:
                verdict = cuts_resume(side, below, cuts, settings)
            except Exception as error:
                verdict = Verdict("CRASH", sentence(error))
            seconds = round(time.perf_counter() - started, 2)
            yield Result(
                f"cuts: {kind}", "cuts", side.name, side.version(), "", verdict.name, seconds, verdict.words
            )


def told(row: Result) -> str:
    return f"{row.verdict:<6} {row.adapter:<18} {row.case:<42} {row.seconds:5.1f} s  {row.seen}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", choices=list(SIDES), nargs="*", default=list(SIDES))
    parser.add_argument("--cuts", action="store_true", help="every cut of a run of ppo_core")
    parser.add_argument("--stride", type=int, default=1, help="with --cuts: every so many-th")
    parser.add_argument("cases", nargs="*", help=", ".join(fault.name for fault in CASES))
    options = parser.parse_args()
    for row in all_cuts(options.stride) if options.cuts else run_all(options.cases, tuple(options.side)):
        print(told(row), flush=True)
