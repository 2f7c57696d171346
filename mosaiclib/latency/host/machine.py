"""The machine that a number was measured on, without names of people or hosts."""

import os
import platform
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
    }


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
