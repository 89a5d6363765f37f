"""Specimens in sampling and log-probabilities."""

from ppo_core.teach.zoo.specimen import Source, Specimen

SPECIMENS = (
    Specimen(
        name="clipped-action-is-stored",
        title="The clipped action is stored instead of the sampled one",
        family="sampling",
        symptom="Log-probabilities belong to actions that were never sampled.",
        cause="The action is clipped to the bounds of the environment before the rollout keeps it.",
        remedy="Store the action as sampled; clip only what the environment gets.",
        module="trainer",
        old="rollout.logprobs.copy_(output.logprobs.view_as(rollout.logprobs))",
        new="rollout.logprobs.copy_(output.logprobs.view_as(rollout.logprobs))\n            within = within_bounds(rollout.actions.numpy(), self.env.single_action_space)\n            rollout.actions.copy_(torch.from_numpy(within))",
        caught_by="the_first_ratio_is_one",
        sources=(
            Source(
                project="Tianshou",
                url="https://github.com/thu-ml/tianshou/issues/312",
                version_or_date="",
                what="",
                thanks="",
            ),
        ),
        bug_id="B17",
        chapter="02_a_policy_you_can_sample",
    ),
)
