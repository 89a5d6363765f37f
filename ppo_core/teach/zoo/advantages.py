"""Specimens in the computation of advantages."""

from ppo_core.teach.zoo.specimen import Source, Specimen

SPECIMENS = (
    Specimen(
        name="reward-one-step-late",
        title="Each reward belongs to the step before",
        family="advantages",
        symptom="The critic learns values that are shifted by one step.",
        cause="The reward stored in row t is the one that was handed out before action t was taken.",
        remedy="`rewards[t]` is what follows `actions[t]`; store the row after the environment has answered.",
        module="gae",
        old="deltas = rewards + gamma * next_values * ~terminated - values",
        new="deltas = rewards.roll(1, 0) + gamma * next_values * ~terminated - values",
        caught_by="three_steps_by_hand",
        sources=(
            Source(
                project="Spinning Up",
                url="https://github.com/openai/spinningup/issues/50",
                version_or_date="",
                what="",
                thanks="",
            ),
        ),
        bug_id="B9",
        chapter="05_gae",
    ),
)
