"""TorchRL's PPO, put together as in its own examples: SerialEnv, Collector, GAE, ClipPPOLoss, a replay buffer."""

from protocol import SETTINGS, Meter, asked

args = asked()
meter = Meter(
    args,
    "GAE once a rollout (its examples: once an epoch); the value loss has no factor 1/2 (critic_coeff 0.25)",
)

import torch  # noqa: E402
from tensordict.nn import TensorDictModule  # noqa: E402
from torch import nn  # noqa: E402
from torchrl.collectors import Collector  # noqa: E402
from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer  # noqa: E402
from torchrl.data.replay_buffers.samplers import SamplerWithoutReplacement  # noqa: E402
from torchrl.envs import ExplorationType, GymEnv, RewardSum, SerialEnv, StepCounter, TransformedEnv  # noqa: E402
from torchrl.modules import ProbabilisticActor, ValueOperator  # noqa: E402
from torchrl.objectives import ClipPPOLoss  # noqa: E402
from torchrl.objectives.value.advantages import GAE  # noqa: E402

meter.imported()


def network(inputs: int, outputs: int, last: float) -> nn.Sequential:
    width, layers = SETTINGS["hidden_size"], []
    for fan_in, fan_out, gain in ((inputs, width, 2**0.5), (width, width, 2**0.5), (width, outputs, last)):
        linear = nn.Linear(fan_in, fan_out)
        nn.init.orthogonal_(linear.weight, gain)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    s = SETTINGS
    env = TransformedEnv(
        SerialEnv(args.envs, lambda: GymEnv(args.env, categorical_action_encoding=True)), RewardSum()
    )
    env.append_transform(StepCounter())
    env.set_seed(args.seed)
    inputs, actions = env.observation_spec["observation"].shape[-1], env.action_spec.space.n
    actor = ProbabilisticActor(
        TensorDictModule(network(inputs, actions, 0.01), in_keys=["observation"], out_keys=["logits"]),
        in_keys=["logits"],
        spec=env.action_spec,
        distribution_class=torch.distributions.Categorical,
        return_log_prob=True,
        default_interaction_type=ExplorationType.RANDOM,
    )
    critic = ValueOperator(network(inputs, 1, 1.0), in_keys=["observation"])
    collector = Collector(env, actor, frames_per_batch=meter.batch, total_frames=s["total_timesteps"])
    advantage = GAE(gamma=s["gamma"], lmbda=s["gae_lambda"], value_network=critic, average_gae=False)
    loss = ClipPPOLoss(
        actor_network=actor,
        critic_network=critic,
        clip_epsilon=s["clip_coef"],
        clip_value=s["clip_coef"],
        loss_critic_type="l2",
        entropy_coeff=s["ent_coef"],
        critic_coeff=s["vf_coef"] / 2,
        normalize_advantage=True,
    )
    buffer = TensorDictReplayBuffer(
        storage=LazyTensorStorage(meter.batch),
        sampler=SamplerWithoutReplacement(),
        batch_size=meter.batch // s["num_minibatches"],
    )
    parameters = list(loss.parameters())
    adam = torch.optim.Adam(parameters, lr=s["learning_rate"], eps=s["adam_eps"])
    iterations = s["total_timesteps"] // meter.batch
    returns: list[float] = []
    for iteration, data in enumerate(collector):
        adam.param_groups[0]["lr"] = s["learning_rate"] * (1 - iteration / iterations)
        returns += data["next", "episode_reward"][data["next", "done"]].tolist()
        with torch.no_grad():
            data = advantage(data)
        buffer.empty()
        buffer.extend(data.reshape(-1))
        for _ in range(s["update_epochs"]):
            for batch in buffer:
                losses = loss(batch)
                adam.zero_grad()
                (losses["loss_critic"] + losses["loss_entropy"] + losses["loss_objective"]).backward()
                nn.utils.clip_grad_norm_(parameters, s["max_grad_norm"])
                adam.step()
        collector.update_policy_weights_()
        if meter.iteration():
            break
    last = returns[-20:]
    meter.answer(
        "torchrl",
        "tensordict",
        "torch",
        "gymnasium",
        "numpy",
        last_return=round(sum(last) / max(len(last), 1), 1),
    )
    collector.shutdown()


if __name__ == "__main__":
    main()
