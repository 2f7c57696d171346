"""A file is there whole or not at all, whatever happens while it is written."""

import os
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def replacing(path):
    """Gives a path beside `path` to write to; at the end of the block that file takes the place of `path`.

    Where the block fails, what was at `path` stays and nothing is left beside it. The folder must exist.
    Raises OSError that names `path` where the operating system refuses.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{uuid4().hex[:8]}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise OSError(f"{path} could not be written: {error.strerror or error}.") from None
    finally:
        partial.unlink(missing_ok=True)
