"""Specimens in networks and optimiser."""

from ppo_core.teach.zoo.specimen import Source, Specimen

SPECIMENS = (
    Specimen(
        name="gradients-add-up",
        title="Gradients are never set to zero",
        family="networks",
        symptom="Every step is taken along the sum of all gradients so far; the norm grows without end.",
        cause="`backward` adds to what is there, and nothing clears it.",
        remedy="Clear gradients before every `backward`, and log their norm.",
        module="trainer",
        old="self.weights.grad.zero_()",
        new="pass",
        caught_by="every_gradient_begins_at_zero",
        sources=(
            Source(
                project="PyTorch",
                url="https://github.com/pytorch/pytorch/issues/47175",
                version_or_date="open since November 2020",
                what="A request for a warning, because the mistake is easy and silent; the discussion says why there is none.",
                thanks="norpadon, kefirski and mruberry",
            ),
            Source(
                project="Transformers (then pytorch-pretrained-BERT)",
                url="https://github.com/huggingface/transformers/issues/340",
                version_or_date="reported and fixed March 2019",
                what="A training script of a large library had it; it is no PPO trainer, and the fault is the same.",
                thanks="jaminche and thomwolf",
            ),
        ),
        chapter="10_ppo_assembled",
    ),
    Specimen(
        name="gradient-clipped-piece-by-piece",
        title="Each weight matrix is clipped by itself",
        family="networks",
        symptom="The whole gradient may be several times as long as max_grad_norm says, and it points elsewhere.",
        cause="The norm is taken per tensor instead of over all parameters together.",
        remedy="One norm over all parameters, one factor for all of them.",
        module="trainer",
        old="grad_norms.append(clip_gradient(self.weights.grad, config.max_grad_norm))",
        new="norms = [clip_gradient(p.grad, config.max_grad_norm) for p in self.policy.parameters()]\n"
        "                grad_norms.append(torch.stack(norms).norm())",
        caught_by="the_whole_gradient_is_clipped",
        sources=(
            Source(
                project="rlevo",
                url="https://github.com/anthonytorlucci/rlevo/issues/328",
                version_or_date="open since July 2026; the documentation now says so",
                what="The optimiser library clips each tensor; the issue keeps the difference from the published detail on record.",
                thanks="anthonytorlucci",
            ),
        ),
        bug_id="B14",
        chapter="10_ppo_assembled",
    ),
    Specimen(
        name="policy-head-starts-large",
        title="The last layer of the policy is not scaled down",
        family="networks",
        symptom="The untrained policy already has opinions: its entropy is below log A before the first step.",
        cause="The line that should scale the policy's last layer names the critic's layer a second time.",
        remedy="Initialise the policy's last layer with gain 0.01, and look at the first entropy.",
        module="policy",
        old="self.actor = mlp(self.obs_size, hidden_size, self.action_size, last_gain=0.01, generator=generator)",
        new="self.actor = mlp(self.obs_size, hidden_size, self.action_size, last_gain=1.0, generator=generator)",
        caught_by="an_untrained_policy_has_no_opinion",
        sources=(
            Source(
                project="minimal-stable-PPO",
                url="https://github.com/ToruOwO/minimal-stable-PPO/issues/3",
                version_or_date="reported and fixed February 2024",
                what="One character of a name: the value layer was initialised twice, the policy's mean layer never.",
                thanks="ColinQiyangLi and ToruOwO",
            ),
        ),
        chapter="10_ppo_assembled",
    ),
    Specimen(
        name="learning-rate-one-ahead",
        title="The learning rate is read one update too early",
        family="networks",
        symptom="The last update changes nothing, and the first does not use the full rate.",
        cause="The counter is increased before the schedule is read.",
        remedy="The first update uses the full rate; the last one still uses a rate above 0.",
        module="trainer",
        old="learning_rate *= 1 - self.iteration / self.config.num_iterations",
        new="learning_rate *= 1 - (self.iteration + 1) / self.config.num_iterations",
        caught_by="the_last_update_still_learns",
        sources=(
            Source(
                project="rlevo",
                url="https://github.com/anthonytorlucci/rlevo/issues/324",
                version_or_date="reported July 2026, closed",
                what="In the auxiliary phase of PPG; measured, to the bit, that the last one changed no weight.",
                thanks="anthonytorlucci",
            ),
        ),
        chapter="10_ppo_assembled",
    ),
)
