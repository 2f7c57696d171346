"""What is not for others: parameters and environment variables that are called like a secret."""

import json
import os
import re
from html import escape

MASK = "***"
_WORDS = ("token", "secret", "password", "passwd", "passphrase", "credential", "key")
_ENCODED = re.compile(r"(;base64,[A-Za-z0-9+/=]{64,})")
_SHORTEST = 6  # a shorter value cannot be told from other text


def is_secret(name) -> bool:
    """Whether a name, of a parameter or of an environment variable, says that its value is not for others."""
    return any(word in str(name).lower() for word in _WORDS)


def values_of(named) -> list[str]:
    """The secret values among {name: value} that can be told from other text, longest first."""
    found = {value for name, value in named.items() if is_secret(name) and isinstance(value, str)}
    return sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)


def without_secrets(text, secrets=()) -> str:
    """Text in which the secrets of this environment, and those given, are masked: also where they stand escaped.

    Encoded pictures are left as they are.
    """
    parts = _ENCODED.split(text)
    for value in [*secrets, *values_of(os.environ)]:
        in_json = {json.dumps(value, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
        for form in {
            value,
            escape(value),
            escape(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
            *in_json,
        }:
            parts[::2] = [part.replace(form, MASK) for part in parts[::2]]
    return "".join(parts)
