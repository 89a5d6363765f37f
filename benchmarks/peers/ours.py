"""ppo_core, as it is installed beside this file."""

from protocol import SETTINGS, Meter, asked

args = asked(
    gradient={"default": "autograd"},
    batched={"action": "store_true"},
    settings={"default": "{}", "help": "JSON: further settings of PPOConfig"},
    workers={"type": int, "default": 0},
)
meter = Meter(args)

import json  # noqa: E402

from ppo_core import PPOConfig, Trainer  # noqa: E402

meter.imported()


def environment(config: PPOConfig):
    """None where the trainer makes the environments itself."""
    if args.batched:
        from ppo_core.extras.batched import BatchedCartPole

        return BatchedCartPole(config.num_envs)
    if ":" not in args.env:
        return None
    from workloads import env_fn

    from ppo_core import ParallelVectorEnv, SerialVectorEnv

    env_fns = [env_fn(args.env)] * config.num_envs
    if config.num_workers:
        return ParallelVectorEnv(env_fns, num_workers=config.num_workers, check=config.check)
    return SerialVectorEnv(env_fns, check=config.check)


def main() -> None:
    settings = {
        **SETTINGS,
        "gradient": args.gradient,
        "num_workers": args.workers,
        **json.loads(args.settings),
    }
    sizes = {"env_id": args.env, "num_envs": args.envs, "num_steps": args.steps, "seed": args.seed}
    config = PPOConfig(**{**settings, **sizes})
    with Trainer(config, env=environment(config)) as trainer:
        for stats in trainer.run():
            last_return = round(stats.episodic_return, 1)
            if meter.iteration():
                break
    meter.answer("ppo-core", "torch", "gymnasium", "numpy", last_return=last_return)


if __name__ == "__main__":
    main()
