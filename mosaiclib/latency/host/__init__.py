"""Latency on this machine."""

from mosaiclib.latency.host.benchmark import bench, inspected, installed_runtimes, resume, timed_machine

__all__ = ["bench", "inspected", "installed_runtimes", "resume", "timed_machine"]
