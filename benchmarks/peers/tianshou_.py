"""Tianshou's PPO with its OnPolicyTrainer."""

from protocol import SETTINGS, Enough, Meter, asked

args = asked()
meter = Meter(
    args, "the value loss has no factor 1/2 (vf_coef 0.25 makes up for it); PyTorch's default initialisation"
)

import contextlib  # noqa: E402
import logging  # noqa: E402

import gymnasium as gym  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from tianshou.algorithm import PPO  # noqa: E402
from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy  # noqa: E402
from tianshou.algorithm.optim import AdamOptimizerFactory, LRSchedulerFactoryLinear  # noqa: E402
from tianshou.data import Collector, VectorReplayBuffer  # noqa: E402
from tianshou.env import DummyVectorEnv  # noqa: E402
from tianshou.trainer import OnPolicyTrainer, OnPolicyTrainerParams  # noqa: E402
from tianshou.utils.net.common import Net  # noqa: E402
from tianshou.utils.net.discrete import DiscreteActor, DiscreteCritic  # noqa: E402

meter.imported()
logging.disable(logging.WARNING)


started = False


def training_step_begins(epoch: int, env_step: int) -> None:
    global started
    if started and meter.iteration():
        raise Enough
    started = True


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)  # noqa: NPY002  (its minibatches are drawn from the old generator)
    s = SETTINGS
    envs = DummyVectorEnv([lambda: gym.make(args.env) for _ in range(args.envs)])
    envs.seed(args.seed)
    spaces = {"action_space": envs.action_space[0], "observation_space": envs.observation_space[0]}
    net = {"state_shape": spaces["observation_space"].shape, "hidden_sizes": [s["hidden_size"]] * 2}
    actor = DiscreteActor(
        preprocess_net=Net(**net, activation=torch.nn.Tanh),
        action_shape=spaces["action_space"].n,
        softmax_output=False,
    )
    critic = DiscreteCritic(preprocess_net=Net(**net, activation=torch.nn.Tanh))
    rate = LRSchedulerFactoryLinear(
        max_epochs=1, epoch_num_steps=s["total_timesteps"], collection_step_num_env_steps=meter.batch
    )
    adam = AdamOptimizerFactory(lr=s["learning_rate"], eps=s["adam_eps"]).with_lr_scheduler_factory(rate)
    algorithm = PPO(
        policy=DiscreteActorPolicy(actor=actor, **spaces),
        critic=critic,
        optim=adam,
        eps_clip=s["clip_coef"],
        value_clip=s["clip_value_loss"],
        vf_coef=s["vf_coef"] / 2,
        ent_coef=s["ent_coef"],
        max_grad_norm=s["max_grad_norm"],
        gae_lambda=s["gae_lambda"],
        gamma=s["gamma"],
        max_batchsize=meter.batch,
    )
    collector = Collector(algorithm, envs, VectorReplayBuffer(meter.batch, args.envs))
    trainer = OnPolicyTrainer(
        algorithm,
        OnPolicyTrainerParams(
            training_collector=collector,
            max_epochs=1,
            epoch_num_steps=s["total_timesteps"],
            collection_step_num_env_steps=meter.batch,
            update_step_num_repetitions=s["update_epochs"],
            batch_size=meter.batch // s["num_minibatches"],
            training_fn=training_step_begins,
            verbose=False,
            show_progress=False,
        ),
    )
    with contextlib.suppress(Enough):
        trainer.run()
    meter.answer("tianshou", "torch", "gymnasium", "numpy")


if __name__ == "__main__":
    main()
