"""The contracts of pyproject's import-linter section hold, and each of them fails where it is broken."""

import os
import shutil
import subprocess
import sys

import pytest

from mosaicbook.runs.provenance import ROOT


def lint(folder):
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(cache_dir=None))"
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


def test_imports_point_down():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("mosaiclib/data/images.py", "from mosaicbook.runs import records", "The core never imports the workbook"),
        ("mosaiclib/data/images.py", "from mosaiclib.models import blocks", "In the core, imports point down"),
        ("mosaicbook/show/tables.py", "from mosaicbook.site import index", "In the workbook, imports point down"),
        ("mosaiclib/training/loop.py", "import tensorflow", "TensorFlow stays in its rooms"),
    ],
)
def test_a_contract_fails_where_it_is_broken(tmp_path, file, line, broken):
    for name in ("mosaiclib", "mosaicbook"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with open(tmp_path / file, "a") as stream:
        stream.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert any(broken in row and "BROKEN" in row for row in done.stdout.splitlines()), done.stdout
