"""What no page may tell: secrets of parameters and environment, and the paths of the machine that made it."""

import os
import re
from pathlib import Path

from mosaicbook.runs.masking import MASK, is_secret, values_of, without_secrets

_DATA_URI = re.compile(r"data:[\w.+-]+/[\w.+-]+[;,][^\s\"'<>)]*", re.IGNORECASE)
_ENCODED = re.compile(r"(;base64,[A-Za-z0-9+/=]{64,})")
# An absolute path of two parts or more, and not the end of an address, of a relative path or of a pattern.
_OUTSIDE = re.compile(
    r"(?<![\w.:/~<*+\])}-])/(?!(?:usr|proc|sys|dev|etc|bin|lib|lib64|sbin)/)(?:[\w.@+ -]*[\w.@+-]/)+([\w.@+-]*)"
    r"|(?<=file://)/(?:[\w.@+ -]*[\w.@+-]/)+([\w.@+-]*)"
    r"|\b[A-Za-z]:[\\/]+(?:[\w.@+ -]+[\\/]+)+([\w.@+-]*)"
    r"|(?<![\w\\])\\\\+(?:[\w.@+ -]+\\+){2,}([\w.@+-]*)"  # a share of Windows
)
_FOLDER_VARIABLES = ("MOSAIC_MIRROR", "MOSAIC_DATA", "MOSAIC_REPORTS")
_ROOT = Path(__file__).resolve().parents[2]


def masked(parameters) -> dict:
    """Parameters with the values of secrets masked."""
    return {name: MASK if is_secret(name) else value for name, value in parameters.items()}


def secrets_of(record) -> list[str]:
    """The secret values among the parameters of a run.json."""
    parameters = record.get("parameters")
    return values_of(parameters) if isinstance(parameters, dict) else []


def neutral(text, secrets=()) -> str:
    """Text without secrets, and with the folders of this machine by what they are: ".", "~", "MOSAIC_DATA"."""
    folders = [(os.environ[name], name) for name in _FOLDER_VARIABLES if os.environ.get(name)]
    folders += [(str(_ROOT), "."), (str(Path.home()), "~")]
    parts = _ENCODED.split(text)
    for position in range(0, len(parts), 2):
        parts[position] = without_secrets(parts[position], secrets)
        for folder, short in folders:
            if len(folder) > 1:
                parts[position] = re.sub(re.escape(folder.rstrip("/")) + r"(?![\w.-])", short, parts[position])
    return "".join(parts)


def without_outside_paths(text) -> str:
    """Text in which folders of this machine are left out, the last part of a path apart: "[outside]/x.tflite".

    Those that every Linux has, such as /usr/lib, tell nothing and stay.
    """
    parts = _ENCODED.split(text)
    parts[::2] = [
        _OUTSIDE.sub(lambda path: f"[outside]/{''.join(filter(None, path.groups()))}", part) for part in parts[::2]
    ]
    return "".join(parts)


def masked_source(source, names) -> str:
    """Code in which assignments to these names, as in a parameters cell, have their right side masked."""
    for name in names:
        source = re.sub(rf"(?m)^(\s*{re.escape(name)}\b[^=\n]*=).*$", rf"\1 {MASK!r}", source)
    return source


def masked_command(command, names) -> str:
    """A papermill command in which the values of these parameters are masked."""
    for name in names:
        command = re.sub(rf"(-p {re.escape(name)}) ('[^']*'|\S+)", rf"\1 {MASK}", command)
    return command


def presentable(data, secrets=()):
    """JSON data without secrets, paths of this machine, and images hidden in strings."""
    if isinstance(data, dict):
        return {neutral(str(k), secrets): MASK if is_secret_value(k, v) else presentable(v, secrets)
                for k, v in data.items()}  # fmt: skip
    if isinstance(data, list):
        return [presentable(value, secrets) for value in data]
    return without_pictures(neutral(data, secrets)) if isinstance(data, str) else data


def is_secret_value(name, value) -> bool:
    """Whether a field of a JSON file holds a secret: numbers and lists under such names do not."""
    return is_secret(name) and isinstance(value, str)


def without_pictures(text) -> str:
    """Text in which data URIs are replaced by a word."""
    return _DATA_URI.sub("[data withheld]", text)
