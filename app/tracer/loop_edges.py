# SPDX-License-Identifier: Apache-2.0
"""Loops in byte code, as the verifiers of old kernels accept them.

The verifier of Linux 5.10 takes an edge back for a loop only if it is that of a jump: an
instruction that simply precedes one that was visited before is refused as a "back-edge" (check_cfg
and push_insn, kernel/bpf/verifier.c). The compiler lays loops out so: the step of a loop is
followed by its condition, to which the entry jumps.
"""

from __future__ import annotations

from itertools import accumulate

from app.tracer.instructions import INSTRUCTION_BYTES, Instruction, walk

_CLASS, _JUMP, _JUMP_32 = 0x07, 0x05, 0x06
_OPERATION, _CALL, _EXIT = 0xF0, 0x80, 0x90
_NEXT = Instruction(0, _JUMP, 0, 0, 0).encode(0)  # goto +0, which the verifier removes in the end


def with_jumps_in_loops(instructions: bytes) -> bytes:
    """Return the program with a jump to the next instruction wherever, in a loop, one that is
    jumped to follows an instruction that does not jump.

    Raises ValueError if a jump would be too far.
    """
    program = {each.at // INSTRUCTION_BYTES: each for each in walk(instructions)}
    count = len(instructions) // INSTRUCTION_BYTES
    jumps = {at: at + 1 + each.offset for at, each in program.items() if _is_jump(each.code)}
    opened = [0] * (count + 1)  # by instruction, how many loops begin less how many have ended
    for at, target in jumps.items():
        if target <= at:
            opened[target] += 1
            opened[at + 1] -= 1
    is_in_loop = [loops > 0 for loops in accumulate(opened)]
    targets = {
        target for target in jumps.values() if is_in_loop[target] and _falls_into(program, target)
    }
    places, place = [], 0
    for at in range(count):
        place += at in targets
        places.append(place)  # of the instruction itself, after what is inserted before it
        place += 1
    result = bytearray()
    for at, each in program.items():
        if at in targets:
            result += _NEXT
        offset = each.offset
        if at in jumps:
            offset = places[jumps[at]] - places[at] - 1
            if not -(1 << 15) <= offset < 1 << 15:
                raise ValueError(f"instruction {at} jumps too far")
        result += each.encode(offset)
    return bytes(result)


def _is_jump(code: int) -> bool:
    return code & _CLASS in (_JUMP, _JUMP_32) and code & _OPERATION not in (_CALL, _EXIT)


def _falls_into(program: dict[int, Instruction], target: int) -> bool:
    """Return whether the instruction before goes on to this one without being a jump."""
    if target == 0:
        return False
    if target - 1 not in program:  # the second half of a 64-bit load
        return True
    code = program[target - 1].code
    is_exit = code & _CLASS in (_JUMP, _JUMP_32) and code & _OPERATION == _EXIT
    return not _is_jump(code) and not is_exit
