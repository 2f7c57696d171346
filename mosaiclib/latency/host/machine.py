"""The machine that a number was measured on, without names of people or hosts."""

import os
import platform
import subprocess
from functools import cache
from pathlib import Path

import psutil


def machine():
    """CPU model, cores, memory in GB, operating system and Python: what a timing depends on."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **({"gpus": listed} if (listed := gpus()) else {}),
    }


@cache
def gpus() -> tuple[dict, ...]:
    """Number, name, driver and memory of each NVIDIA GPU, as nvidia-smi lists them; () where it is not there."""
    fields = ("number", "name", "driver", "memory")
    query = ["nvidia-smi", "--query-gpu=index,name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        listed = subprocess.run(query, check=True, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = ([part.strip() for part in line.split(",")] for line in listed.splitlines())
    return tuple(dict(zip(fields, row, strict=True)) for row in rows if len(row) == len(fields))


def _cpu_model():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def timed_machine():
    """What a timing on this machine depends on: `machine`, and the CPU's frequency governor."""
    try:
        governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        governor = "not readable"
    return machine() | {"governor": governor}
