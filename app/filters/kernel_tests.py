# SPDX-License-Identifier: Apache-2.0
"""Which tests of a record a test of a column is, if the kernel can make it.

Rows show a byte that is not UTF-8 as `\\xNN` and what is missing of a text as `…`, which the
record has not: a text that could match these is not tested in the kernel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from app.columns.plan import ENTRY, Output, Plan
from app.filters import kernel_filter as record
from app.filters.globs import pieces, plain
from app.filters.kernel_filter import (
    EQUAL,
    MAX_TEXT_TEST_BYTES,
    PREFIX,
    SUFFIX,
    NumberTest,
    Test,
    TextTest,
)
from app.filters.terms import Meaning, NumberMeaning, TextMeaning

# Types of numbers: bits, and whether they are signed.
NUMBERS = {
    "int32": (32, True),
    "uint32": (32, False),
    "int64": (64, True),
    "uint64": (64, False),
}
# A bool is a word of which any number but 0 is true.
TRUTHS = {1: (1, record.WORD), 0: (0, 0)}
MAX_INTERVALS = 4  # of the numbers of matching names

# Numbers of the head: offset, shift to the left, shift to the right, phase.
HEAD_NUMBERS = {
    "pid": (record.PID_TID, 32, 32, record.HEAD),
    "tid": (record.PID_TID, 0, 32, record.HEAD),
    "uid": (record.UID_CPU, 32, 32, record.HEAD),
    "cpu": (record.UID_CPU, 0, 32, record.HEAD),
    "ret": (record.RET, 0, 0, record.RETURN),
    "errno": (record.RET, 0, 0, record.RETURN),
    "latency_ns": (record.LATENCY_NS, 0, 0, record.RETURN),
}
HEAD_TEXTS = {"comm": record.COMM, "process": record.PROCESS}

# Decoders (app/tracer/decoders.py) of the plan's values and texts that the kernel can test.
NUMBER_DECODERS = ("number", "hex", "name", "bool")
ERROR_DECODER = "error"
LABEL_DECODER = "label"
TEXT_DECODER = "text"
HEAD_DECODER = "head"

# The beginning of a suffix that may be the end of \xNN.
ESCAPE_END = re.compile("[0-9a-fA-Fx]")
ELLIPSIS = "…"


@dataclass(frozen=True)
class NumberSource:
    """A part of a u64 of the record. With `names`, rows show it as one of these texts, or null."""

    phase: int
    offset: int
    left: int
    right: int
    is_error: bool
    names: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class TextSource:
    """A text of the record."""

    phase: int
    source: int


Source = NumberSource | TextSource


def source_of(output: Output, plan: Plan) -> Source | None:
    """Return what the kernel can test of a column; None if it cannot test the column."""
    name = output.column.name
    if output.decoder == HEAD_DECODER:
        if name in HEAD_TEXTS:
            return TextSource(record.HEAD, HEAD_TEXTS[name])
        if name in HEAD_NUMBERS:
            offset, left, right, phase = HEAD_NUMBERS[name]
            return NumberSource(phase, offset, left, right, name == "errno")
    elif output.decoder in (*NUMBER_DECODERS, ERROR_DECODER, LABEL_DECODER):
        (index,) = output.values
        phase = record.VALUES if plan.values[index].at == ENTRY else record.RETURN
        offset = record.HEAD_BYTES + record.WORD_BYTES * index
        names = output.names if output.decoder == LABEL_DECODER else ()
        return NumberSource(phase, offset, 0, 0, output.decoder == ERROR_DECODER, names)
    elif output.decoder == TEXT_DECODER:
        (index,) = output.texts
        text = plan.texts[index]
        phase = record.TEXTS if text.address.at == ENTRY else record.RETURN
        return TextSource(phase, index)
    return None


def kernel_tests(meaning: Meaning, source: Source) -> list[Test] | None:
    """Return the tests of which one must pass, none if nothing passes; None if it has none."""
    if isinstance(source, TextSource):
        return _text_tests(meaning, source) if isinstance(meaning, TextMeaning) else None
    if isinstance(meaning, TextMeaning):
        if source.names:
            matches = meaning.matcher()
            return _of_numbers(sorted(n for n, name in source.names if matches(name)), source)
        return _error_tests(meaning, source) if source.is_error else None
    return _number_tests(meaning, source)


def _number_tests(meaning: NumberMeaning, source: NumberSource) -> list[Test] | None:
    kind = meaning.column.type
    if kind == "bool":
        wanted = [
            TRUTHS[truth]
            for truth in TRUTHS
            if any(each.within(truth, truth) for each in meaning.intervals)
        ]
        return _tests(source, (0, 0), False, wanted)
    if kind not in NUMBERS:
        return None
    bits, is_signed = NUMBERS[kind]
    least = -(1 << (bits - 1)) if is_signed else 0
    most = least + (1 << bits) - 1
    found = [each.within(least, most) for each in meaning.intervals]
    # Cut the number out at the width of its column, unless the head's word has several.
    narrow = 0 if source.left or source.right else record.WORD_BITS - bits
    shifts = (source.left or narrow, source.right or narrow)
    return _tests(source, shifts, is_signed, [each for each in found if each])


def _tests(
    source: NumberSource,
    shifts: tuple[int, int],
    is_signed: bool,
    intervals: Iterable[tuple[int, int]],
) -> list[Test]:
    left, right = shifts
    return [
        NumberTest(source.phase, source.offset, left, right, is_signed, low, high)
        for low, high in intervals
    ]


def _error_tests(meaning: TextMeaning, source: NumberSource) -> list[Test] | None:
    """Return tests of the numbers whose names pass; other numbers have no name: null."""
    if meaning.names is None:
        return None
    return _of_numbers(meaning.names.matching(meaning.matcher()), source)


def _of_numbers(numbers: Iterable[int], source: NumberSource) -> list[Test] | None:
    """Return tests of a number that is one of these, which are sorted."""
    intervals: list[tuple[int, int]] = []
    for value in numbers:
        if intervals and intervals[-1][1] == value - 1:
            intervals[-1] = (intervals[-1][0], value)
        else:
            intervals.append((value, value))
    return None if len(intervals) > MAX_INTERVALS else _tests(source, (0, 0), True, intervals)


def _text_tests(meaning: TextMeaning, source: TextSource) -> list[Test] | None:
    found = _match_of(meaning)
    if found is None or meaning.names is not None:
        return None
    match, text = found
    data = text.encode("utf-8", "surrogatepass")
    is_exact = "\\" not in text and ELLIPSIS not in text and len(data) <= MAX_TEXT_TEST_BYTES
    if not is_exact or (match == SUFFIX and ESCAPE_END.match(text)):
        return None
    return [TextTest(source.phase, source.source, match, data)]


def _match_of(meaning: TextMeaning) -> tuple[str, str] | None:
    """Return how to compare the text, and with what; None for other patterns."""
    if not meaning.is_pattern:
        return EQUAL, meaning.value
    parts = pieces(meaning.value)
    stars = [i for i, piece in enumerate(parts) if piece == "*"]
    text = "".join(plain(piece) for piece in parts if piece != "*")
    if "?" in parts or (meaning.ignores_case and _has_case(text)):
        return None
    if not stars:
        return EQUAL, text
    if stars[-1] - stars[0] == len(stars) - 1:  # one group of stars, which are like one
        if stars[-1] == len(parts) - 1:
            return PREFIX, text
        if stars[0] == 0:
            return SUFFIX, text
    return None


def _has_case(text: str) -> bool:
    return any(
        character.upper() != character
        or character.lower() != character
        or character.casefold() != character
        for character in text
    )
