# SPDX-License-Identifier: Apache-2.0
"""Calls of the kernel's function in byte code."""

from __future__ import annotations

import re

from app.kernel.plain_loads import Cast
from app.linux.bpf import instruction
from app.tracer.casts import with_casts
from app.tracer.template_source import SOURCES
from tests.support.compiled_objects import RETURN_0, load_64

STAND_IN = instruction(0x85, immediate=0x70001)
OTHERS = instruction(0x85, immediate=113) + load_64(0, 0x70001) + instruction(0xB7, immediate=0x85)


def test_calls_become_those_of_the_function() -> None:
    code = STAND_IN + OTHERS + STAND_IN + RETURN_0
    call = instruction(0x85, src=2, immediate=77)
    assert with_casts(code, Cast(77, 5)) == call + OTHERS + call + RETURN_0


def test_without_the_function_nothing_is_called() -> None:
    nothing = instruction(0xB7)
    assert with_casts(STAND_IN + OTHERS + RETURN_0, None) == nothing + OTHERS + RETURN_0


def test_the_source_calls_the_stand_in() -> None:
    text = (SOURCES / "words.c").read_text()
    assert re.findall(r"= \(void \*\)(\w+);", text) == ["0x70001"]
