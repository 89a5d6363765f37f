"""Specimens in sampling, log-probabilities and entropy."""

from ppo_core.teach.zoo.specimen import Source, Specimen

SPECIMENS = (
    Specimen(
        name="clipped-action-is-stored",
        title="The clipped action is stored instead of the sampled one",
        short="first ratio not one",
        family="sampling",
        symptom="The ratio is not 1 on the first minibatch.",
        cause="The stored log-probability is that of the sampled action, the stored action is another one.",
        remedy="Store the action as sampled; clip only what the environment gets.",
        module="trainer",
        old="rollout.logprobs.copy_(output.logprobs.view_as(rollout.logprobs))",
        new="rollout.logprobs.copy_(output.logprobs.view_as(rollout.logprobs))\n"
        "            within = within_bounds(rollout.actions.numpy(), self.env.single_action_space)\n"
        "            rollout.actions.copy_(torch.from_numpy(within))",
        caught_by="the_first_ratio_is_one",
        visible_in=("first_ratio_gap", "aim_error"),
        sources=(
            Source(
                project="Tianshou",
                url="https://github.com/thu-ml/tianshou/issues/312",
                version_or_date="reported March 2021, closed; the buffer keeps raw actions since",
                what="The buffer held remapped actions. The report explains why the log-probability then belongs to something else.",
                thanks="ChenDRAG",
            ),
            Source(
                project="mesozoic-labs",
                url="https://github.com/kuds/mesozoic-labs/pull/408",
                version_or_date="fixed April 2026",
                what="The same fault found by looking at the ratio, fixed with tests.",
                thanks="kuds",
            ),
        ),
        bug_id="B17",
        chapter="08_reuse_data_safely",
    ),
    Specimen(
        name="entropy-of-the-chosen-action",
        title="Entropy is computed from the chosen action alone",
        short="entropy too small",
        family="sampling",
        symptom="The metric called entropy is too small, and the bonus pushes the chosen action's probability about.",
        cause="- p log p is taken for one action, where the entropy sums over all of them.",
        remedy="Sum over the action axis: H = - Σ p log p.",
        module="policy",
        old="return logprobs, -(log_probs.exp() * log_probs).sum(-1)",
        new="return logprobs, -logprobs.exp() * logprobs",
        caught_by="a_coin_has_entropy_log_two",
        visible_in=("first_entropy", "last_entropy"),
        sources=(
            Source(
                project="rlx",
                url="https://github.com/noahfarr/rlx/pull/3",
                version_or_date="fixed November 2025",
                what="The contributor explains what the old term did and replaces it by the entropy of the whole distribution.",
                thanks="gokulp01 and noahfarr",
            ),
            Source(
                project="ProximalPolicyOptimizationKeras",
                url="https://github.com/nric/ProximalPolicyOptimizationKeras/pull/5",
                version_or_date="open since August 2020",
                what="The same term, and a pull request that sums over all actions.",
                thanks="simone1999",
            ),
        ),
        chapter="02_a_policy_you_can_sample",
    ),
    Specimen(
        name="one-world-for-all",
        title="Every environment gets the same seed",
        short="equal first states",
        family="sampling",
        symptom="All environments begin in the same state; a batch holds less variety than its size says.",
        cause="One seed is handed to all of them, or the last seed overwrites the others.",
        remedy="A seed of its own for each environment (and episode), derived from the one seed you chose.",
        module="envs",
        old="return int(np.random.SeedSequence((seed, index, episode)).generate_state(1)[0])",
        new="return int(np.random.SeedSequence((seed, episode)).generate_state(1)[0])",
        caught_by="environments_begin_differently",
        visible_in=("worlds",),
        sources=(
            Source(
                project="Stable Baselines",
                url="https://github.com/hill-a/stable-baselines/issues/675",
                version_or_date="reported February 2020, closed after a pull request",
                what="A loop seeded all environments again and again instead of one after the other.",
                thanks="NeoExtended and araffin",
            ),
            Source(
                project="CleanRL with EnvPool",
                url="https://github.com/vwxyzjn/cleanrl/pull/238",
                version_or_date="fixed July 2022",
                what="Without an explicit seed, EnvPool gave all its environments one constant seed.",
                thanks="jseppanen",
            ),
        ),
        chapter="07_many_environments",
    ),
)
