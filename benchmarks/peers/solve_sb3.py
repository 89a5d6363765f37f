"""From the start of the process to a solved CartPole with Stable-Baselines3: rl-zoo3's tuned settings, or CleanRL's."""

from protocol import SETTINGS, Enough, Meter, Solved, asked

args = asked(settings={"default": "zoo"}, most={"type": int, "default": 200_000})
meter = Meter(args)

import contextlib  # noqa: E402

import torch  # noqa: E402
from stable_baselines3 import PPO  # noqa: E402
from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402
from stable_baselines3.common.env_util import make_vec_env  # noqa: E402
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402

meter.imported()
S = SETTINGS
ARMS = {
    "zoo": (8, 100_000, dict(
        n_steps=32, batch_size=256, gae_lambda=0.8, gamma=0.98, n_epochs=20, ent_coef=0.0,
        learning_rate=lambda left: 0.001 * left, clip_range=lambda left: 0.2 * left,
    )),
    "cleanrl": (4, S["total_timesteps"], dict(
        n_steps=128, batch_size=128, n_epochs=S["update_epochs"], gamma=S["gamma"], gae_lambda=S["gae_lambda"],
        learning_rate=lambda left: S["learning_rate"] * left, clip_range=S["clip_coef"], clip_range_vf=S["clip_coef"],
        ent_coef=S["ent_coef"], vf_coef=S["vf_coef"] / 2, max_grad_norm=S["max_grad_norm"],
    )),
}  # fmt: skip


class Evaluations(BaseCallback):
    solved: Solved
    evaluation = None

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        """The update of the rollout before is done."""
        if self.num_timesteps and (
            self.solved.now(self.num_timesteps, self.mean_of_twenty) or self.num_timesteps >= args.most
        ):
            raise Enough

    def mean_of_twenty(self, seed: int) -> float:
        if self.evaluation is None:
            self.evaluation = make_vec_env("CartPole-v1", n_envs=20)
        self.evaluation.seed(seed)
        return evaluate_policy(self.model, self.evaluation, n_eval_episodes=20, deterministic=True)[0]


def main() -> None:
    torch.set_num_threads(1)
    envs, total, settings = ARMS[args.settings]
    env = make_vec_env("CartPole-v1", n_envs=envs, seed=args.seed)
    model = PPO("MlpPolicy", env, seed=args.seed, device="cpu", **settings)
    callback = Evaluations()
    callback.solved = Solved(meter)
    with contextlib.suppress(Enough):
        model.learn(total, callback=callback)
    callback.solved.answer(model.num_timesteps, "stable-baselines3", "torch", "gymnasium", "numpy")


if __name__ == "__main__":
    main()
