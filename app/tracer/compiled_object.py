# SPDX-License-Identifier: Apache-2.0
"""Compiled programs and their maps as data: compiled once, stored as text, loaded often.

A program refers to a map by a descriptor, in the immediate of a 64-bit load (BPF_PSEUDO_MAP_FD,
include/uapi/linux/bpf.h). Descriptors end with the process, so an object has the map's index in its
list there instead. Anything else that would need relocation is refused, as the loaded program would
not mean what its source says.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.tracer.instructions import (
    INSTRUCTION_BYTES,
    LD_IMM64,
    Instruction,
    TruncatedError,
    walk,
)

# Increment when the text's layout or what is taken from BCC changes: part of the cache key.
FORMAT = 2

_CALL, _CALL_BY_REGISTER = 0x85, 0x8D
_PSEUDO_MAP_FD = 1


class ObjectError(ValueError):
    """Not a compiled object of ours, or a program that one cannot represent."""


@dataclass(frozen=True)
class MapSpec:
    """The arguments of BPF_MAP_CREATE; sizes in bytes."""

    name: str
    type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int


@dataclass(frozen=True)
class ProgramSpec:
    """The arguments of BPF_PROG_LOAD. `instructions` refer to maps by their index in the object.

    `attach_btf_id` is a tracing program's function in the running kernel's BTF. It and
    `attach_type` are 0 for other programs.
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
        """Return the object as text for `decode`."""
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
        """Parse the text of `encode`; raises ObjectError for anything else."""
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
                raise ObjectError(f"duplicate name among {names}")
        for program in programs:
            relocated(program.instructions, range(len(maps)))
        return cls(maps, programs)


def symbolic(instructions: bytes, indexes: Mapping[int, int]) -> bytes:
    """Return BCC's instructions with each map's descriptor replaced by its index.

    Raises ObjectError for a descriptor that is not in `indexes`, and for anything else that would
    need relocation.
    """
    return _replace_maps(instructions, indexes)


def relocated(instructions: bytes, descriptors: Sequence[int]) -> bytes:
    """Return an object's instructions with each map's index replaced by its descriptor."""
    return _replace_maps(instructions, dict(enumerate(descriptors)))


def _replace_maps(instructions: bytes, replacements: Mapping[int, int]) -> bytes:
    result = bytearray(instructions)
    for at, map_number in _map_references(instructions):
        if map_number not in replacements:
            raise ObjectError(
                f"instruction {at // INSTRUCTION_BYTES} refers to an unknown map ({map_number})"
            )
        struct.pack_into("<i", result, at + 4, replacements[map_number])
    return bytes(result)


def _map_references(instructions: bytes) -> Iterator[tuple[int, int]]:
    """Yield the offset in bytes and the number of each map reference; raises ObjectError."""
    try:
        for each in walk(instructions, (_CALL, _CALL_BY_REGISTER, LD_IMM64)):
            if _refers_to_map(each):
                yield each.at, each.immediate
    except TruncatedError as error:
        raise ObjectError(str(error)) from error


def _refers_to_map(instruction: Instruction) -> bool:
    code, source, place = instruction.code, instruction.source, instruction.at // INSTRUCTION_BYTES
    if code == _CALL_BY_REGISTER or (code == _CALL and source):
        raise ObjectError(f"instruction {place} calls something other than a helper")
    if instruction.upper is None:
        return False
    *rest, upper = instruction.upper
    if instruction.offset or rest != [0, 0, 0]:
        raise ObjectError(f"instruction {place} is not a 64-bit load")
    if source == _PSEUDO_MAP_FD and upper == 0:
        return True
    # Else a constant. A compiler does not load zero this way: it is the address of a global
    # variable, which a linker would have to fill in.
    if source or not instruction.constant:
        raise ObjectError(f"instruction {place} refers to something other than a map")
    return False


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
        raise ObjectError(f"not an object with the members {', '.join(kinds)}")
    for name, kind in kinds.items():
        value = members[name]
        if type(value) is not kind or (isinstance(value, int) and not 0 <= value < 1 << 32):
            raise ObjectError(f"{name} is {value!r:.80}")
