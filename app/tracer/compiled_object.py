# SPDX-License-Identifier: Apache-2.0
"""Compiled programs and their maps as data: taken from BCC once, kept as text, loaded often.

A program refers to a map by a descriptor, in the immediate of an instruction that loads 64 bits
(BPF_PSEUDO_MAP_FD, include/uapi/linux/bpf.h). Descriptors end with the process, so an
object has the map's place in its list there. Whatever else would have to be relocated
is refused: a program that means something else than its source must not come to be.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

# Of the text's layout and of what is taken from BCC: another one is another object.
FORMAT = 1

_INSTRUCTION = struct.Struct(
    "<BBhi"
)  # code, registers (source << 4 | destination), offset, immediate
_LD_IMM64 = 0x18
_CALL, _CALL_BY_REGISTER = 0x85, 0x8D
_PSEUDO_MAP_FD = 1


class ObjectError(ValueError):
    """Not a compiled object of ours, or a program that cannot be made one."""


@dataclass(frozen=True)
class MapSpec:
    """What BPF_MAP_CREATE takes; sizes in bytes."""

    name: str
    type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int


@dataclass(frozen=True)
class ProgramSpec:
    """What BPF_PROG_LOAD takes. `instructions` refer to maps by their place in the object.

    `attach_btf_id` is the function of a tracing program, as the running kernel's BTF numbers it;
    0 for other programs, as is their `attach_type`.
    """

    name: str
    type: int
    attach_type: int
    attach_btf_id: int
    instructions: bytes


@dataclass(frozen=True)
class CompiledObject:
    """The programs of one mode, and the maps they share."""

    maps: tuple[MapSpec, ...]
    programs: tuple[ProgramSpec, ...]

    def encode(self) -> str:
        """As text that `decode` takes."""
        programs = [
            {**asdict(program), "instructions": base64.b64encode(program.instructions).decode()}
            for program in self.programs
        ]
        members = {
            "format": FORMAT,
            "maps": [asdict(spec) for spec in self.maps],
            "programs": programs,
        }
        return json.dumps(members, indent=1) + "\n"

    @classmethod
    def decode(cls, text: str) -> CompiledObject:
        """Raises ObjectError for what `encode` does not give."""
        try:
            members = json.loads(text)
            _check_members(members, {"format": int, "maps": list, "programs": list})
            if members["format"] != FORMAT:
                raise ObjectError(f"format {members['format']}, not {FORMAT}")
            maps = tuple(_map_spec(each) for each in members["maps"])
            programs = tuple(_program_spec(each) for each in members["programs"])
        except (json.JSONDecodeError, binascii.Error) as error:
            raise ObjectError(f"not a compiled object: {error}") from error
        for names in ([spec.name for spec in maps], [program.name for program in programs]):
            if len(set(names)) < len(names):
                raise ObjectError(f"a name comes twice among {names}")
        for program in programs:
            relocated(program.instructions, range(len(maps)))
        return cls(maps, programs)


def symbolic(instructions: bytes, places: Mapping[int, int]) -> bytes:
    """Instructions as BCC made them, with each map's descriptor replaced by its place.

    Raises ObjectError for a descriptor that is none of `places`, and for all else that is
    not understood.
    """
    return _replace_maps(instructions, places)


def relocated(instructions: bytes, descriptors: Sequence[int]) -> bytes:
    """An object's instructions with each map's place replaced by its descriptor here."""
    return _replace_maps(instructions, dict(enumerate(descriptors)))


def _replace_maps(instructions: bytes, replacements: Mapping[int, int]) -> bytes:
    result = bytearray(instructions)
    for at, map_number in _map_references(instructions):
        if map_number not in replacements:
            raise ObjectError(f"instruction {at // 8} refers to an unknown map ({map_number})")
        struct.pack_into("<i", result, at + 4, replacements[map_number])
    return bytes(result)


def _map_references(instructions: bytes) -> Iterator[tuple[int, int]]:
    """Where a map is referred to (bytes from the start), and its number. Raises ObjectError."""
    if not instructions or len(instructions) % _INSTRUCTION.size:
        raise ObjectError(f"{len(instructions)} bytes are not a program")
    at = 0
    while at < len(instructions):
        code, registers, offset, immediate = _INSTRUCTION.unpack_from(instructions, at)
        source = registers >> 4
        if code == _CALL_BY_REGISTER or (code == _CALL and source):
            raise ObjectError(f"instruction {at // 8} calls something else than a helper")
        if code != _LD_IMM64:
            at += _INSTRUCTION.size
            continue
        if at + 16 > len(instructions):
            raise ObjectError(f"instruction {at // 8} is cut off")
        *rest, upper = _INSTRUCTION.unpack_from(instructions, at + 8)
        if offset or rest != [0, 0, 0]:
            raise ObjectError(f"instruction {at // 8} is not a load of 64 bits")
        if source == _PSEUDO_MAP_FD and upper == 0:
            yield at, immediate
        # A constant. Nobody loads a zero in this way: it is the address of a global variable,
        # which a linker would have to fill in.
        elif source or not (immediate or upper):
            raise ObjectError(f"instruction {at // 8} refers to something else than a map")
        at += 16


def _map_spec(members: Any) -> MapSpec:
    numbers = dict.fromkeys(("type", "key_size", "value_size", "max_entries", "flags"), int)
    _check_members(members, {"name": str, **numbers})
    return MapSpec(**members)


def _program_spec(members: Any) -> ProgramSpec:
    numbers = dict.fromkeys(("type", "attach_type", "attach_btf_id"), int)
    _check_members(members, {"name": str, **numbers, "instructions": str})
    code = base64.b64decode(members["instructions"], validate=True)
    return ProgramSpec(**{**members, "instructions": code})


def _check_members(members: Any, kinds: Mapping[str, type]) -> None:
    if not isinstance(members, dict) or members.keys() != kinds.keys():
        raise ObjectError(f"not the members {', '.join(kinds)}")
    for name, kind in kinds.items():
        value = members[name]
        if type(value) is not kind or (isinstance(value, int) and not 0 <= value < 1 << 32):
            raise ObjectError(f"{name} is {value!r:.80}")
