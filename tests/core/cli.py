"""Oracles of the command line: what it explains, what it refuses in one sentence, and what Ctrl-C leaves behind."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from contract import needs
from oracles import Core, oracle

HERE = Path(__file__).parent
TINY = [
    "--num-envs",
    "2",
    "--num-steps",
    "32",
    "--num-minibatches",
    "2",
    "--update-epochs",
    "2",
    "--hidden-size",
    "8",
]


class Said(NamedTuple):
    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def say(core: Core, *arguments: str, terminal: bool = False) -> Said:
    """Run the command line in this process."""
    out, err = Terminal() if terminal else io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = core.__getattr__("__main__").main(list(arguments))
        except SystemExit as end:
            code = end.code
    return Said(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """An empty folder that is the working directory."""
    before = os.getcwd()
    with TemporaryDirectory() as path:
        os.chdir(path)
        try:
            yield Path(path)
        finally:
            os.chdir(before)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@oracle
def help_explains_every_option(core: Core) -> None:
    """Each command; each setting with its meaning, its unit and its default."""
    top = say(core, "--help")
    assert top.code == 0 and all(
        command in top.out for command in ("train", "evaluate", "watch", "doctor")
    ), top
    train = say(core, "train", "--help")
    assert train.code == 0
    for field in fields(core.config.PPOConfig):
        flag, unit = "--" + field.name.replace("_", "-"), field.metadata["unit"]
        start = train.out.find(f"  {flag} ")
        assert start >= 0, f"{flag} is not explained"
        words = squeezed(train.out[start:])[: 300 + len(field.metadata["help"])]
        default = "none" if field.default is None else str(field.default)
        for word in (field.metadata["help"], unit, f"default: {default}"):
            assert squeezed(word) in words, f"{flag} does not say {word!r}"
    for command, flags in (
        ("train", ("--checkpoint", "--resume", "--save-every")),
        ("evaluate", ("--episodes", "--seed", "--stochastic")),
        ("watch", ("--output", "--fps", "--seed")),
    ):
        text = say(core, command, "--help").out
        assert all(flag in text for flag in flags) and text.count("default") >= len(flags), (
            f"{command}: {text}"
        )
    assert say(core).code == 2 and say(core, "fly").code == 2
    assert core.package.split("_")[0] in say(core, "--version").out


@oracle
def wrong_usage_is_one_sentence_and_code_2(core: Core) -> None:
    """No traceback: which value was wrong, and what to do."""
    with folder() as here:
        assert say(core, "train", *TINY, "--total-timesteps", "64", "--checkpoint", "good").code == 0
        (here / "bad").write_bytes(b"no checkpoint")
        cases: list[tuple[str, list[str]]] = [
            ("NoSuchEnv-v0", ["train", "--env-id", "NoSuchEnv-v0"]),
            ("NoSuchEnv-v0", ["train", "--env-id", "NoSuchEnv-v0", "--num-workers", "2"]),
            ("no_such_package", ["train", "--env-id", "no_such_package:Env-v0"]),
            ("observation_space", ["train", "--env-id", "FrozenLake-v1"]),
            ("observation_space", ["train", "--env-id", "Blackjack-v1"]),
            ("observation_space", ["train", "--env-id", "Blackjack-v1", "--num-workers", "2"]),
            ("num_envs=0", ["train", "--num-envs", "0"]),
            ("gamma=1.5", ["train", "--gamma", "1.5"]),
            ("total_timesteps=3", ["train", "--total-timesteps", "3"]),
            ("--save-every=0", ["train", "--save-every", "0"]),
            ("good", ["train", *TINY, "--total-timesteps", "64", "--checkpoint", "good/below"]),
            ("nowhere", ["train", "--resume", "nowhere"]),
            ("bad", ["train", "--resume", "bad"]),
            ("env_id", ["train", "--resume", "good", "--env-id", "Acrobot-v1"]),
            ("seed", ["train", "--resume", "good", "--seed", "3"]),
            ("nowhere", ["evaluate", "nowhere"]),
            ("bad", ["evaluate", "bad"]),
            ("num_episodes=0", ["evaluate", "good", "--episodes", "0"]),
            ("seed=-1", ["evaluate", "good", "--seed", "-1"]),
            ("seed=-1", ["watch", "good", "--seed", "-1"]),
            (".gif", ["watch", "good", "--output", "film.avi"]),
            ("--fps=0", ["watch", "good", "--fps", "0"]),
            ("nowhere", ["watch", "nowhere"]),
        ]
        if importlib.util.find_spec("mujoco") is None:
            cases.append(("mujoco", ["train", "--env-id", "Ant-v5"]))
        for word, arguments in cases:
            code, _, err = say(core, *arguments)
            assert code == 2, f"{arguments}: exit code {code}: {err}"
            assert err.count("\n") == 1 and word in err and "Traceback" not in err, f"{arguments}: {err!r}"
        for word, arguments in (
            ("whole number", ["train", "--num-envs", "many"]),
            ("true or false", ["train", "--anneal-lr", "perhaps"]),
            ("--gama", ["train", "--gama", "1"]),
        ):
            code, _, err = say(core, *arguments)
            assert code == 2 and word in err and "usage:" in err, f"{arguments}: {err!r}"
        hidden = {name: sys.modules.get(name) for name in ("imageio", "imageio.v3", "imageio_ffmpeg")}
        sys.modules.update(dict.fromkeys(hidden))  # as if it were not installed
        try:
            code, _, err = say(core, "watch", "good", "--output", "film.mp4")
        finally:
            for name, module in hidden.items():
                if module is None:
                    del sys.modules[name]
                else:
                    sys.modules[name] = module
        assert code == 2 and "pip install" in err and err.count("\n") == 1, err
        assert not (here / "film.mp4").exists() and not (here / "runs").exists()


@oracle
def an_agent_is_trained_evaluated_and_filmed(core: Core) -> None:
    """Progress, a checkpoint, returns that can be repeated, and a film made without a display."""
    from PIL import Image

    display = {name: os.environ.pop(name, None) for name in ("DISPLAY", "WAYLAND_DISPLAY")}
    try:
        with folder() as here:
            said = say(core, "train", *TINY, "--total-timesteps", "640", "--seed", "3")
            path = here / "runs" / "CartPole-v1-3.safetensors"
            assert said.code == 0 and path.exists(), said
            for word in (
                "640 steps",
                "return",
                "steps/s",
                "ETA",
                "mean return",
                "475",
                str(path.relative_to(here)),
            ):
                assert word in said.out, f"{word!r} is not in {said.out}"
            assert "\r" not in said.out
            live = say(
                core, "train", *TINY, "--total-timesteps", "640", "--checkpoint", "other", terminal=True
            )
            assert live.code == 0 and live.out.count("\r") >= 2, "no live line on a terminal"
            first, again = (
                say(core, "evaluate", str(path), "--episodes", "3", "--seed", "7") for _ in range(2)
            )
            assert (
                first.code == 0
                and first.out == again.out
                and len(re.findall(r"returns:( \d+){3}\n", first.out)) == 1
            ), first
            with core.trainer.Trainer.resume(path) as trainer:
                expected = trainer.evaluate(3, 7).returns
            assert [float(x) for x in first.out.splitlines()[0].split()[1:]] == expected.tolist()
            assert (
                say(core, "evaluate", str(path), "--episodes", "3", "--seed", "7", "--stochastic").out
                != first.out
            )
            film = say(core, "watch", str(path), "--output", "films/a.gif", "--seed", "7")
            assert film.code == 0, film
            pictures = int(re.search(r"(\d+) pictures", film.out)[1])
            with Image.open(here / "films" / "a.gif") as image:
                shown = []
                for k in range(
                    image.n_frames
                ):  # equal pictures in a row are kept as one that is shown for longer
                    image.seek(k)
                    shown += [image.convert("RGB").tobytes()] * round(image.info["duration"] / 20)
                assert len(shown) == pictures > 5 and image.size[0] >= 300, (len(shown), pictures)
                assert len(set(shown)) > pictures / 2, "the film does not move"
            assert say(core, "watch", str(path)).code == 0 and path.with_suffix(".gif").exists()
            if importlib.util.find_spec("imageio_ffmpeg"):
                assert (
                    say(core, "watch", str(path), "--output", "a.mp4").code == 0
                    and (here / "a.mp4").stat().st_size > 1000
                )
            done = say(core, "train", "--resume", str(path))
            assert done.code == 0 and "complete" in done.out and "--total-timesteps" in done.out, done
            more = say(core, "train", "--resume", str(path), "--total-timesteps", "768")
            assert more.code == 0 and core.checkpoint.load_checkpoint(path)[1]["global_step"] == 768
    finally:
        os.environ.update({name: value for name, value in display.items() if value is not None})


@oracle
def control_c_loses_nothing(core: Core) -> None:
    """SIGINT to the process, or to the whole group with workers: a sentence, code 130, and --resume ends with the same weights."""
    needs(os.name == "posix", "no SIGINT for one process or for a group")
    common = ["train", *TINY, "--total-timesteps", "6400", "--save-every", "3"]
    root = Path(core.config.__file__).parents[1]
    with folder() as here:
        assert say(core, *common, "--checkpoint", "whole").code == 0
        expected = core.checkpoint.load_checkpoint(here / "whole")
        for workers in ("0", "2"):
            process = subprocess.Popen(
                [sys.executable, "-m", core.package, *common, "--checkpoint", f"cut{workers}", "--num-workers", workers],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, "PYTHONPATH": str(root)},
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )  # fmt: skip
            for line in process.stdout:
                if line.startswith("step"):
                    break
            (os.kill if workers == "0" else os.killpg)(process.pid, signal.SIGINT)
            out, err = (
                process.stdout.read(),
                process.stderr.read(),
            )  # not communicate(): it misses what is buffered
            process.wait(60)
            process.stdout.close()
            process.stderr.close()
            assert process.returncode == 130 and err == "", (process.returncode, out, err)
            assert "Interrupted after" in out and f"--resume cut{workers}" in out, out
            cut = core.checkpoint.load_checkpoint(here / f"cut{workers}")[1]
            assert 0 < cut["global_step"] < 6400, "interrupted too early or too late to show anything"
            assert say(core, "train", "--resume", f"cut{workers}", "--num-workers", "0").code == 0
            tensors, facts = core.checkpoint.load_checkpoint(here / f"cut{workers}")
            assert facts["global_step"] == 6400
            for name, value in expected[0].items():
                assert (tensors[name] == value).all(), (
                    f"{name} differs after an interrupt with {workers} workers"
                )
