"""What no page may tell: secrets among the parameters, and the paths of the machine that made it."""

import os
import re
from pathlib import Path

MASK = "***"
_SECRET = ("token", "secret", "password", "passwd", "key")
_DATA_URI = re.compile(r"data:[\w.+-]+/[\w.+-]+[;,][^\s\"'<>)]*", re.IGNORECASE)
_ENCODED = re.compile(r"(;base64,[A-Za-z0-9+/=]{64,})")
_FOLDER_VARIABLES = ("MOSAIC_MIRROR", "MOSAIC_DATA", "MOSAIC_REPORTS")
_ROOT = Path(__file__).resolve().parents[2]


def is_secret(name) -> bool:
    """Whether a parameter's name says that its value is not for others."""
    return any(part in str(name).lower() for part in _SECRET)


def masked(parameters) -> dict:
    """Parameters with the values of secrets masked."""
    return {name: MASK if is_secret(name) else value for name, value in parameters.items()}


def secrets_of(record) -> list[str]:
    """The secret values of a run.json that can be told from other text: longest first."""
    parameters = record.get("parameters")
    values = [v for n, v in parameters.items() if is_secret(n)] if isinstance(parameters, dict) else []
    return sorted((v for v in values if isinstance(v, str) and len(v) >= 6), key=len, reverse=True)


def neutral(text, secrets=()) -> str:
    """Text without secrets, and with the folders of this machine by what they are: ".", "~", "MOSAIC_DATA"."""
    folders = [(os.environ[name], name) for name in _FOLDER_VARIABLES if os.environ.get(name)]
    folders += [(str(_ROOT), "."), (str(Path.home()), "~")]
    parts = _ENCODED.split(text)
    for position in range(0, len(parts), 2):
        for secret in secrets:
            parts[position] = parts[position].replace(secret, MASK)
        for folder, short in folders:
            if len(folder) > 1:
                parts[position] = re.sub(re.escape(folder.rstrip("/")) + r"(?![\w.-])", short, parts[position])
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
    """JSON data without secrets, paths of this machine, and pictures hidden in strings."""
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
