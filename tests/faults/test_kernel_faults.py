"""In a real Jupyter kernel: what interrupts, a restart and a shutdown leave of our environments. `make faults` runs all of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [path for path in (str(HERE),) if path not in sys.path]

import kernel_cases  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="platform: looks for processes in /proc")


@pytest.mark.parametrize(
    "name", ["interrupt_then_reset", "lone_interrupt_then_step", "lone_interrupt_then_close", "restart"]
)
def test_ours_passes_in_a_kernel(name: str) -> None:
    result = kernel_cases.trial("ours", "forkserver", name)
    assert result.verdict == "PASS", result


@pytest.mark.parametrize(
    ("text", "error", "verdict"),
    [
        ("[[0, 1, 1], [1, 1, 2]]", "", "PASS"),
        ("[[0, 1, 7], [1, 1, 7]]", "", "SILENT"),  # the answers to the step before
        ("", "OutOfStep: call reset() first", "PASS"),
        ("", "BrokenPipeError: [Errno 32] Broken pipe", "WEAK"),
    ],
)
def test_verdicts_of_a_step(text: str, error: str, verdict: str) -> None:
    assert kernel_cases.judge_step(text, error, [1, 2])[0] == verdict


def test_a_process_that_outlives_the_kernel_is_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaves_a_process(kernel: kernel_cases.Kernel) -> tuple[str, str]:
        kernel.must("import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)")
        return "PASS", "so it seems"

    monkeypatch.setitem(kernel_cases.CASES, "leaves_a_process", ("", leaves_a_process))
    monkeypatch.setattr(kernel_cases, "GONE", 0.5)
    result = kernel_cases.trial("ours", "forkserver", "leaves_a_process")
    assert result.verdict == "LEAK", result
