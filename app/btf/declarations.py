# SPDX-License-Identifier: Apache-2.0
"""C declarations of kernel types, exactly as the running kernel lays them out.

Only what the requested types contain by value is declared in full; what they point to is declared
forward, so that a few types stay a few types. Enums become integers of their size unless requested
by name, because their constants would collide with those that BCC declares.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from app.btf import c_text
from app.btf.format import BtfError, Kind
from app.btf.reader import Btf, Member
from app.btf.struct_layout import Layouts, Padding

_RECORDS = (Kind.STRUCT, Kind.UNION)
_ENUMS = (Kind.ENUM, Kind.ENUM64)
_NAMED = (Kind.STRUCT, Kind.UNION, *_ENUMS, Kind.TYPEDEF)
_MAX_DEPTH = 100
# Names that the kernel may use but a C compiler may reject: keywords (BTF may contain types of
# Rust, which does not reserve C's) and macros that gcc and clang define outside strict ISO mode.
_RESERVED = re.compile(
    r"(alignas|alignof|asm|auto|bool|break|case|char|const|constexpr|continue|default|do|double"
    r"|else|enum|extern|false|float|for|goto|if|inline|int|long|nullptr|register|restrict|return"
    r"|short|signed|sizeof|static|static_assert|struct|switch|thread_local|true|typedef|typeof"
    r"|typeof_unqual|union|unsigned|void|volatile|while|linux|unix|i386|__builtin_\w+)\Z"
)


def c_declarations(btf: Btf, names: Iterable[str], declared: Collection[str] = ()) -> str:
    """Return C text that declares the named structs, unions, enums and typedefs.

    It also declares what they need. A name is searched as struct, union, enum, typedef, in this
    order. `declared` are typedefs that the text may use without declaring them. The layout is exact
    for gcc and clang on 64-bit machines. Raises BtfError if the kernel has no such type.
    """
    writer = _Writer(btf, declared)
    wanted = [_find(btf, name) for name in names]
    writer.spell_out = {t for t in wanted if btf.kind(t) in _ENUMS}
    for type_id in wanted:
        writer.require(type_id, whole=True)
    return "\n".join(writer.text)


def _find(btf: Btf, name: str) -> int:
    for kind in _NAMED:
        type_id = btf.find(kind, name)
        if type_id is not None:
            return type_id
    raise BtfError(f"the kernel's BTF has no struct, union, enum or typedef {name!r}")


class _Writer:
    def __init__(self, btf: Btf, declared: Collection[str]) -> None:
        self.text: list[str] = []
        self.spell_out: set[int] = set()
        self._btf = btf
        self._layouts = Layouts(btf)
        self._declared = declared
        self._done: set[int] = set()
        self._forward: set[str] = set()
        self._tags: dict[str, int] = {}
        self._aliases: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._paddings = 0
        self._depth = 0

    def require(self, type_id: int, whole: bool) -> None:
        """Declare what must precede a use of this type; `whole` if its size is needed."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise BtfError(f"type {type_id}: types nested too deeply")
        try:
            self._require(self._btf.strip(type_id), whole)
        finally:
            self._depth -= 1

    def _require(self, type_id: int, whole: bool) -> None:
        btf, kind = self._btf, self._btf.kind(type_id)
        if kind == Kind.PTR:
            self.require(btf.target(type_id), whole=False)
        elif kind == Kind.ARRAY:
            self.require(btf.target(type_id), whole=True)
        elif kind == Kind.FUNC_PROTO:
            for used in (btf.target(type_id), *(t for _, t in btf.parameters(type_id))):
                self.require(used, whole=False)
        elif kind == Kind.TYPEDEF:
            self._typedef(type_id, whole)
        elif kind in _RECORDS:
            self._record(type_id, whole)
        elif kind == Kind.FWD:
            self._declare_forward(c_text.base_name(btf, type_id))
        elif kind in _ENUMS and type_id in self.spell_out and type_id not in self._done:
            self._done.add(type_id)
            self.text.append(self._enum_text(type_id) + ";\n")

    def _typedef(self, type_id: int, whole: bool) -> None:
        if self._btf.name(type_id) in self._declared:
            return
        target = self._btf.target(type_id)
        self.require(target, whole)
        if type_id not in self._done:
            self._done.add(type_id)
            self.text.append(f"typedef {self._declare(target, self._alias(type_id))};\n")

    def _record(self, type_id: int, whole: bool) -> None:
        if type_id in self._done:
            return
        named = bool(self._btf.name(type_id))
        if named and not whole:
            self._declare_forward(self._base(self._btf, type_id))
            return
        self._layouts.plan(type_id)  # raises for a struct that contains itself
        for member in self._btf.members(type_id):
            self._require_member(member)
        if named:
            self._done.add(type_id)
            self.text.append(self._record_text(type_id) + ";\n")

    def _require_member(self, member: Member) -> None:
        inner = self._btf.resolve(member.type_id)
        if member.name or self._btf.kind(inner) not in _RECORDS:
            self.require(member.type_id, whole=True)
            return
        for nested in self._btf.members(inner):  # its body is written inline
            self._require_member(nested)

    def _declare_forward(self, record: str) -> None:
        if record not in self._forward:
            self._forward.add(record)
            self.text.append(f"{record};\n")

    def _declare(self, type_id: int, name: str) -> str:
        return c_text.declare(self._btf, type_id, name, self._base)

    def _base(self, btf: Btf, type_id: int) -> str:
        kind = btf.kind(type_id)
        if kind == Kind.TYPEDEF:
            name = btf.name(type_id)
            return name if name in self._declared else self._alias(type_id)
        if kind in _RECORDS:
            if not btf.name(type_id):
                return self._record_text(type_id)
            return f"{'struct' if kind == Kind.STRUCT else 'union'} {self._tag(type_id)}"
        if kind in _ENUMS:
            if type_id in self.spell_out:
                return f"enum {self._tag(type_id)}"
            return c_text.integer(btf.size(type_id), btf.enum_is_signed(type_id))
        return c_text.base_name(btf, type_id)

    def _record_text(self, type_id: int, inline: bool = False) -> str:
        plan = self._layouts.plan(type_id)
        keyword = "struct" if self._btf.kind(type_id) == Kind.STRUCT else "union"
        tag = "" if inline or not self._btf.name(type_id) else self._tag(type_id) + " "
        lines: list[str] = []
        for item in plan.items:
            lines += self._padding(item) if isinstance(item, Padding) else [self._member(item)]
        body = "".join(f"\t{line};\n" for line in lines)
        return f"{keyword} {tag}{{\n{body}}}" + (" __attribute__((packed))" if plan.packed else "")

    def _member(self, member: Member) -> str:
        inner = self._btf.resolve(member.type_id)
        if not member.name and self._btf.kind(inner) in _RECORDS:
            # Without its tag: since Linux 7.0 (-fms-extensions) the kernel embeds tagged structs
            # anonymously, which standard C would take for a declaration without a member.
            text = self._record_text(inner, inline=True)
        else:
            text = self._declare(member.type_id, _identifier(member.name))
            if member.bit_size:
                text += f" : {member.bit_size}"
        return text.replace("\n", "\n\t")

    def _padding(self, gap: Padding) -> list[str]:
        """Pad to the end of a byte, then whole bytes, then bits, all of char: it is unaligned."""
        first_byte, last_byte = -(-gap.start // 8), gap.end // 8
        if first_byte > last_byte:
            return [f"unsigned char : {gap.end - gap.start}"]
        lines = []
        if first_byte * 8 > gap.start:
            lines.append(f"unsigned char : {first_byte * 8 - gap.start}")
        if last_byte > first_byte:
            self._paddings += 1
            lines.append(f"unsigned char __padding_{self._paddings}[{last_byte - first_byte}]")
        if gap.end > last_byte * 8:
            lines.append(f"unsigned char : {gap.end - last_byte * 8}")
        return lines

    def _enum_text(self, type_id: int) -> str:
        wide = self._btf.size(type_id) == 8
        constants = "".join(
            f"\t{_identifier(e.name)} = {_constant(e.value, wide)},\n"
            for e in self._btf.enumerators(type_id)
        )
        # A compiler uses int unless a constant needs more; these attributes change the size.
        size = self._btf.size(type_id)
        attribute = {4: "", 8: " __attribute__((mode(DI)))"}.get(size, " __attribute__((packed))")
        return f"enum {self._tag(type_id)} {{\n{constants}}}{attribute}"

    def _tag(self, type_id: int) -> str:
        return self._unique(type_id, self._tags)

    def _alias(self, type_id: int) -> str:
        return self._unique(type_id, self._aliases)

    def _unique(self, type_id: int, owners: dict[str, int]) -> str:
        """Return a unique name for a type; BTF may contain several types of one name, C may not."""
        if type_id not in self._names:
            name = _identifier(self._btf.name(type_id))
            number = 2
            while owners.setdefault(name, type_id) != type_id:
                name = f"{_identifier(self._btf.name(type_id))}___{number}"
                number += 1
            self._names[type_id] = name
        return self._names[type_id]


def _identifier(name: str) -> str:
    """Return a name valid in C: other characters become `_`, reserved words get one appended."""
    cleaned = re.sub(r"[^A-Za-z0-9_]", "_", name)
    if not cleaned or cleaned[0].isdigit():
        cleaned = "_" + cleaned
    return cleaned + "_" if _RESERVED.match(cleaned) else cleaned


def _constant(value: int, wide: bool) -> str:
    if not wide:
        return str(value)
    # The lowest 64-bit value has no literal of its own in C.
    return f"(-{-value - 1}LL - 1)" if value < 0 else f"{value}{'ULL' if value >> 63 else 'LL'}"
