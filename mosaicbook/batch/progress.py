"""What a batch tells while it runs: a bar and the running notebooks by name on a terminal, one line a run elsewhere.

`mosaic run` says how it stands in lines of its own form (STARTED, ENDED, FAILED and a run's id, or two blanks,
the id and what the notebook printed); `Batch.read` understands them.
"""

import os
import re
import sys
import time

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

STARTED, ENDED, FAILED = "start", "done", "FAILED"
_EVENT = re.compile(rf"({STARTED}|{ENDED}|{FAILED}) ([a-z]+/[a-z0-9_.-]+)(?: (.*))?")
_PRINTED = re.compile(r"  ([a-z]+/[a-z0-9_.-]+): (.*)")


def span(seconds) -> str:
    """A rough time as a person says it: "20 seconds", "8 minutes", "3 hours", "40 days"."""
    for unit, size, limit in (("second", 1, 90), ("minute", 60, 90), ("hour", 3600, 48), ("day", 86400, None)):
        if limit is None or seconds < limit * size:
            count = max(1, round(seconds / size))
            return f"{count} {unit}{'s' if count != 1 else ''}"


def tell(line):
    """Prints a line in one piece, so that lines of runs side by side stay apart.

    Raises SystemExit where nobody reads any more: what a killed batch had begun ends with it.
    """
    try:
        print(f"{line}\n", end="", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes at its end
        sys.exit("The batch that started this run was killed.")


class Batch:
    """Shows how a batch of runs goes on. about: {run id: expected seconds} of all that will run."""

    def __init__(self, about, console=None):
        self.about, self.ended, self.failed = about, {}, {}
        self.console = console or Console(highlight=False)
        self.console.soft_wrap = not self.console.is_terminal  # a terminal would break a line within a word
        self._started, self._tasks = time.monotonic(), {}
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(bar_width=28),
            TextColumn("{task.fields[note]}", style="dim", markup=False), TimeElapsedColumn(),
            console=self.console,
        )  # fmt: skip
        # What is running has no bar, so that a narrow terminal has room for what it says.
        self._running = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False),
            TextColumn("{task.fields[note]}", style="dim", markup=False), TimeElapsedColumn(),
            console=self.console,
        )  # fmt: skip
        self._all = self._bar.add_task(f"0 of {len(about)} runs", total=sum(about.values()) or 1, note="")
        shown = Group(self._bar, self._running)
        self._live = Live(shown, console=self.console, refresh_per_second=4) if self.console.is_terminal else None

    def __enter__(self):
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_):
        for run_id in [*self._tasks]:
            self._running.remove_task(self._tasks.pop(run_id))
        self._bar.update(self._all, note="")
        if self._live:
            self._live.stop()

    def read(self, line):
        """Takes in one line that a run printed."""
        event, printed = _EVENT.fullmatch(line), _PRINTED.fullmatch(line)
        if event:
            kind, run_id, text = event.groups()
            if kind == STARTED and self._live and run_id not in self._tasks:
                self._tasks[run_id] = self._running.add_task(run_id, total=None, note="")
            elif kind in (ENDED, FAILED):
                self._end(run_id, kind, text or "")
        elif printed and printed[1] in self._tasks:
            room = max(20, self.console.width - max(map(len, self._tasks)) - 11)
            self._running.update(self._tasks[printed[1]], note=printed[2][:room])

    def _end(self, run_id, kind, text):
        if run_id in self._tasks:
            self._running.remove_task(self._tasks.pop(run_id))
        (self.failed if kind == FAILED else self.ended)[run_id] = text
        count = len(self.ended) + len(self.failed)
        style = "red" if kind == FAILED else "green"
        place = f"  {count:3d}/{len(self.about)} "
        self.console.print(Text.assemble(place, (f"{run_id} {kind}: {text}", style)))
        reached = sum(self.about.get(run, 0) for run in (*self.ended, *self.failed))
        left = sum(self.about.values()) - reached
        self._bar.update(self._all, completed=reached, description=f"{count} of {len(self.about)} runs",
                         note=f"about {span(left)} left" if left > 0 else "")  # fmt: skip
