# SPDX-License-Identifier: Apache-2.0
r"""Lone surrogates, which Python's JSON reads and writes, and strict parsers refuse.

An escape such as `\ud800` is half of a character: RFC 8259, 8.2, leaves open what a parser does
with it, and RFC 7493, 2.1, forbids it. Python's texts can hold one, and have one for each byte of
a file's name that is not UTF-8 (PEP 383). So what comes in with one is refused, and what goes out
shows it: as the six characters of the escape.

Every module may import this one; it imports the standard library only.
"""

from __future__ import annotations

import re

# Escapes from left to right, so that neither `\\ud800` nor a pair is taken for a lone surrogate.
_ESCAPES = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|.)"
)


def check_surrogates(text: str) -> None:
    """Raise ValueError if a text of valid JSON, which came as UTF-8, has a lone surrogate."""
    for escape in _ESCAPES.finditer(text):
        if escape["lone"]:
            raise ValueError(
                rf"\{escape['lone']} is half of a surrogate pair, which is not a character"
            )


def without_surrogates(text: str) -> str:
    """Return what json.dumps wrote as ASCII, with each lone surrogate as the text of its escape."""
    if "\\ud" not in text:  # most texts, at a hundredth of the cost
        return text
    return _ESCAPES.sub(lambda escape: "\\" * bool(escape["lone"]) + escape[0], text)
