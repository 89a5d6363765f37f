"""The stored study of chapter 07: it belongs to the chapter's cells as they are, and a slice of it comes out again."""

from __future__ import annotations

import sys

import pytest
from studies import BENCHMARKS, load_script, read_study

NAME = "ch07_seven_lines"


@pytest.fixture
def script(monkeypatch):
    return load_script(NAME, monkeypatch)


@pytest.fixture(scope="module")
def study() -> tuple[dict[str, str], list[dict[str, str]]]:
    return read_study(NAME)


def test_the_scored_versions_are_the_cells_of_the_chapter(study, script) -> None:
    header, _ = study
    assert header["cells"] == script.digest(script.scored_files()), f"run again: {header['command']}"


def test_one_changed_character_of_a_cell_is_noticed(script) -> None:
    files = script.scored_files()
    changed = {**files, "version_5.py": files["version_5.py"].replace("0.9", "0.8")}
    assert changed != files and script.digest(changed) != script.digest(files)


def test_every_version_has_a_row_whose_points_are_its_verdicts(study, script) -> None:
    header, rows = study
    assert [row["version"] for row in rows] == [*script.VERSIONS, script.PACKAGE]
    assert len({sum(int(row[verdict]) for verdict in script.VERDICTS) for row in rows}) == 1
    assert header["suite"].startswith(f"{sum(int(rows[0][verdict]) for verdict in script.VERDICTS)} cases")
    for row in rows:
        assert float(row["points"]) == int(row["PASS"]) + int(row["WEAK"]) / 2
        assert int(row["cases"]) == sum(int(row[verdict]) for verdict in script.VERDICTS if verdict != "SLOW")


def test_what_the_chapter_says_of_the_score(study) -> None:
    rows = {row["version"]: row for row in study[1]}
    first, last, package = rows["version 0"], rows["version 7"], rows["ParallelVectorEnv"]
    assert (
        float(first["points"]) < 0.5 * int(first["cases"]) < 0.8 * int(last["cases"]) < float(last["points"])
    )
    assert int(first["HANG"]) > int(first["PASS"])
    assert [package[verdict] for verdict in ("LEAK", "HANG", "SILENT", "CRASH")] == ["0"] * 4
    assert float(package["points"]) > float(last["points"])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="platform: the fault suite reads /proc")
@pytest.mark.parametrize(
    ("case", "verdicts"),
    [("interrupt_then_step", {2: "SILENT", 3: "PASS"}), ("raise_in_step", {1: "WEAK", 2: "PASS"})],
)
def test_a_slice_of_the_suite_comes_out_again(script, monkeypatch, tmp_path, case, verdicts) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS.parent / "tests" / "faults")
    from fault_suite import score

    adapter = script.write_versions(tmp_path)
    for version, verdict in verdicts.items():
        result = score(f"{adapter}:version_{version}", [case], start_method="spawn")
        assert result.verdicts[case] == verdict, str(result)
