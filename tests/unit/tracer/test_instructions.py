# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from app.linux.bpf import instruction
from app.tracer.instructions import Instruction, TruncatedError, walk
from tests.support.compiled_objects import load_64

EXIT = instruction(0x95)


def test_a_64_bit_load_is_one_instruction() -> None:
    code = load_64(0, 0x12345678, 0x7FFFFFFF) + EXIT
    load, end = walk(code)
    assert (load.at, end.at) == (0, 16)
    assert load.constant == 0x7FFFFFFF12345678
    assert end.upper is None


def test_negative_halves_are_joined_as_they_are() -> None:
    assert Instruction(0, 0x18, 0, 0, -1, (0, 0, 0, -2)).constant == 0xFFFFFFFEFFFFFFFF


def test_they_are_encoded_as_they_were() -> None:
    code = instruction(0x15, dst=1, offset=-3) + load_64(0, 5, 0x15) + EXIT
    assert b"".join(each.encode(each.offset) for each in walk(code)) == code


@pytest.mark.parametrize("code", [b"", EXIT[:7], EXIT + b"\0", load_64(0, 5, 1)[:8]])
def test_what_is_not_a_program_is_refused(code: bytes) -> None:
    with pytest.raises(TruncatedError):
        list(walk(code))
