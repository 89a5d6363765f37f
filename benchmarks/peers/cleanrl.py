"""CleanRL's published script, run unchanged from a checkout.

Its ppo.py was written for Gymnasium 0.29. Two things are put in place around it, none of them in the script: vector
environments reset an ended episode within the step, as Gymnasium's did then (under 1.x the script would take one made-up
transition per episode), and `final_info` has the old form, a list with one entry per environment.
"""

from protocol import SETTINGS, Enough, Meter, asked

args = asked(path={"required": True, "help": "a checkout of CleanRL"})
meter = Meter(
    args, "Gymnasium 0.29's reset within the step and form of final_info, restored around the script"
)

import atexit  # noqa: E402
import contextlib  # noqa: E402
import io  # noqa: E402
import os  # noqa: E402
import runpy  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

import gymnasium as gym  # noqa: E402
import torch  # noqa: E402
import tyro  # noqa: E402, F401  (the script imports it)
from torch.utils import tensorboard  # noqa: E402

meter.imported()
Published = gym.vector.SyncVectorEnv
returns: list[float] = []


class OfOldGymnasium(Published):
    """SyncVectorEnv as of Gymnasium 0.29."""

    def __init__(self, env_fns):
        super().__init__(env_fns, autoreset_mode=gym.vector.AutoresetMode.SAME_STEP)

    def step(self, actions):
        obs, rewards, terminated, truncated, infos = super().step(actions)
        if "final_info" in infos:
            episode, there = infos["final_info"]["episode"], infos["_final_info"]
            old = [
                {"episode": {k: v[i] for k, v in episode.items()}} if there[i] else None
                for i in range(len(there))
            ]
            infos = {**infos, "final_info": old}
        return obs, rewards, terminated, truncated, infos


class Writer(tensorboard.SummaryWriter):
    """The script writes charts/SPS at the end of each iteration, and a return at the end of each episode."""

    def __init__(self, *rest, **more):
        super().__init__(*rest, **more)
        atexit.register(self.close)

    def add_scalar(self, tag, value, *rest, **more):
        super().add_scalar(tag, value, *rest, **more)
        if tag == "charts/episodic_return":
            returns.append(float(value))
        if tag == "charts/SPS" and meter.iteration():
            raise Enough


def main() -> None:
    torch.set_num_threads(1)
    script = "ppo.py" if args.env == "CartPole-v1" else "ppo_continuous_action.py"
    text = (Path(args.path) / "cleanrl" / script).read_text(encoding="utf-8")
    if "AutoresetMode" not in text:
        gym.vector.SyncVectorEnv = OfOldGymnasium
    tensorboard.SummaryWriter = Writer
    sys.argv = [
        script, f"--env-id={args.env}", f"--num-envs={args.envs}", f"--num-steps={args.steps}", "--no-cuda",
        f"--total-timesteps={SETTINGS['total_timesteps']}", f"--seed={args.seed}",
    ]  # fmt: skip
    if script != "ppo.py":  # its own defaults are for one environment with 2048 steps
        sys.argv += ["--num-minibatches=4", "--update-epochs=4", "--learning-rate=2.5e-4", "--ent-coef=0.01"]
        meter.deviations += "; its wrappers that normalise observations and rewards"
    here = os.getcwd()
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    atexit.register(os.chdir, here)
    os.chdir(folder.name)  # it writes runs/ where it stands, until the end
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Enough):
        runpy.run_path(str(Path(here, args.path) / "cleanrl" / script), run_name="__main__")
    last = returns[-20:]
    meter.answer("torch", "gymnasium", "numpy", last_return=round(sum(last) / max(len(last), 1), 1))


if __name__ == "__main__":
    main()
