"""Where the time of a step goes: environments in one process, or shared out over workers."""

from __future__ import annotations

import traitlets

from ppo_core.viz.explorables.base import Explorable


class WorkerGantt(Explorable):
    """Where the time of a step goes, with N environments in one process or shared out over worker processes.

    The model: a worker waits for its message (`overhead_ms`), then steps its environments one after the other; at most
    `cores` workers run at once; a step ends with the last worker. The policy's own time is left out.
    """

    module = "workers"
    description = (
        "Sliders for workers, environments, processor cores, the time of a step with its spread, one slow environment, and the overhead "
        "of a step, over two Gantt charts on one time axis: all environments in one process, and shared out over workers. "
        "Processes win when a step takes long compared with the overhead; each step waits for its last worker, and workers "
        "beyond the cores only queue."
    )

    num_workers = traitlets.Int(4, min=1, max=16).tag(sync=True, page=True)
    num_envs = traitlets.Int(8, min=1, max=32).tag(sync=True, page=True)
    cores = traitlets.Int(4, min=1, max=16).tag(sync=True, page=True)
    mean_ms = traitlets.Float(0.02, min=0.005, max=50.0).tag(sync=True, page=True)
    spread = traitlets.Float(0.2, min=0.0, max=1.0).tag(sync=True, page=True)
    slow = traitlets.Float(1.0, min=1.0, max=10.0).tag(sync=True, page=True)
    overhead_ms = traitlets.Float(0.2, min=0.0, max=5.0).tag(sync=True, page=True)

    @traitlets.default("title")
    def _title(self) -> str:
        return "Where the time of a step goes"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "Predict first: eight environments as cheap as CartPole, four workers on four cores. How much faster than one process? "
            "Then let a step take longer, until the workers win. What do more workers than cores bring? And what does one slow environment cost?"
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "A message to a worker and its waking up (hatched) cost about the same whether the environment needs a microsecond or a second. "
            "For a cheap environment that is most of the step, and one process is faster.\n"
            "Each step ends with its last worker: the more the step times spread, and the slower the slowest environment (amber), "
            "the longer the others wait (empty). Several environments in one worker even out the spread.\n"
            "Workers beyond the cores only queue. The numbers are those of this simple model: the chapter measures the real ones."
        )
