"""Latency on an Android phone through adb."""

from mosaiclib.latency.phone.benchmark import CONFIGURATIONS, PhoneGone, bench, find_tool, resume

__all__ = ["CONFIGURATIONS", "PhoneGone", "bench", "find_tool", "resume"]
