"""The `mosaic` command. Each module beside this one adds a few verbs to `app`."""

import getpass
import os
import re
import stat
import sys
import tempfile
from contextlib import suppress
from typing import Annotated

# Set before TensorFlow is imported by any verb: a user need not see its start-up log.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from mosaicbook import native_messages
from mosaiclib.files import from_environment, plain

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="MOSAIC, mobile semantic segmentation: build, train, measure and report its networks.",
)


def console():
    """Where tables are printed: as wide as the terminal, and as wide as they are where there is none."""
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 500)


def table(*columns, numbers=(), title=None):
    """A table for `console` in which no number is cut: where it is too wide, text goes on in the next line.

    columns: headers. numbers: those of columns whose cells stay whole, to the right.
    """
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title=title)
    for name in columns:
        whole = {"justify": "right", "no_wrap": True} if name in numbers else {"overflow": "fold"}
        made.add_column(name.replace(", ", ",\n") if name in numbers else name, **whole)
    return made


# Each adds its verbs.
from mosaicbook.cli import bench, compare, data, evaluate, history, models, npu, referee, runs  # noqa: E402, F401


def main():
    """Runs the command; an error the user can mend is one sentence on stderr and exit status 1."""
    if sys.stderr is sys.__stderr__:
        native_messages.filter_stderr()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without the letters of a name still shows the rest
    _complete_environment()
    # A shell expands ~ in a word of its own only, and not in --root=~/photos.
    arguments = [re.sub(r"(^|=)~(?=/|$)", lambda found: found[1] + os.path.expanduser("~"), a) for a in sys.argv[1:]]
    try:
        app(arguments)
    except ModuleNotFoundError as error:
        if error.name not in ("fcntl", "resource", "termios"):
            raise
        print(f"mosaic: this verb needs Linux or macOS: Python has no {error.name} here.", file=sys.stderr)
        sys.exit(1)
    except (ValueError, OSError) as error:
        if os.environ.get("MOSAIC_DEBUG"):
            raise
        print(f"mosaic: {plain(error)}", file=sys.stderr)
        sys.exit(1)


def _complete_environment():
    """Folders by their whole path, for notebooks run elsewhere; a home and a name for a user who has neither."""
    for name in ("MOSAIC_REPORTS", "MOSAIC_DATA", "MOSAIC_MIRROR"):
        if folder := from_environment(name):
            os.environ[name] = str(folder)
    if os.path.expanduser("~") == "~":
        os.environ["HOME"] = _own_folder("mosaic-home")
    if "XDG_CACHE_HOME" not in os.environ and not os.access(os.path.expanduser("~"), os.W_OK):
        os.environ["XDG_CACHE_HOME"] = _own_folder("mosaic-cache")
    try:
        getpass.getuser()
    except (KeyError, OSError):  # a number that has no name, as containers give
        os.environ["USER"] = "nobody"


def _own_folder(name):
    """A folder among the temporary ones that belongs to this user alone, the same for every call where it can be."""
    path = os.path.join(tempfile.gettempdir(), f"{name}-{os.getuid()}")
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    about = os.lstat(path)
    return path if stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() else tempfile.mkdtemp(prefix=f"{name}-")
