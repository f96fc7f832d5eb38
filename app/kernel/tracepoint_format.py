# SPDX-License-Identifier: Apache-2.0
"""The fields of a tracepoint's record, from its `format` file in tracefs.

Format: Documentation/trace/events.rst of the kernel, "Event formats".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_FIELD = re.compile(
    r"^\s*field:(?P<declaration>[^;]+);\s*offset:(?P<offset>\d+);\s*size:(?P<size>\d+);"
    r"\s*signed:(?P<signed>[01]);",
    re.MULTILINE,
)
_DECLARATION = re.compile(r"^(?P<type>.*?)\s*(?P<name>\w+)(?P<array>\[[^\]]*\])?$")
_DATA_LOC = re.compile(r"^__(?:data|rel)_loc\b\s*")


@dataclass(frozen=True)
class Field:
    """A field of a tracepoint's record; `offset` and `size` in bytes.

    `type` is its C type, with `[n]` for an array: `const char *`, `char[16]`. A field with
    `is_data_loc` holds the place of a text of any size (`type` is the text's): the offset from the
    record's start in the lower 16 bits, the size in the upper ones (`__data_loc`), or the offset
    from the field's own end (`is_relative`, `__rel_loc`).
    """

    name: str
    type: str
    offset: int
    size: int
    signed: bool
    is_data_loc: bool = False
    is_relative: bool = False


def parse_format(text: str) -> tuple[Field, ...]:
    """Return a tracepoint's own fields; a system call's arguments begin with the second.

    Fields that all tracepoints have (`common_type` and others) are not among them. Raises
    ValueError for a line that is not understood.
    """
    found = []
    for declaration, offset, size, signed in _FIELD.findall(text):
        name, type_, is_data_loc, is_relative = _parse_declaration(declaration)
        if not name.startswith("common_"):
            found.append(
                Field(name, type_, int(offset), int(size), signed == "1", is_data_loc, is_relative)
            )
    return tuple(found)


@lru_cache(4096)  # of the 19,000 fields of Linux 6.18, 2,300 declarations differ
def _parse_declaration(declaration: str) -> tuple[str, str, bool, bool]:
    """Return a field's name and type, whether it is `is_data_loc` and whether `is_relative`.

    Raises ValueError for what is not understood.
    """
    declaration = declaration.strip()
    location = _DATA_LOC.match(declaration)
    parts = _DECLARATION.match(_DATA_LOC.sub("", declaration))
    if parts is None:
        raise ValueError(f"not a field's declaration: {declaration!r}")
    is_relative = location is not None and "rel_loc" in location[0]
    type_ = f"{parts['type'].strip()}{parts['array'] or ''}"
    return parts["name"], type_, location is not None, is_relative
