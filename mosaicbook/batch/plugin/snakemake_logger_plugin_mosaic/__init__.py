"""A logger plugin of Snakemake: which rules it starts, or would start, and its errors, as lines of JSON in a file.

Snakemake finds it by its name on the PYTHONPATH that `snakemake` of this package sets. Seen with Snakemake 9.27.
"""

import json
import logging
from dataclasses import dataclass, field

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    events: str = field(default="", metadata={"help": "The file that the events are written to.", "required": True})


class LogHandler(LogHandlerBase):
    """Writes {"rule": name} for a job and {"error": text} for an error."""

    writes_to_stream, writes_to_file = False, True
    has_filter = has_formatter = True  # the file is read by a program: nothing is left out or made to look well
    needs_rulegraph = False

    def __post_init__(self):
        self.baseFilename = self.settings.events  # Snakemake tells its user where a plugin writes

    def emit(self, record):
        line = None
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            line = {"rule": record.rule_name}
        elif record.levelno >= logging.ERROR:
            line = {"error": record.getMessage()}
        if line:
            with open(self.settings.events, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
