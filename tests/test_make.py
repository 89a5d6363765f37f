"""make.py: what it refuses, what it asks pip for, and how it ends."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import make  # noqa: E402


def top_level_imports(path: Path) -> set[str]:
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    return names


def test_it_needs_only_the_standard_library():
    allowed = set(sys.stdlib_module_names) | {"execute_notebooks"}
    assert top_level_imports(ROOT / "make.py") <= allowed
    assert top_level_imports(ROOT / "tools" / "execute_notebooks.py") <= set(sys.stdlib_module_names)


def test_the_makefile_has_the_same_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    documented = set(re.findall(r"^    python make.py (\w+)", make.__doc__, re.M))
    phony = set(re.search(r"^\.PHONY: (.+)$", makefile, re.M)[1].split())
    assert documented == phony
    for target in phony:
        assert re.search(rf"^{target}:\n\t@\$\(PYTHON\) make\.py {target}\b", makefile, re.M)
        assert target == "help" or callable(getattr(make, target))


def test_an_old_python_gets_a_sentence(monkeypatch):
    monkeypatch.setattr(make.sys, "version_info", (3, 9, 7))
    monkeypatch.setattr(make.shutil, "which", lambda name: None)
    with pytest.raises(make.Stop, match=r"needs Python 3\.11 or newer"):
        make.find_python()


def test_an_old_python_looks_for_a_newer_one(monkeypatch):
    monkeypatch.setattr(make.sys, "version_info", (3, 9, 7))
    monkeypatch.setattr(
        make.shutil, "which", lambda name: "/usr/bin/python3.12" if name == "python3.12" else None
    )
    assert make.find_python() == "/usr/bin/python3.12"


@pytest.fixture
def asked(monkeypatch) -> list[tuple[str, ...]]:
    """What pip was asked for, with pip itself taken out; nothing is installed yet, and this is Linux."""
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(make, "pip", lambda venv, *arguments, what: calls.append(arguments))
    monkeypatch.setattr(make, "installed", lambda venv, package: "")
    monkeypatch.setattr(make.platform, "system", lambda: "Linux")
    monkeypatch.setattr(make, "reachable", lambda url: True)
    monkeypatch.delenv("PPO_ALLOW_CUDA", raising=False)
    return calls


def test_linux_takes_the_cpu_build_from_its_index(asked):
    make.install_torch(Path("venv"), ["-c", "requirements.lock"])
    assert asked == [("--no-deps", "--extra-index-url", make.CPU_INDEX, "torch==2.13.0+cpu")]


def test_linux_without_the_index_still_asks_only_for_a_cpu_build(asked, monkeypatch):
    monkeypatch.setattr(make, "reachable", lambda url: False)
    make.install_torch(Path("venv"), [])
    assert asked == [("--no-deps", "torch==2.13.0+cpu")]


def test_linux_without_any_cpu_build_stops_and_says_how_large_cuda_is(asked, monkeypatch):
    def fail(venv, *arguments, what):
        assert arguments[-1].endswith("+cpu")
        raise make.Stop("pip could not install it")

    monkeypatch.setattr(make, "reachable", lambda url: False)
    monkeypatch.setattr(make, "pip", fail)
    with pytest.raises(make.Stop, match=r"2\.6 GB.*PPO_ALLOW_CUDA=1"):
        make.install_torch(Path("venv"), [])


def test_cuda_comes_only_when_allowed(asked, monkeypatch):
    monkeypatch.setenv("PPO_ALLOW_CUDA", "1")
    make.install_torch(Path("venv"), ["-c", "requirements.lock"])
    assert asked == [("torch==2.13.0", "-c", "requirements.lock")]


@pytest.mark.parametrize("system", ["Darwin", "Windows"])
def test_other_systems_take_what_pypi_has(asked, monkeypatch, system):
    monkeypatch.setattr(make.platform, "system", lambda: system)
    make.install_torch(Path("venv"), [])
    assert asked == [("torch==2.13.0",)]


@pytest.mark.parametrize("version", ["2.13.0", "2.13.0+cpu", "2.13.0+cu130"])
def test_a_torch_that_is_there_stays(asked, monkeypatch, version):
    monkeypatch.setattr(make, "installed", lambda venv, package: version)
    make.install_torch(Path("venv"), [])
    assert asked == []


def test_the_environment_is_set_up_again_when_the_lock_changes(tmp_path, monkeypatch):
    installs: list[tuple[str, ...]] = []
    lock = tmp_path / "requirements.lock"
    (tmp_path / "pyproject.toml").write_text("")
    lock.write_text("a==1\n")
    for name, value in {"ROOT": tmp_path, "LOCK": lock, "VENV": tmp_path / ".venv"}.items():
        monkeypatch.setattr(make, name, value)
    monkeypatch.setattr(make, "pip", lambda venv, *arguments, what: installs.append(arguments))
    monkeypatch.setattr(make, "install_torch", lambda venv, constraints: None)
    make.ensure_environment()
    make.ensure_environment()
    assert len(installs) == 1
    lock.write_text("a==2\n")
    make.ensure_environment()
    assert len(installs) == 2
    assert installs[0] == ("-c", str(lock), "-e", ".[lab,book,test]")


def test_an_unchanged_book_is_not_rendered_again(tmp_path, monkeypatch, capsys):
    done: list[str] = []
    for name, value in {
        "ROOT": tmp_path,
        "BUILD": tmp_path / "book/_build",
        "HTML": tmp_path / "book/_build/html",
    }.items():
        monkeypatch.setattr(make, name, value)
    (tmp_path / "book" / "_static").mkdir(parents=True)
    (tmp_path / "book" / "_toc.yml").write_text("root: index\n")
    (tmp_path / "book" / "_static" / "custom.css").write_text("a {}\n")
    (tmp_path / "index.md").write_text("# Book\n")

    def render(what, *command, env=None):
        done.append(what)
        make.HTML.mkdir(parents=True, exist_ok=True)
        for page in ("index", "404"):
            (make.HTML / f"{page}.html").write_text("<p>page</p>")

    monkeypatch.setattr(make, "must", render)
    monkeypatch.setattr(make, "ensure_environment", lambda: Path(sys.executable))
    make.book()
    once = len(done)
    assert once == 2
    make.book()
    assert len(done) == once and "Nothing has changed" in capsys.readouterr().out
    (tmp_path / "book" / "_static" / "custom.css").write_text("b {}\n")
    make.book()
    assert len(done) == 2 * once
    (make.HTML / "404.html").unlink()
    make.book()
    assert len(done) == 3 * once


def test_a_page_that_did_not_come_out_is_named(tmp_path, monkeypatch):
    for name, value in {
        "ROOT": tmp_path,
        "BUILD": tmp_path / "book/_build",
        "HTML": tmp_path / "book/_build/html",
    }.items():
        monkeypatch.setattr(make, name, value)
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "_toc.yml").write_text("root: index\n")
    monkeypatch.setattr(make, "must", lambda what, *command, env=None: None)
    monkeypatch.setattr(make, "ensure_environment", lambda: Path(sys.executable))
    with pytest.raises(make.Stop, match=r"did not come out: .*index\.html"):
        make.book()


def test_usage_errors(capsys):
    assert make.main(["serve"]) == 2
    assert (
        "there are: book, test, lab, workshop, train, bench, faults, lock, clean, help"
        in capsys.readouterr().out
    )
    assert make.main(["book", "fast"]) == 2
    assert make.main([]) == 0
    assert "python make.py book" in capsys.readouterr().out


def test_a_fault_ends_with_a_sentence_and_exit_code_1(monkeypatch, capsys):
    def book():
        raise make.Stop("rendering the book failed (exit code 2)")

    monkeypatch.setattr(make, "book", book)
    assert make.main(["book"]) == 1
    assert "rendering the book failed" in capsys.readouterr().err


def test_the_counts_tell_cells_from_tests(tmp_path):
    report = tmp_path / "tests.xml"
    report.write_text(
        """<testsuites><testsuite>
        <testcase classname="tests.test_gae" name="test_a"/>
        <testcase classname="tests.test_gae" name="test_b"><failure message="no"/></testcase>
        <testcase classname="tests.test_gae" name="test_c"><skipped message="no browser"/></testcase>
        <testcase classname="notebooks.05_gae" name="notebooks/05_gae.ipynb::Cell 0"/>
        </testsuite></testsuites>"""
    )
    counts = "  tests: 1 passed, 1 failed, 1 skipped\n  notebook cells: 1 passed, 0 failed, 0 skipped"
    assert make.count(report) == counts


@pytest.mark.skipif(os.name == "nt", reason="platform: Windows sends no SIGINT to a group")
def test_ctrl_c_is_the_childs_to_answer(tmp_path):
    """Ctrl-C reaches make.py and its child; make.py waits until the child has said goodbye."""
    child = (
        "import time\n"
        "try:\n    print('ready', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    time.sleep(0.5); print('checkpoint written'); raise SystemExit(7)\n"
    )
    script = tmp_path / "child.py"
    script.write_text(child)
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import make; sys.exit(make.run(sys.executable, {str(script)!r}))"
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout.readline().strip() == "ready"
    time.sleep(0.2)
    os.killpg(parent.pid, signal.SIGINT)
    out, err = parent.communicate(timeout=20)
    assert (parent.returncode, out.strip()) == (7, "checkpoint written")
    assert "Traceback" not in err
