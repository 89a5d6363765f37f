"""Specimens in the loss."""

from ppo_core.teach.zoo.specimen import Source, Specimen

SPECIMENS = (
    Specimen(
        name="entropy-sign",
        title="The entropy bonus has the wrong sign",
        family="loss",
        symptom="Entropy falls faster than it should.",
        cause="The loss is minimised, so adding `+ ent_coef * entropy` pushes entropy down.",
        remedy="Subtract the bonus from a loss, or add it to an objective, and never both.",
        module="loss",
        old="loss = policy_term + config.vf_coef * value_term - config.ent_coef * entropy",
        new="loss = policy_term + config.vf_coef * value_term + config.ent_coef * entropy",
        caught_by="an_entropy_bonus_raises_entropy",
        sources=(
            Source(
                project="easy-rl",
                url="https://github.com/datawhalechina/easy-rl/issues/171",
                version_or_date="",
                what="",
                thanks="",
            ),
        ),
        bug_id="B7",
        chapter="02_a_policy_you_can_sample",
    ),
    Specimen(
        name="minimum-before-the-advantage",
        title="The minimum is taken before multiplying by the advantage",
        family="loss",
        symptom="Bad actions are pushed away without a limit.",
        cause="`min(ratio, clip(ratio)) * A` ignores the sign of A, so that for A < 0 nothing is held.",
        remedy="Multiply first, then take the minimum.",
        module="loss",
        old="return -torch.min(ratio * advantages, clipped_ratio * advantages).mean()",
        new="return -(torch.min(ratio, clipped_ratio) * advantages).mean()",
        caught_by="the_six_cases_of_the_clip",
        sources=(
            Source(
                project="takuseno/ppo",
                url="https://github.com/takuseno/ppo/issues/3",
                version_or_date="",
                what="",
                thanks="",
            ),
        ),
        bug_id="B13",
        chapter="09_clip",
    ),
)
