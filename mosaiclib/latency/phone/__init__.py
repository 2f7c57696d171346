"""Latency on an Android phone through adb."""

from mosaiclib.latency.phone.benchmark import PhoneGone, bench, resume
from mosaiclib.latency.phone.tool import CONFIGURATIONS, find_tool

__all__ = ["CONFIGURATIONS", "PhoneGone", "bench", "find_tool", "resume"]
