"""Train the agents that `ppo_core.teach.load_checkpoint` returns: `python tools/make_checkpoints.py`, half a minute.

One run with the default settings on CartPole-v1, stored after a fifth of its iterations and at its end. Run it again
when the trainer or its checkpoint format changes; tests/test_material.py says so.
"""

from __future__ import annotations

from pathlib import Path

from ppo_core import PPOConfig, Trainer

FOLDER = Path(__file__).resolve().parents[1] / "ppo_core" / "teach" / "trained"
SEED = 1
SHARE = 5  # the half-way agent has seen a fifth of the steps


def main() -> None:
    trainer = Trainer(PPOConfig(env_id="CartPole-v1", seed=SEED))
    for stats in trainer.run():
        if stats.iteration == trainer.config.num_iterations // SHARE:
            print("half_way", stats.global_step, trainer.evaluate(num_episodes=20).mean)
            trainer.save(FOLDER / "half_way.safetensors")
    print("trained", stats.global_step, trainer.evaluate(num_episodes=20).mean)
    trainer.save(FOLDER / "trained.safetensors")
    for rest in FOLDER.glob("*.previous"):
        rest.unlink()


if __name__ == "__main__":
    main()
