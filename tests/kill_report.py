"""Random kills of `mosaic report`: nothing is lost, nothing that was done is done again, nothing false is shown.

    python tests/kill_report.py [--kills 100] [--seed 0]

It works in a copy of the repository with a profile of four runs of a small notebook, which keeps a book of its own of
what it has begun and finished. A kill comes at random, mostly within half a second of one of the moments that are
risky: a result is written, a run's record, a rename, a marker, a page. It hits the report, Snakemake, a run, or all.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
ROWS = ("a", "b", "c", "d")
CELLS = [
    'row: str = "a"  # which run\nvalue: int = 0  # what its result is\nneeds: str = ""  # a file of another run\n'
    'book: str = ""  # where it is noted what was begun and finished',
    "from pathlib import Path\nfrom mosaicbook import runs\nrun = runs.start('data', globals())\n"
    "step = run.scratch / 'step'\nnote = lambda word: open(book, 'a').write(f'{word} {row} {value}\\n')",
    "note('resumed' if step.exists() else 'fresh')\nrun.scratch.mkdir(parents=True, exist_ok=True)\n"
    "step.write_text('1')\nnote('trained')",
    "(run.folder / 'weights').write_text(f'{row} {value}')\nrun.finish({'row': row, 'value': value})",
]


def copy_of_the_repository(folder):
    """A copy with one notebook more; returns the environment for commands in it."""
    for name in ("mosaiclib", "mosaicbook", "notebooks", "profiles", "recipes"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "Snakefile", folder)
    empty = {"cell_type": "code", "outputs": [], "execution_count": None}
    cells = [empty | {"metadata": {}, "source": cell, "id": f"c{n}"} for n, cell in enumerate(CELLS)]
    cells[0]["metadata"] = {"tags": ["parameters"]}
    heading = {"cell_type": "markdown", "metadata": {}, "source": "# A small run", "id": "h"}
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    notebook = {"cells": [heading, *cells], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (folder / "notebooks" / "small.ipynb").write_text(json.dumps(notebook))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOSAIC_")}
    return kept | {"PYTHONPATH": str(folder), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


class Trial:
    """The copy, its profile, and what is known of its runs."""

    def __init__(self, folder, seed):
        self.folder, self.random = folder, random.Random(seed)
        self.environment = copy_of_the_repository(folder)
        self.book, self.report = folder / "book", folder / "reports" / "small"
        self.values = dict.fromkeys(ROWS, 0)
        self.done = {}  # {(row, value): how often it had been begun when it was first seen done}
        self.book.touch()
        self.write_profile()

    def write_profile(self):
        lines = ["title: Small", "description: Killed.", "runs:"]
        for row, value in self.values.items():
            needs = "run:data/a/weights" if row == "b" else ""
            given = {"row": row, "value": value, "needs": needs, "book": str(self.book)}
            planned = {"notebook": "notebooks/small.ipynb", "description": "x", "parameters": given}
            lines.append(f"  data/{row}: {json.dumps(planned)}")
        (self.folder / "small.yaml").write_text("\n".join(lines))

    def change(self):
        """Another value for one run, and for what needs it."""
        row = self.random.choice(ROWS)
        for changed in {row, "b"} if row == "a" else {row}:
            self.values[changed] += 1
        self.write_profile()

    def start(self):
        command = [sys.executable, "-c", "from mosaicbook.cli import main; main()",
                   "report", "--profile", "small.yaml", "--jobs", "2"]  # fmt: skip
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, start_new_session=True)  # fmt: skip

    def notes(self):
        return [line.split() for line in self.book.read_text().splitlines()]

    def moments(self):
        """What is there of the files whose coming is a risky moment."""
        names = ("runs/data/.*.partial/result.json", "runs/data/.*.partial/run.json", "runs/data/*/run.json",
                 "runs/data/.*.before", ".done/data/*", "*.html")  # fmt: skip
        found = set()
        for name in names:
            for path in self.report.glob(name):
                with suppress(OSError):
                    found.add((path, path.stat().st_mtime_ns))
        return found

    def kill_once(self):
        """Starts a report and kills it; returns whether it was still running."""
        process = self.start()
        wait_for = self.random.choices(range(9), weights=[1, *[3] * 8])[0]  # how many moments pass before
        pause, seen, begun = self.random.random() ** 2 / 2, self.moments(), time.monotonic()
        if not wait_for:
            time.sleep(self.random.random() * 12)
        while wait_for and process.poll() is None and time.monotonic() - begun < 120:
            new = self.moments() - seen
            if new:
                seen |= new
                wait_for -= min(wait_for, len(new))
            time.sleep(0.002)
        time.sleep(pause)
        family = []
        with suppress(psutil.Error):
            parent = psutil.Process(process.pid)
            family = [parent, *parent.children(recursive=True)]
        running = process.poll() is None
        self.hit(family)
        deadline = time.monotonic() + 90
        while left := self.alive():
            if time.monotonic() > deadline:
                for one in left:
                    with suppress(psutil.Error):
                        one.kill()
            time.sleep(0.2)
        process.communicate()
        return running

    def alive(self):
        """What still works here, also what a survivor has started since: it would go on beside the next report."""
        found = []
        for one in psutil.process_iter():
            with suppress(psutil.Error):
                if one.status() != psutil.STATUS_ZOMBIE and Path(one.cwd()).is_relative_to(self.folder):
                    found.append(one)
        return found

    def hit(self, family):
        kind = self.random.choice(("all", "all", "report", "one", "interrupt"))
        targets = {"all": family, "report": family[:1], "interrupt": family[:1]}.get(kind) or family[-1:]
        if kind == "one" and len(family) > 1:
            targets = [self.random.choice(family[1:])]
        for one in targets:
            with suppress(psutil.Error):
                one.send_signal(signal.SIGINT if kind == "interrupt" else signal.SIGKILL)

    def check(self):
        """Raises AssertionError for what is lost, done again, or false."""
        notes = self.notes()
        for row in ROWS:
            trained = False
            for word, noted, value in notes:
                if noted == row and word == "trained":
                    trained = value
                assert not (noted == row and word == "fresh" and trained == value), f"{row} {value} began from zero"
        for row in ROWS:
            final = self.report / "runs" / "data" / row
            whole = [
                folder
                for folder in (
                    final,
                    *final.parent.glob(f".{row}.*"),
                    final / "finished-before",
                    *final.parent.glob(f".{row}.*/finished-before"),
                )
                if self.is_done(folder)
            ]
            values = {self.value_in(folder) for folder in whole}
            known = [value for known_row, value in self.done if known_row == row]
            assert not known or values & {max(known), self.values[row]}, f"{row}: what was done is lost: {values}"
            for value in values & {self.values[row]}:
                begun = sum(n[1:] == [row, str(value)] and n[0] != "trained" for n in notes)
                assert self.done.setdefault((row, value), begun) == begun, f"{row} {value} was done again"
        for page in self.report.glob("*.html"):
            assert page.read_text().rstrip().endswith("</html>"), f"{page.name} is half a page"

    def is_done(self, folder):
        with suppress(OSError, ValueError):
            return json.loads((folder / "run.json").read_text())["status"] == "done"
        return False

    def value_in(self, folder):
        record = json.loads((folder / "run.json").read_text())["parameters"]
        result = json.loads((folder / "result.json").read_text())
        weights = (folder / "weights").read_text().split()
        assert weights == [record["row"], str(record["value"])], f"{folder} holds another's weights"
        assert result == {"row": record["row"], "value": record["value"]}, f"{folder} holds another's result"
        return record["value"]

    def finish(self):
        """A report that nobody kills does what is left and nothing else; a second one finds nothing to do."""
        process = self.start()
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0, out
        self.check()
        assert all((row, value) in self.done for row, value in self.values.items()), out
        process = self.start()
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0 and "4 of them up to date" in out, out


def trial(kills, seed, folder, tell=print):
    """Kills as often; returns how many of the kills hit a report that was running."""
    one, hits = Trial(Path(folder).resolve(), seed), 0
    for number in range(kills):
        if all((row, value) in one.done for row, value in one.values.items()):
            one.change()
        hits += one.kill_once()
        one.check()
        tell(f"{number + 1} kills, {hits} while it ran, {len(one.done)} runs done", flush=True)
    one.finish()
    return hits


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kills", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        hits = trial(given.kills, given.seed, folder)
    print(f"{given.kills} kills, {hits} of them while it ran: nothing lost, nothing done again, nothing false.")
