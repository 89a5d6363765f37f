"""Stable-Baselines3's PPO."""

from protocol import SETTINGS, Enough, Meter, asked

args = asked()
meter = Meter(
    args,
    "the value loss has no factor 1/2 (vf_coef 0.25 makes up for it); environments in Monitor, its default",
)

import torch  # noqa: E402
from stable_baselines3 import PPO  # noqa: E402
from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402
from stable_baselines3.common.env_util import make_vec_env  # noqa: E402

meter.imported()


class Iterations(BaseCallback):
    """A rollout begins where the iteration before it has ended."""

    started = False

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.started and meter.iteration():
            raise Enough
        self.started = True


def main() -> None:
    torch.set_num_threads(1)
    s, rate = SETTINGS, SETTINGS["learning_rate"]
    model = PPO(
        "MlpPolicy",
        make_vec_env(args.env, n_envs=args.envs, seed=args.seed),
        learning_rate=lambda left: rate * left,
        n_steps=args.steps,
        batch_size=meter.batch // s["num_minibatches"],
        n_epochs=s["update_epochs"],
        gamma=s["gamma"],
        gae_lambda=s["gae_lambda"],
        clip_range=s["clip_coef"],
        clip_range_vf=s["clip_coef"],
        ent_coef=s["ent_coef"],
        vf_coef=s["vf_coef"] / 2,
        max_grad_norm=s["max_grad_norm"],
        policy_kwargs={"net_arch": {"pi": [s["hidden_size"]] * 2, "vf": [s["hidden_size"]] * 2}},
        seed=args.seed,
        device="cpu",
    )
    try:
        model.learn(s["total_timesteps"], callback=Iterations())
    except Enough:
        pass
    last = [episode["r"] for episode in model.ep_info_buffer][-20:]
    meter.answer(
        "stable-baselines3",
        "torch",
        "gymnasium",
        "numpy",
        last_return=round(sum(last) / max(len(last), 1), 1),
    )


if __name__ == "__main__":
    main()
