"""Memory for activations on a CPU: kept between steps, in pages of 2 MB."""

import ctypes
import mmap
import platform
from pathlib import Path

import keras

_MMAP_MAX, _TRIM_THRESHOLD, _ARENA_MAX = -4, -1, -8  # of mallopt, in malloc.h
_MADV_COLLAPSE = 25  # of madvise, Linux 6.1; an older kernel refuses it and does the same little by little
_HUGE_PAGE = 1 << 21  # bytes


def keep_freed_memory():
    """Lets this process keep freed memory for its next large array, where the C library is glibc.

    glibc maps every block of more than 32 MB anew and hands it back at once, so that each large activation of each
    step is paged in again: a quarter of a step's time on a CPU. Numbers stay as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_ARENA_MAX, 1)):
            mallopt(option, value)


def take_huge_pages():
    """Puts the memory that this process has into huge pages, where the kernel is Linux and allows them.

    With pages of 4 kB, passes over activations of many MB wait for the table of addresses. Numbers stay as they are.
    """
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for line in maps.read_text().splitlines():
        addresses, access, *_, name = (line + " anonymous").split()[:6]
        if access == "rw-p" and name in ("anonymous", "[heap]"):
            start, end = (int(address, 16) for address in addresses.split("-"))
            for page in range(-(-start // _HUGE_PAGE) * _HUGE_PAGE, end - _HUGE_PAGE + 1, _HUGE_PAGE):
                madvise(page, _HUGE_PAGE, mmap.MADV_HUGEPAGE)
                madvise(page, _HUGE_PAGE, _MADV_COLLAPSE)


class HugePages(keras.callbacks.Callback):
    """Huge pages from the second step of a training on: the first one took the memory, and freed memory is kept."""

    def __init__(self):
        super().__init__()
        self.taken = False

    def on_train_batch_end(self, batch, logs=None):
        if not self.taken:
            take_huge_pages()
            self.taken = True
