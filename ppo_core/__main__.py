"""python -m ppo_core train | evaluate | watch | doctor"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing, redirect_stdout
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppo_core import __version__
from ppo_core.config import PPOConfig
from ppo_core.errors import CheckpointError, ConfigError, PPOError, UnsupportedSpaceError

if TYPE_CHECKING:
    from ppo_core.trainer import IterationStats, Trainer

SOLVED = {"CartPole-v1": 475.0, "Acrobot-v1": -100.0}  # Gymnasium's reward thresholds


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    options = parser().parse_args(arguments)
    try:
        return options.command(options)
    except PPOError as error:
        if not getattr(error, "told_by_another_rank", False):
            print(f"ppo_core: {error}", file=sys.stderr)
        return 2 if isinstance(error, (ConfigError, CheckpointError, UnsupportedSpaceError)) else 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The command line; one option for every field of PPOConfig, with its help, unit and default."""
    top = argparse.ArgumentParser(
        prog="python -m ppo_core", description="Train, evaluate and watch PPO agents."
    )
    top.add_argument("--version", action="version", version=f"ppo_core {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    train = commands.add_parser(
        "train", help="train an agent, with live progress and a checkpoint", description=_train.__doc__
    )
    train.set_defaults(command=_train)
    train.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="where to write it (default: runs/ENV_ID-SEED.safetensors)",
    )
    train.add_argument(
        "--resume",
        type=Path,
        metavar="FILE",
        help="go on from this checkpoint; settings given beside it replace its own",
    )
    train.add_argument(
        "--save-every",
        type=int,
        default=10,
        metavar="N",
        help="iterations between two checkpoints (default: 10)",
    )
    settings = train.add_argument_group(
        "settings (defaults for CartPole-v1; other environments may have a preset)"
    )
    for f in fields(PPOConfig):
        flag, unit = (
            "--" + f.name.replace("_", "-"),
            f", in {f.metadata['unit']}" if f.metadata["unit"] else "",
        )
        text = f"{f.metadata['help']}{unit} (default: {'none' if f.default is None else f.default})".replace(
            "%", "%%"
        )
        kind = {
            "bool": _boolean,
            "int": _integer,
            "float": float,
            "float | None": _float_or_none,
            "str": str,
        }[f.type]
        settings.add_argument(flag, type=kind, default=None, metavar=f.type.split(" ")[0].upper(), help=text)

    evaluate = commands.add_parser(
        "evaluate", help="play whole episodes with a trained agent", description=_evaluate.__doc__
    )
    evaluate.set_defaults(command=_evaluate)
    evaluate.add_argument("--episodes", type=int, default=20, help="number of episodes (default: 20)")
    watch = commands.add_parser(
        "watch", help="film one episode of a trained agent, without a display", description=_watch.__doc__
    )
    watch.set_defaults(command=_watch)
    watch.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="film to write, .gif or .mp4 (default: the checkpoint's name with .gif)",
    )
    watch.add_argument("--fps", type=int, default=50, help="pictures per second (default: 50)")
    for command in (evaluate, watch):
        command.add_argument("checkpoint", type=Path, help="a checkpoint that train wrote")
        command.add_argument("--seed", type=int, default=1000, help="seed of the episodes (default: 1000)")
        command.add_argument(
            "--stochastic", action="store_true", help="sample actions (default: take the most probable one)"
        )

    doctor = commands.add_parser(
        "doctor",
        help="check that this computer is ready for the book",
        description="Check Python, packages, processes and speed, and say what to mend.",
    )
    doctor.set_defaults(command=_doctor)
    doctor.add_argument("--json", action="store_true", help="print the report as JSON")
    return top


def _train(options: argparse.Namespace) -> int:
    """Train an agent. Ctrl-C stops after writing a checkpoint, and --resume goes on from it with the same numbers.

    With several processes: torchrun --nproc-per-node 2 -m ppo_core train, and the same options; the numbers stay the same.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        from ppo_core.trainer import Trainer

        return _train_with(Trainer, options)
    from ppo_core.extras.distributed import DistributedTrainer, World, goes_on_after_restart

    world = World.from_env()
    with closing(world), open(os.devnull, "w") as nowhere:
        with redirect_stdout(nowhere if world.rank else sys.stdout):
            return _train_with(DistributedTrainer, options, goes_on_after_restart, reports=world.rank == 0)


def _train_with(
    trainer_class: type[Trainer],
    options: argparse.Namespace,
    goes_on: Callable[[Path, PPOConfig], bool] = lambda path, config: False,
    reports: bool = True,
) -> int:
    """`goes_on` says whether a file is what this very run had saved; `reports`, whether to evaluate at the end."""
    given = {
        f.name: getattr(options, f.name) for f in fields(PPOConfig) if getattr(options, f.name) is not None
    }
    if options.save_every < 1:
        raise ConfigError(f"--save-every={options.save_every} must be at least 1")
    if options.resume:
        trainer = trainer_class.resume(options.resume, **given)
    else:
        trainer = trainer_class(PPOConfig.preset(given.pop("env_id", PPOConfig.env_id), **given))
    config = trainer.config
    path = (
        options.checkpoint
        or options.resume
        or Path("runs") / f"{config.env_id.replace('/', '-')}-{config.seed}.safetensors"
    )
    if goes_on(path, config):
        trainer.close()
        trainer = trainer_class.resume(path)
        print(f"Started again: going on from {path}, after {trainer.global_step:,} steps")
    with trainer:
        if trainer.iteration >= config.num_iterations:
            done = f"{trainer.global_step:,} of {config.total_timesteps:,} steps"
            print(f"{options.resume or path} is complete: {done}. To go on, raise --total-timesteps.")
            return 0
        steps = config.num_iterations * config.batch_size
        print(f"{config.env_id}: {steps:,} steps in {config.num_iterations} iterations, seed {config.seed}")
        trainer.save(path)  # now, so that a folder that cannot be written to is found before the work
        progress = _Progress(trainer)
        try:
            for stats in trainer.run():
                progress.show(stats)
                if stats.iteration % options.save_every == 0:
                    trainer.save(path)
        except KeyboardInterrupt:
            trainer.save(path)
            print(f"\nInterrupted after {trainer.global_step:,} steps; nothing is lost. Go on with:")
            print(f"  python -m ppo_core train --resume {path}")
            return 130
        except PPOError:
            trainer.save(path)
            print(
                f"\nThe last good weights, after {trainer.global_step:,} steps, are in {path}",
                file=sys.stderr,
            )
            raise
        trainer.save(path)
        progress.end()
        if reports:
            _report(trainer, trainer.evaluate())
        print(f"Checkpoint: {path}\nWatch it:   python -m ppo_core watch {path}")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    """Play whole episodes with a trained agent and print their returns."""
    from ppo_core.trainer import Trainer

    with Trainer.resume(options.checkpoint, num_workers=0) as trainer:
        result = trainer.evaluate(options.episodes, options.seed, deterministic=not options.stochastic)
        print("returns:", " ".join(f"{value:g}" for value in result.returns))
        _report(trainer, result)
    return 0


def _watch(options: argparse.Namespace) -> int:
    """Film one episode of a trained agent. Needs no display; .mp4 needs the package imageio-ffmpeg."""
    from ppo_core.trainer import Trainer

    output = options.output or options.checkpoint.with_suffix(".gif")
    if output.suffix not in (".gif", ".mp4"):
        raise ConfigError(f"--output={output} must end in .gif or .mp4")
    if options.fps < 1:
        raise ConfigError(f"--fps={options.fps} must be at least 1")
    write = _mp4_writer() if output.suffix == ".mp4" else _write_gif
    with Trainer.resume(options.checkpoint, num_workers=0) as trainer:
        frames, total = trainer.film(options.seed, deterministic=not options.stochastic)
    output.parent.mkdir(parents=True, exist_ok=True)
    write(output, frames, options.fps)
    print(f"{output}: {len(frames)} pictures of one episode with return {total:g}")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from ppo_core.teach.doctor import main as examine

    return examine(["--json"] if options.json else [])


# ---- helpers


class _Progress:
    """One line that is written over on a terminal; elsewhere a line every few seconds."""

    def __init__(self, trainer: Trainer):
        self.trainer, self.live, self.shown = trainer, sys.stdout.isatty(), 0.0
        self.started, self.first_step = time.perf_counter(), trainer.global_step

    def show(self, stats: IterationStats) -> None:
        now = time.perf_counter()
        last = stats.iteration == self.trainer.config.num_iterations
        if now - self.shown < (0.1 if self.live else 2.0) and not last:
            return
        self.shown = now
        speed = (stats.global_step - self.first_step) / (now - self.started)
        left = (
            self.trainer.config.num_iterations * self.trainer.config.batch_size - stats.global_step
        ) / speed
        line = f"step {stats.global_step:>9,}  return {stats.episodic_return:8.1f}  {speed:8,.0f} steps/s"
        line += f"  ETA {int(left) // 60:d}:{int(left) % 60:02d}"
        print(("\r" + line if self.live else line), end="" if self.live else "\n", flush=True)

    def end(self) -> None:
        seconds = time.perf_counter() - self.started
        print(
            ("\n" if self.live else "")
            + f"Trained {self.trainer.global_step - self.first_step:,} steps in {seconds:.1f} s."
        )


def _report(trainer: Trainer, result: Any) -> None:
    goal = SOLVED.get(trainer.config.env_id)
    verdict = (
        ""
        if goal is None
        else f" (solved: at least {goal:g})"
        if result.mean >= goal
        else f" (not solved: below {goal:g})"
    )
    print(
        f"Evaluation: mean return {result.mean:.1f} ± {result.std:.1f} over {len(result.returns)} episodes{verdict}"
    )


def _write_gif(path: Path, frames: list, fps: int) -> None:
    from PIL import Image

    images = [Image.fromarray(frame).quantize(64) for frame in frames]
    images[0].save(path, save_all=True, append_images=images[1:], duration=max(20, round(1000 / fps)), loop=0)


def _mp4_writer() -> Any:
    try:
        import imageio.v3 as iio
        import imageio_ffmpeg  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "writing .mp4 needs imageio-ffmpeg: pip install 'ppo-core[lab]', or choose a name that ends in .gif"
        ) from error
    return lambda path, frames, fps: iio.imwrite(path, frames, fps=fps, codec="libx264", macro_block_size=2)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} must be true or false")
    return text.lower() == "true"


def _integer(text: str) -> int:
    try:
        return int(text.replace("_", "").replace(",", ""))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number") from None


def _float_or_none(text: str) -> float | None:
    return None if text.lower() == "none" else float(text)


if __name__ == "__main__":
    sys.exit(main())
