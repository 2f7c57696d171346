"""The GPUs of this machine: which there are, and one of its own for every training."""

import os
import time
from contextlib import ExitStack, contextmanager

from mosaiclib.latency.host import machine

WAIT_S = 1.0


def visible() -> list[str]:
    """The numbers of the GPUs that may be used, as CUDA_VISIBLE_DEVICES names them: all, unless that is set."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [number.strip() for number in chosen.split(",") if number.strip() not in ("", "-1")]
    return [gpu["number"] for gpu in machine.gpus()]


def refuse_without(profile, on_cpu):
    """Raises ValueError where a profile is made for a GPU, none is there, and nobody said to go on."""
    if profile.device == "gpu" and not visible() and not on_cpu:
        raise ValueError(
            f"The profile {profile.name} is made for a GPU, and there is none here that nvidia-smi lists: "
            "`make environment-gpu` installs TensorFlow for one. --on-cpu goes on without, which takes far longer."
        )


@contextmanager
def own(folder, everything=False):
    """One GPU, or `everything`, that no other training uses while the block runs; waits until there is one.

    Sets CUDA_VISIBLE_DEVICES, which a notebook's kernel inherits. folder: where the locks lie. Where there is no GPU it
    does nothing.
    """
    numbers = visible()
    if not numbers:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    with ExitStack() as held:
        while not (mine := _take(numbers, folder, held, everything)):
            time.sleep(WAIT_S)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(mine)
        try:
            yield
        finally:
            if before is None:
                del os.environ["CUDA_VISIBLE_DEVICES"]
            else:
                os.environ["CUDA_VISIBLE_DEVICES"] = before


def _take(numbers, folder, held, everything):
    """The numbers that were free and are now locked; none where not all that are wanted are free."""
    import fcntl  # Windows has none

    mine, locks = [], ExitStack()
    for number in numbers:
        file = open(folder / f".gpu-{number}.lock", "w")  # noqa: SIM115, it is closed with the others
        locks.callback(file.close)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        mine.append(number)
        if not everything:
            break
    if not mine or (everything and len(mine) < len(numbers)):
        locks.close()
        return []
    held.push(locks)
    return mine
