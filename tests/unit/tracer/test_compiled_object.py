# SPDX-License-Identifier: Apache-2.0
"""Compiled objects as text, and maps put in their places; what is not understood is refused."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import pytest

from app.linux.bpf import instruction
from app.tracer.compiled_object import CompiledObject, ObjectError, relocated, symbolic
from tests.support.compiled_objects import OBJECT, RETURN_0, load_64


def test_there_and_back() -> None:
    assert CompiledObject.decode(OBJECT.encode()) == OBJECT


def test_descriptors_become_places_and_places_descriptors() -> None:
    code = load_64(1, 17) + load_64(0, 17) + load_64(1, 5) + load_64(0, 0, 1) + RETURN_0
    kept = symbolic(code, {5: 0, 17: 1})
    assert kept == load_64(1, 1) + load_64(0, 17) + load_64(1, 0) + load_64(0, 0, 1) + RETURN_0
    elsewhere = relocated(kept, [300, 4])
    assert elsewhere == (
        load_64(1, 4) + load_64(0, 17) + load_64(1, 300) + load_64(0, 0, 1) + RETURN_0
    )


def test_what_a_64_bit_load_holds_is_not_taken_for_an_instruction() -> None:
    """The second half's immediate is data: here one that looks like a call of a function."""
    code = load_64(0, 1, struct.unpack("<i", b"\x85\x10\0\0")[0]) + RETURN_0
    assert symbolic(code, {}) == code


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (load_64(1, 6), "unknown map"),
        (load_64(1, 5, 1), "something other than a map"),
        (load_64(2, 5), "something other than a map"),  # BPF_PSEUDO_MAP_VALUE
        (load_64(3, 5), "something other than a map"),  # BPF_PSEUDO_BTF_ID
        (load_64(4, 5), "something other than a map"),  # BPF_PSEUDO_FUNC
        (load_64(5, 0), "something other than a map"),  # BPF_PSEUDO_MAP_IDX
        (load_64(0, 0), "something other than a map"),  # a global variable's address
        (instruction(0x85, src=1, immediate=-1), "other than a helper"),  # BPF_PSEUDO_CALL
        (instruction(0x85, src=2, immediate=9), "other than a helper"),  # BPF_PSEUDO_KFUNC_CALL
        (instruction(0x8D, dst=1), "other than a helper"),
        (instruction(0x18, dst=1, src=1, immediate=5), "truncated"),
        (instruction(0x18, src=1, immediate=5) + RETURN_0, "not a 64-bit load"),
        (RETURN_0[:-1], "not a program"),
        (b"", "not a program"),
    ],
)
def test_what_is_not_understood_is_refused(code: bytes, why: str) -> None:
    with pytest.raises(ObjectError, match=why):
        symbolic(code, {5: 0})


def members() -> Any:
    return json.loads(OBJECT.encode())


DAMAGE: dict[str, Any] = {
    "another format": lambda o: o.update(format=0),
    "no format": lambda o: o.pop("format"),
    "a member too many": lambda o: o.update(more=1),
    "maps that are no list": lambda o: o.update(maps={}),
    "a map that is no object": lambda o: o.update(maps=[1]),
    "a map without size": lambda o: o["maps"][0].pop("key_size"),
    "a negative size": lambda o: o["maps"][0].update(key_size=-1),
    "a size beyond 32 bits": lambda o: o["maps"][0].update(key_size=1 << 32),
    "a size that is true": lambda o: o["maps"][0].update(key_size=True),
    "a size that is text": lambda o: o["maps"][0].update(key_size="4"),
    "a map twice": lambda o: o["maps"].append(o["maps"][0]),
    "a program twice": lambda o: o["programs"].append(o["programs"][0]),
    "a program of no type": lambda o: o["programs"][0].pop("type"),
    "instructions that are no base64": lambda o: o["programs"][0].update(instructions="!!!!"),
    "no instructions": lambda o: o["programs"][0].update(instructions=""),
    "a map too few": lambda o: o["maps"].pop(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_objects_are_refused(damage: str) -> None:
    damaged = members()
    DAMAGE[damage](damaged)
    with pytest.raises(ObjectError):
        CompiledObject.decode(json.dumps(damaged))


@pytest.mark.parametrize("text", ["", "null", "[]", "{", OBJECT.encode()[:-20], "\0", "1e999"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ObjectError):
        CompiledObject.decode(text)


def test_an_object_never_refers_to_maps_that_it_has_not() -> None:
    with pytest.raises(ObjectError, match="unknown map"):
        CompiledObject.decode(replace(OBJECT, maps=OBJECT.maps[:1]).encode())
