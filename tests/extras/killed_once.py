"""`python -m ppo_core`, in which the last rank of the first attempt is killed before iteration KILL_AT (from 0)."""

import os
import signal
import sys

from ppo_core import __main__ as command
from ppo_core.extras.distributed import DistributedTrainer, restarts


class KilledOnce(DistributedTrainer):
    def _iterate(self):
        last = self.world.rank == self.world.size - 1
        if last and restarts() == 0 and self.iteration == int(os.environ["KILL_AT"]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._iterate()


if __name__ == "__main__":
    import ppo_core.extras.distributed as distributed

    distributed.DistributedTrainer = KilledOnce
    sys.exit(command.main(sys.argv[1:]))
