"""What is not for others: what is called like a secret, or has the form of a credential."""

import json
import os
import re
from html import escape

MASK = "***"
_WORDS = ("token", "secret", "password", "passwd", "passphrase", "credential", "key")
# What services give out as credentials is known by its form, whatever it is called.
_CREDENTIAL = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # Amazon
    r"|\bAIza[\w-]{35}"  # Google
    r"|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{20,}"  # GitHub, GitLab
    r"|\bhf_[A-Za-z0-9]{20,}|\bsk-[\w-]{20,}|\bxox[abprs]-[\w-]{10,}|\bpypi-[\w-]{20,}"
    r"|\beyJ[\w-]{6,}\.eyJ[\w-]{6,}\.[\w-]+"  # a JSON web token
    r"|\b(?:npm_|dop_v1_|ya29\.|[rs]k_(?:live|test)_)[\w-]{20,}|\bSG\.[\w-]{16,}\.[\w-]{16,}"  # npm, Stripe and others
    r"|(?<=Bearer )[\w.~+/-]{16,}=*"
    r"|(?i:(?<=token=)|(?<=secret=)|(?<=password=)|(?<=passwd=)|(?<=api_key=)|(?<=access_key=)|(?<=accountkey=))"
    r"(?=[^\s\"'&;,<>()]*\d)[^\s\"'&;,<>()]{6,}"  # what is named so on a command line; code has seldom digits there
    r"|(?<=://)[^\s/:@<>\"']*:[^\s/@<>\"']+(?=@)"  # user and password of an address
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:(?!-----END)[\s\S])*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
)
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
    """Text in which the secrets of this environment, those given, and what has the form of a credential are masked.

    Also where they stand escaped. Encoded images are left as they are.
    """
    parts = _ENCODED.split(text)
    parts[::2] = [_CREDENTIAL.sub(MASK, part) for part in parts[::2]]
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
