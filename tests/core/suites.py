"""Which test file runs which oracles on the package, and with which kinds of vector environments."""

from __future__ import annotations

import cli
import contract
import oracles
import training
from contract import METHODS, QUICK


def defined_in(module: object, *beginnings: str) -> list[str]:
    names = [name for name, function in oracles.ORACLES.items() if function.__module__ == module.__name__]
    return [name for name in names if name.startswith(beginnings)] if beginnings else names


NUMBERS = {
    "test_gae": defined_in(oracles, "gae_"),
    "test_loss": defined_in(
        oracles, "policy_loss_", "value_loss_", "losses_", "normalize_", "approximate_kl_", "gradients_", "ppo_loss_", "each_part_", "entropy_bonus_"
    ),
    "test_analytic": defined_in(oracles, "analytic_"),
    "test_policy": defined_in(oracles, "categorical_", "gaussian_", "policy_evaluates_", "actions_are_drawn_", "numpy_act_", "weights_begin_", "policy_refuses_"),
    "test_buffer": defined_in(oracles, "rollout_keeps_", "minibatches_"),
    "test_config": defined_in(oracles, "config_"),
    "test_trainer": defined_in(
        training, "collected_", "sampled_", "episodes_are_", "updates_", "analytic_", "a_run_in_", "one_seed_", "a_new_process_", "an_interrupt", "what_is_not_", "environments_that_",
        "a_worker_may_", "evaluation_", "cartpole_",
    ),
    "test_probes": defined_in(training, "probes_", "a_time_limit_", "a_corridor_", "exact_values_"),
    "test_checkpoint": defined_in(training, "resuming_", "checkpoints_", "damaged_", "hostile_", "a_kill_", "a_full_disk_", "a_checkpoint_", "two_checkpoints_"),
    "test_cli": defined_in(cli),
}  # fmt: skip

# The contract of vector environments: in one process, and with each start method. Forking is quick, so that it gets all
# of it; spawned workers take half a second each, and get what could differ for them.
VECTORS = [
    name for name in defined_in(contract) if "kind" in contract.__dict__[name].__code__.co_varnames[:2]
]
PROCESSES_ONLY = {
    "parallel_equals_serial", "a_dead_worker_is_noticed", "a_hung_worker_is_noticed", "close_ends_everything_from_any_state", "an_interrupt_mixes_no_rows",
    "an_interrupt_at_any_line_leaves_no_process", "a_new_worker_takes_over", "nothing_is_left_while_the_object_lives", "environments_may_have_children",
    "the_parents_death_ends_the_workers", "a_program_ends_without_close", "control_c_in_a_terminal_is_the_parents_business", "control_c_while_workers_are_born",
}  # fmt: skip
FOR_SPAWN = {
    "rows_are_true_transitions", "parallel_equals_serial", "any_function_can_make_an_environment", "a_dead_worker_is_noticed", "a_new_worker_takes_over",
    "nothing_is_left_while_the_object_lives", "the_parents_death_ends_the_workers", "a_program_ends_without_close",
    "control_c_in_a_terminal_is_the_parents_business", "control_c_while_workers_are_born",
}  # fmt: skip
SERIAL = [name for name in VECTORS if name not in PROCESSES_ONLY]
ALONE = [
    name for name in defined_in(contract) if name not in VECTORS
]  # Gymnasium's vectors, imports: no kind


def for_method(method: str) -> list[str]:
    if method == QUICK:
        return VECTORS
    if method == "spawn":
        return [name for name in VECTORS if name in FOR_SPAWN]
    return [name for name in VECTORS if name != "an_interrupt_at_any_line_leaves_no_process"]


PROCESSES = [(name, method) for method in METHODS for name in for_method(method)]
