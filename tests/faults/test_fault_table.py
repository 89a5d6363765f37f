"""The page of faults is what the tool makes of the study, and the study holds what the page promises."""

import sys
from collections import Counter
from pathlib import Path

import pytest
from fault_cases import CASES

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import fault_table_page  # noqa: E402

_, ROWS = fault_table_page.read()


def test_the_page_is_what_the_tool_writes():
    assert fault_table_page.PAGE.read_text(encoding="utf-8") == fault_table_page.page()


def test_the_page_changes_with_the_study(tmp_path):
    text = fault_table_page.STUDY.read_text(encoding="utf-8")
    (tmp_path / "study.csv").write_text(text.replace(",PASS,", ",HANG,", 1), encoding="utf-8")
    assert fault_table_page.page(tmp_path / "study.csv") != fault_table_page.page()


@pytest.mark.parametrize("adapter", ["ours", "gymnasium", "stable-baselines3"])
@pytest.mark.parametrize("method", fault_table_page.METHODS)
def test_the_study_is_whole(adapter, method):
    rows = fault_table_page.of(ROWS, adapter, method)
    names = [row["case"] for row in rows]
    needed = [name for name, case in CASES.items() if adapter == "ours" or "restarts" not in case.needs]
    assert Counter(names) == Counter(needed) and all(row["version"] for row in rows)


@pytest.mark.parametrize("adapter, methods", [("ours", fault_table_page.METHODS), ("serial", ("none",))])
def test_ours_holds_the_contract(adapter, methods):
    """No SILENT, no HANG, no LEAK, and at least 95 % of the points."""
    for method in methods:
        rows = fault_table_page.of(ROWS, adapter, method)
        counts = Counter(row["verdict"] for row in rows)
        assert set(counts) <= {"PASS", "WEAK"} and counts["PASS"] + counts["WEAK"] / 2 >= 0.95 * len(rows), (
            counts
        )


def test_nothing_private_is_in_the_study():
    text = fault_table_page.STUDY.read_text(encoding="utf-8") + fault_table_page.PAGE.read_text(
        encoding="utf-8"
    )
    assert "/home/" not in text and "/root" not in text and "/tmp/" not in text and str(ROOT) not in text
