"""From the start of the process to a solved CartPole with ppo_core."""

from protocol import SETTINGS, Meter, Solved, asked

args = asked(
    settings={"default": "default"}, gradient={"default": "autograd"}, most={"type": int, "default": 200_000}
)
meter = Meter(args)

from ppo_core import PPOConfig, Trainer  # noqa: E402

meter.imported()


def main() -> None:
    own = {"num_envs": 4, "num_steps": 128, **SETTINGS} if args.settings == "cleanrl" else {}
    config = PPOConfig.preset("CartPole-v1", **own, gradient=args.gradient, seed=args.seed)
    with Trainer(config) as trainer:
        solved = Solved(meter)
        for stats in trainer.run():
            if solved.now(stats.global_step, lambda seed: trainer.evaluate(20, seed=seed).mean):
                break
            if stats.global_step >= args.most:
                break
        solved.answer(stats.global_step, "ppo-core", "torch", "gymnasium", "numpy")


if __name__ == "__main__":
    main()
