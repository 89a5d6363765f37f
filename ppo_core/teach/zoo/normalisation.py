"""Specimens in normalisation."""

from ppo_core.teach.zoo.specimen import Source, Specimen

SPECIMENS = (
    Specimen(
        name="returns-normalised-per-batch",
        title="The critic's target is normalised in each batch",
        family="normalisation",
        symptom="The critic's values have no unit: they stay near 0 whatever the rewards are.",
        cause="Returns are shifted and scaled by the statistics of their batch, so that the target moves with the batch.",
        remedy="Normalise advantages if you like; leave the returns in reward units.",
        module="trainer",
        old="rollout.returns.copy_(gae.returns)",
        new="rollout.returns.copy_((gae.returns - gae.returns.mean()) / (gae.returns.std() + 1e-8))",
        caught_by="targets_are_in_reward_units",
        sources=(
            Source(
                project="PyTorch examples",
                url="https://github.com/pytorch/examples/issues/590",
                version_or_date="asked July 2019, closed",
                what="A reader asks why returns are normalised while the critic's values are not. It helps the policy there; the critic's target moves.",
                thanks="ThisIsIsaac and vumaasha",
            ),
        ),
        bug_id="B11",
        chapter="04_a_critic",
    ),
    Specimen(
        name="deviation-of-one-sample",
        title="The standard deviation of one sample is NaN",
        family="normalisation",
        symptom="A minibatch of one row turns all weights into NaN.",
        cause="The unbiased deviation divides by n - 1.",
        remedy="Do not normalise a single advantage.",
        module="loss",
        old="if advantages.numel() < 2:",
        new="if False:",
        caught_by="one_sample_stays_finite",
        sources=(
            Source(
                project="Stable-Baselines3",
                url="https://github.com/DLR-RM/stable-baselines3/issues/325",
                version_or_date="0.10.0, reported February 2021; fixed in August 2022 by pull request 1028",
                what="A batch size that left one row over was enough; the fix mentions that finding it can take many hours.",
                thanks="dHonerkamp and hughperkins",
            ),
        ),
        bug_id="B19",
        chapter="10_ppo_assembled",
        setup="one_row",
    ),
    Specimen(
        name="deviation-of-zero",
        title="Equal advantages are divided by zero",
        family="normalisation",
        symptom="The first batch in which all advantages are equal gives NaN.",
        cause="Nothing is added to the standard deviation.",
        remedy="Add a small constant to the deviation.",
        module="loss",
        old="(advantages.std() + 1e-8)",
        new="advantages.std()",
        caught_by="equal_advantages_stay_finite",
        sources=(
            Source(
                project="Stable Baselines",
                url="https://github.com/hill-a/stable-baselines/pull/722",
                version_or_date="TRPO, proposed March 2020, closed",
                what="No reward in a whole batch of Breakout was enough to divide by zero.",
                thanks="richardwu",
            ),
        ),
        bug_id="B19",
        chapter="10_ppo_assembled",
    ),
)
