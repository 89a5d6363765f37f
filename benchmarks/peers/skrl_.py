"""skrl's PPO with its SequentialTrainer."""

from protocol import SETTINGS, Enough, Meter, asked

args = asked()
meter = Meter(
    args,
    "advantages normalised over the whole rollout; clipped values without the maximum; Adam's epsilon is torch's default; "
    "PyTorch's default initialisation",
)

import contextlib  # noqa: E402
import io  # noqa: E402
import tempfile  # noqa: E402

import gymnasium as gym  # noqa: E402
import torch  # noqa: E402
from skrl.agents.torch.ppo import PPO, PPO_CFG  # noqa: E402
from skrl.envs.wrappers.torch import wrap_env  # noqa: E402
from skrl.memories.torch import RandomMemory  # noqa: E402
from skrl.models.torch import CategoricalMixin, DeterministicMixin, Model  # noqa: E402
from skrl.trainers.torch import SequentialTrainer  # noqa: E402
from skrl.utils import set_seed  # noqa: E402
from torch import nn  # noqa: E402

meter.imported()


def network(inputs: int, outputs: int) -> nn.Sequential:
    width = SETTINGS["hidden_size"]
    return nn.Sequential(
        nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, outputs)
    )


class Policy(CategoricalMixin, Model):
    def __init__(self, spaces: dict):
        Model.__init__(self, **spaces)
        CategoricalMixin.__init__(self)
        self.net = network(self.num_observations, self.num_actions)

    def compute(self, inputs, role):
        return self.net(inputs["observations"]), {}


class Value(DeterministicMixin, Model):
    def __init__(self, spaces: dict):
        Model.__init__(self, **spaces)
        DeterministicMixin.__init__(self)
        self.net = network(self.num_observations, 1)

    def compute(self, inputs, role):
        return self.net(inputs["observations"]), {}


class Agent(PPO):
    def post_interaction(self, **when) -> None:
        super().post_interaction(**when)
        if not self._rollout % self.cfg.rollouts and meter.iteration():
            raise Enough


def main() -> None:
    torch.set_num_threads(1)
    set_seed(args.seed)
    same_step = {
        "autoreset_mode": gym.vector.AutoresetMode.SAME_STEP
    }  # every counted step is one of an episode
    env = wrap_env(
        gym.make_vec(args.env, num_envs=args.envs, vectorization_mode="sync", vector_kwargs=same_step)
    )
    spaces = {
        "observation_space": env.observation_space,
        "action_space": env.action_space,
        "device": env.device,
    }
    s = SETTINGS
    iterations = s["total_timesteps"] // meter.batch
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        config = PPO_CFG(
            rollouts=args.steps,
            learning_epochs=s["update_epochs"],
            mini_batches=s["num_minibatches"],
            discount_factor=s["gamma"],
            gae_lambda=s["gae_lambda"],
            learning_rate=s["learning_rate"],
            learning_rate_scheduler=torch.optim.lr_scheduler.LambdaLR,  # it steps once an epoch
            learning_rate_scheduler_kwargs={
                "lr_lambda": lambda epoch: max(0.0, 1 - epoch // s["update_epochs"] / iterations)
            },
            grad_norm_clip=s["max_grad_norm"],
            ratio_clip=s["clip_coef"],
            value_clip=s["clip_coef"],
            entropy_loss_scale=s["ent_coef"],
            value_loss_scale=s["vf_coef"] / 2,
            experiment={"directory": folder, "checkpoint_interval": 0},
        )
        agent = Agent(
            models={"policy": Policy(spaces), "value": Value(spaces)},
            memory=RandomMemory(memory_size=args.steps, num_envs=args.envs, device=env.device),
            cfg=config,
            **spaces,
        )
        trainer = SequentialTrainer(
            env=env,
            agents=agent,
            cfg={"timesteps": iterations * args.steps, "headless": True, "disable_progressbar": True},
        )
        with contextlib.suppress(Enough):
            trainer.train()
    meter.answer("skrl", "torch", "gymnasium", "numpy")


if __name__ == "__main__":
    main()
