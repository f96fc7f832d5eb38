# SPDX-License-Identifier: Apache-2.0
"""Build small BTF by hand, in either byte order."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from app.btf.format import MAGIC, Kind


class BtfBuilder:
    """A BTF blob under construction; each method adds a type and returns its id.

    With `base` it is split BTF, as a module has it: it continues the ids and strings of its base,
    whose types and texts it may use.
    """

    def __init__(self, byteorder: str = "little", base: BtfBuilder | None = None) -> None:
        self._mark = "<" if byteorder == "little" else ">"
        self._base = base
        self._strings = bytearray(b"\0" if base is None else b"")
        self._types = bytearray()
        self._count = 0 if base is None else base._count

    def add(
        self,
        kind: int,
        name: str = "",
        *,
        size_or_type: int = 0,
        count: int = 0,
        flag: bool = False,
        words: Sequence[int] = (),
    ) -> int:
        """A type of any kind, with the words that follow the common three."""
        info = flag << 31 | kind << 24 | count
        self._types += struct.pack(
            f"{self._mark}{3 + len(words)}I", self.string(name), info, size_or_type, *words
        )
        self._count += 1
        return self._count

    def string(self, text: str) -> int:
        """The offset of a text in the string section, added if it is new."""
        if not text:
            return 0
        data = text.encode() + b"\0"
        first = 0 if self._base is None else len(self._base._strings)
        if self._base is not None and (at := self._base._strings.find(b"\0" + data)) != -1:
            return at + 1
        at = (b"\0" + self._strings).find(b"\0" + data)
        if at == -1:
            at = len(self._strings)
            self._strings += data
        return first + at

    def integer(self, name: str, size: int, *, signed: bool = False, bits: int = 0) -> int:
        encoding = signed << 24 | (bits or size * 8)
        return self.add(Kind.INT, name, size_or_type=size, words=[encoding])

    def pointer(self, target: int) -> int:
        return self.add(Kind.PTR, size_or_type=target)

    def array(self, element: int, count: int) -> int:
        return self.add(Kind.ARRAY, words=[element, 0, count])

    def typedef(self, name: str, target: int) -> int:
        return self.add(Kind.TYPEDEF, name, size_or_type=target)

    def record(
        self,
        name: str,
        size: int,
        members: Sequence[tuple[str, int, int] | tuple[str, int, int, int]],
        *,
        kind: Kind = Kind.STRUCT,
    ) -> int:
        """A struct or union; members are (name, type, bit offset), bit-fields have their size."""
        flag = any(len(member) == 4 for member in members)
        words = []
        for name_, type_id, offset, *bits in members:
            words += [self.string(name_), type_id, offset | (bits[0] if bits else 0) << 24]
        return self.add(kind, name, size_or_type=size, count=len(members), flag=flag, words=words)

    def enum(
        self,
        name: str,
        constants: Sequence[tuple[str, int]],
        *,
        size: int = 4,
        signed: bool = False,
    ) -> int:
        words = []
        for text, value in constants:
            words += [self.string(text), value & 0xFFFFFFFF]
            if size == 8:
                words.append(value >> 32 & 0xFFFFFFFF)
        kind = Kind.ENUM64 if size == 8 else Kind.ENUM
        return self.add(
            kind, name, size_or_type=size, count=len(constants), flag=signed, words=words
        )

    def function(self, name: str, returns: int, parameters: Sequence[tuple[str, int]]) -> int:
        words = [word for text, type_id in parameters for word in (self.string(text), type_id)]
        prototype = self.add(
            Kind.FUNC_PROTO, size_or_type=returns, count=len(parameters), words=words
        )
        return self.add(Kind.FUNC, name, size_or_type=prototype, count=1)

    def build(self) -> bytes:
        """Header, types, strings."""
        header = struct.pack(
            f"{self._mark}HBBIIIII",
            MAGIC,
            1,
            0,
            24,
            0,
            len(self._types),
            len(self._types),
            len(self._strings),
        )
        return bytes(header + self._types + self._strings)
