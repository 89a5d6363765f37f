"""Specimens in what happens where an episode ends."""

from ppo_core.teach.zoo.specimen import Source, Specimen

SPECIMENS = (
    Specimen(
        name="truncation-is-termination",
        title="A time limit is taken for the end of the task",
        family="endings",
        symptom="The critic's values stay far too low wherever episodes end by a time limit.",
        cause="One flag `done` merges the two endings, so nothing is bootstrapped at a time limit.",
        remedy="Keep `terminated` and `truncated` apart; only `terminated` cancels the value of the successor.",
        module="gae",
        old="deltas = rewards + gamma * next_values * ~terminated - values",
        new="deltas = rewards + gamma * next_values * ~done - values",
        caught_by="a_time_limit_is_no_death",
        sources=(
            Source(
                project="CleanRL",
                url="https://github.com/vwxyzjn/cleanrl/issues/198",
                version_or_date="",
                what="",
                thanks="",
            ),
        ),
        bug_id="B2",
        chapter="06_how_episodes_end",
    ),
    Specimen(
        name="truncation-is-ignored",
        title="Advantages leak across a time limit",
        family="endings",
        symptom="Advantages before a time limit contain the rewards of the next episode.",
        cause="The recursion stops at `terminated` only, and runs on through a truncation into the next episode.",
        remedy="Stop the recursion at every end: `done = terminated | truncated`.",
        module="gae",
        old="done = terminated | truncated",
        new="done = terminated",
        caught_by="an_episode_knows_nothing_of_the_next",
        sources=(
            Source(
                project="skrl",
                url="https://github.com/Toni-SM/skrl/issues/224",
                version_or_date="",
                what="",
                thanks="",
            ),
        ),
        bug_id="B1",
        chapter="06_how_episodes_end",
    ),
    Specimen(
        name="done-one-step-late",
        title="The flag of an end is read one row too late",
        family="endings",
        symptom="The last action of an episode looks good, because the next episode's value is counted.",
        cause="The rollout mixes two conventions: “this row ended” and “this row is the first of an episode”.",
        remedy="One convention: `terminated[t]` and `truncated[t]` say what `actions[t]` led to.",
        module="gae",
        old="done = terminated | truncated",
        new="terminated, truncated = terminated.roll(1, 0), truncated.roll(1, 0)\n    done = terminated | truncated",
        caught_by="three_steps_by_hand",
        sources=(
            Source(
                project="Stable-Baselines3",
                url="https://github.com/DLR-RM/stable-baselines3/issues/105",
                version_or_date="",
                what="",
                thanks="",
            ),
        ),
        bug_id="B8",
        chapter="05_gae",
    ),
)
