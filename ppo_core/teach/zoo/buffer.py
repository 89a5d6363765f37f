"""Specimens in the rollout and its minibatches."""

from ppo_core.teach.zoo.specimen import Source, Specimen

SPECIMENS = (
    Specimen(
        name="minibatches-with-replacement",
        title="Minibatches are drawn with replacement",
        short="rows left out",
        family="buffer",
        symptom="An “epoch” shows some rows several times and about a third of them not at all.",
        cause="Indices are drawn at random for each minibatch instead of dealt out from one permutation.",
        remedy="Shuffle once per epoch and cut the permutation into parts.",
        module="buffer",
        old="order = torch.randperm(self.num_steps * self.num_envs, generator=generator)",
        new="rows = self.num_steps * self.num_envs\n        order = torch.randint(rows, (rows,), generator=generator)",
        caught_by="an_epoch_shows_every_row_once",
        visible_in=("rows_seen",),
        sources=(
            Source(
                project="RL-Adventure 2 (higgsfield)",
                url="https://github.com/higgsfield-ai/higgsfield/issues/7",
                version_or_date="open since October 2018",
                what="A reader asks about rows that are repeated or missed; another found no gain from the change.",
                thanks="arjun-kg, MarcoMeter and Alessiobrini",
            ),
        ),
        chapter="10_ppo_assembled",
    ),
    Specimen(
        name="observation-is-a-reference",
        title="The stored observation changes when the environment steps",
        short="actions mismatched",
        family="buffer",
        symptom="Each row holds the observation that came after its action.",
        cause="The environment writes into the array that it returned, and the rollout kept a reference to it.",
        remedy="Copy what you store, or let the environment return new arrays.",
        module="trainer",
        old="rollout.add(t, self.obs, actions, result)",
        new="rollout.add(t, result.obs, actions, result)  # what a shared array would hold by now",
        caught_by="every_row_is_a_step",
        visible_in=("right_action", "approx_kl", "evaluation"),
        sources=(
            Source(
                project="RSL-RL",
                url="https://github.com/leggedrobotics/rsl_rl/issues/222",
                version_or_date="open since July 2026; it depends on whether the environment reuses its array",
                what="The report follows a reference from the agent into the storage and proposes a copy.",
                thanks="`NaCl-1374`",
            ),
            Source(
                project="SuperSuit",
                url="https://github.com/Farama-Foundation/SuperSuit/pull/116",
                version_or_date="fixed October 2021",
                what="Two wrappers returned their internal buffer; observations and actions were out of step in evaluation.",
                thanks="RedTachyon",
            ),
        ),
        chapter="07_many_environments",
    ),
)
