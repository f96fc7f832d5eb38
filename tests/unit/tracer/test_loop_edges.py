# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
import struct

import pytest

from app.linux.bpf import instruction
from app.tracer.loop_edges import with_jumps_in_loops
from tests.support.compiled_objects import load_64

ADD_1 = instruction(0x07, dst=1, immediate=1)
EXIT = instruction(0x95)
NEXT = instruction(0x05)


def jump(offset: int) -> bytes:
    return instruction(0x05, offset=offset)


def jump_if_zero(offset: int) -> bytes:
    return instruction(0x15, dst=1, offset=offset)


def test_a_step_that_precedes_its_condition() -> None:
    #       goto condition;  step: r1 += 1;  condition: if r1 == 0 goto step;  exit
    code = jump(1) + ADD_1 + jump_if_zero(-2) + EXIT
    assert with_jumps_in_loops(code) == jump(2) + ADD_1 + NEXT + jump_if_zero(-3) + EXIT


def test_programs_without_loops_are_left_alone() -> None:
    for code in (ADD_1 + EXIT, jump_if_zero(1) + ADD_1 + EXIT):
        assert with_jumps_in_loops(code) == code


def test_constants_keep_their_halves() -> None:
    code = jump(2) + load_64(0, 5, 0x15) + jump_if_zero(-3) + EXIT
    assert (
        with_jumps_in_loops(code) == jump(3) + load_64(0, 5, 0x15) + NEXT + jump_if_zero(-4) + EXIT
    )


def test_jumps_that_become_too_far_are_refused() -> None:
    code = jump(1) + ADD_1 + jump_if_zero(-2) + instruction(0x15, offset=-4) * 30000 + EXIT
    assert len(with_jumps_in_loops(code)) > len(code)
    with pytest.raises(ValueError, match="too far"):
        with_jumps_in_loops(jump(32767) + (jump(1) + ADD_1 + jump_if_zero(-2)) * 10930 + EXIT)


def run(code: bytes) -> list[int]:
    """Interpret additions, jumps and exit; return the values that were added, in order."""
    at, value, added = 0, 0, []
    for _ in range(500):
        op, _, offset, immediate = struct.unpack_from("<BBhi", code, at * 8)
        if op == 0x95:
            break
        if op == 0x18:
            at += 1
        elif op == 0x07:
            value += immediate
            added.append(immediate)
        elif op == 0x05 or (op == 0x15 and value % 3 == 0):
            at += offset
        at += 1
    return added


@pytest.mark.parametrize("seed", range(100))
def test_what_a_program_does_stays(seed: int) -> None:
    random_ = random.Random(seed)
    count = 30
    code = b""
    for at in range(count):
        offset = random_.randrange(-at, count - at)
        code += random_.choice(
            [
                instruction(0x07, dst=1, immediate=at + 1),
                jump_if_zero(offset - 1),
                jump(offset - 1),
            ]
        )
    code += EXIT
    made = with_jumps_in_loops(code)
    assert run(made)[:100] == run(code)[: len(run(made)[:100])]
    assert made.count(EXIT) == 1
