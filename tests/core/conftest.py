"""What the tests of the core share: one thread, fixed examples, and an end to whatever hangs."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, settings

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:  # oracles, contract, tracer and mutants; worker processes get the same path
    sys.path.insert(0, str(HERE))

torch.set_num_threads(1)
settings.register_profile(
    "core",
    derandomize=True,  # the same examples on every machine
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
settings.register_profile("mutants", settings.get_profile("core"), phases=[Phase.explicit, Phase.generate])

if "forkserver" in multiprocessing.get_all_start_methods():
    # The server imports Gymnasium once, so that a worker starts in milliseconds. Tests of the command line and
    # of a fresh interpreter start their own server, without this.
    multiprocessing.get_context("forkserver").set_forkserver_preload(["gymnasium"])


@pytest.fixture(autouse=True)
def the_same_examples_everywhere():
    before = settings.get_current_profile_name()
    settings.load_profile("core")
    yield
    settings.load_profile(before)


LIMIT = 120.0  # seconds; the longest honest test takes about 15


@pytest.fixture(autouse=True)
def an_end_to_everything():
    """A test that hangs fails with a traceback of where it hung."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(number, frame):
        pytest.fail(f"hung for {LIMIT:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
