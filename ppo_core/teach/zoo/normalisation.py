"""Specimens in normalisation."""

from ppo_core.teach.zoo.specimen import Source, Specimen

SPECIMENS = (
    Specimen(
        name="returns-normalised-per-batch",
        title="The critic's target is normalised in each batch",
        family="normalisation",
        symptom="The critic's values have no unit: they stay near zero whatever the rewards are.",
        cause="Returns are shifted and scaled by the statistics of the batch, so that the target moves with the batch.",
        remedy="Normalise advantages if you like; leave the returns in reward units.",
        module="trainer",
        old="rollout.returns.copy_(gae.returns)",
        new="rollout.returns.copy_((gae.returns - gae.returns.mean()) / (gae.returns.std() + 1e-8))",
        caught_by="targets_are_in_reward_units",
        sources=(
            Source(
                project="PPO-PyTorch",
                url="https://github.com/nikhilbarhate99/PPO-PyTorch",
                version_or_date="",
                what="",
                thanks="",
            ),
        ),
        bug_id="B11",
        chapter="04_a_critic",
    ),
)
