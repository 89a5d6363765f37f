"""What holds for every test: one thread for each library, no display, and no silent skip in CI."""

from __future__ import annotations

import os

import pytest

# Before torch or NumPy are first imported, here and in every process that a test starts.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
# MPLBACKEND stays unset: the kernels in which nbval runs the notebooks inherit this environment, and theirs is inline.


def fails_in_ci(reason: str) -> bool:
    """On a reader's machine a missing browser or oracle is a skip; in CI it is a failure.

    Only what the operating system cannot do may be skipped there: its reason starts with "platform:".
    """
    return os.environ.get("CI") == "true" and not reason.removeprefix("Skipped: ").startswith("platform:")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if fails_in_ci(reason):
            report.outcome = "failed"
            report.longrepr = f"{reason}\nCI=true: what a reader's machine may lack must be there in CI"


def pytest_configure(config):
    try:
        from hypothesis import settings
    except ImportError:
        return
    # wall time on a busy machine is no property of the code
    settings.register_profile("book", deadline=None, derandomize=os.environ.get("CI") == "true")
    settings.load_profile("book")


# Tests of one file stay together (a notebook needs its kernel), but these are long and independent of each other.
APART = ("::test_what_the_page_shows_runs[", "::test_page_in_a_browser[")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """--dist loadfile, with each chapter of the reader's gate and each page in the browser free to go to any worker."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return nodeid if any(name in nodeid for name in APART) else super()._split_scope(nodeid)

    return Scheduling(config, log)
