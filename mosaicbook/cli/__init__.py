"""The `mosaic` command. Each module beside this one adds a few verbs to `app`."""

import os
import sys

# Set before TensorFlow is imported by any verb: its start-up log is no news to a user.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import typer

from mosaicbook import native_messages
from mosaiclib.files import plain

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="MOSAIC, mobile semantic segmentation: build, train, measure and report its networks.",
)

from mosaicbook.cli import bench, compare, data, history, models, runs  # noqa: E402, F401  (they add their verbs)


def main():
    """Runs the command; an error the user can mend is one sentence on stderr and exit status 1."""
    if sys.stderr is sys.__stderr__:
        native_messages.filter_stderr()
    try:
        app()
    except (ValueError, OSError) as error:
        if os.environ.get("MOSAIC_DEBUG"):
            raise
        print(f"mosaic: {plain(error)}", file=sys.stderr)
        sys.exit(1)
