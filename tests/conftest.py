"""What holds for every test: one thread for small networks, and no silent skip in CI."""

from __future__ import annotations

import os

import pytest

# before anything imports torch or NumPy: two pytest processes share the machine
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(name, "1")


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
            report.longrepr = (
                f"{reason}\nCI=true: what may be missing on a reader's machine must be there in CI"
            )


def pytest_configure(config):
    try:
        from hypothesis import settings
    except ImportError:
        return
    # wall time on a busy machine is no property of the code
    settings.register_profile("book", deadline=None, derandomize=os.environ.get("CI") == "true")
    settings.load_profile("book")
