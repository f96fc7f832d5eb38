# SPDX-License-Identifier: Apache-2.0
"""Filling a template in."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from app.columns.aggregate import Aggregate, Histogram, Measure
from app.columns.column import Column
from app.columns.kernel_offsets import FOLDER_OFFSETS, TASK_OFFSETS
from app.columns.plan import (
    BYTES,
    CGROUP,
    ENTRY,
    PATH,
    PATH_AT,
    RESULT,
    RETURN,
    STRING,
    TASK,
    Hook,
    Output,
    Plan,
    Read,
    Text,
)
from app.kernel.plain_loads import Cast
from app.linux import bpf
from app.presets.deletions import hooks
from app.tracer import any_records, template
from app.tracer.code_slots import filled
from app.tracer.compiled_object import CompiledObject, MapSpec, ProgramSpec
from app.tracer.several_functions import NUMBER_SLOT
from app.tracer.template import CAST_TYPE, adapted, completed, constants
from app.tracer.template_source import SOURCES, TEMPLATES, template_files, template_source
from tests.support.compiled_objects import RETURN_0, load_64

SLOT = re.compile(r"0x7000000000000([0-9a-f]{3})\b")
MACRO_SLOT = re.compile(
    r"(?:VALUE|TEXT|KEY_NUMBER|MEASURE|FIELD)\(0x70000000000000?([0-9a-f]{2,3})[,)]"
)
EVERY_AGGREGATE = Aggregate(
    by=(0,),
    measures=tuple(Measure(kind, 1, kind) for kind in ("sum", "min", "max", "avg")),
    histogram=Histogram(1, -5, 2, 10),
    groups=1024,
    top=10,
)

PLAN = Plan(
    Hook("function", "f", function_id=77, argument_words=3),
    "fexit",
    True,
    (Read(RETURN, RESULT, size=0, left=32, right=32, signed=True), Read(ENTRY, 1, (8, 16), 24, 4)),
    (Text(STRING, Read(ENTRY, 0, size=0)), Text(PATH, Read(RETURN, TASK, size=0), 100)),
    (),
    {"TASK_COMM": 1000, "PATH_MNT": 0, "D_PARENT": 5},
)


def placeholder(slot: int) -> bytes:
    return load_64(0, slot, 0x70000000)


def test_slots_get_their_numbers_and_nothing_else_changes() -> None:
    code = placeholder(0x100) + load_64(0, 0x100, 0x12345678) + placeholder(0x999) + RETURN_0
    wanted = load_64(0, 5, 1) + load_64(0, 0x100, 0x12345678) + load_64(0, 0) + RETURN_0
    assert filled(code, {0x100: 5 | 1 << 32}) == wanted


@pytest.mark.parametrize("cast", [None, Cast(function_id=77, type_id=5)])
def test_loads_are_plain_where_the_kernel_allows_it(
    cast: Cast | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template, "find_cast", lambda: cast)
    code = placeholder(CAST_TYPE) + placeholder(0x100) + RETURN_0
    assert completed(code, {0x100: 9}) == load_64(0, 5 if cast else 0) + load_64(0, 9) + RETURN_0


def test_a_map_is_no_slot() -> None:
    code = load_64(1, 0x100, 0x70000000)
    assert filled(code, {0x100: 5}) == code


def test_negative_numbers_have_all_their_bits() -> None:
    assert filled(placeholder(1), {1: -2}) == load_64(0, -2, -1)


def test_numbers_of_a_plan() -> None:
    found = constants(PLAN)
    first = [found[0x100 + place] for place in range(13)]
    assert first == [2, RESULT, 0, 0, 0, 0, 0, 0, 0, 0, 32, 32, 1]
    second = [found[0x110 + place] for place in range(13)]
    assert second == [1, 1, 2, 8, 16, 0, 0, 0, 24, 4, 0, 0, 0]
    assert [found[0x200 + place] for place in (0, 1, 0xD, 0xE)] == [1, 0, 1, 4096]
    assert [found[0x210 + place] for place in (0, 1, 0xD, 0xE)] == [2, TASK, 3, 100]
    assert found[0x300] == 0  # PATH_MNT
    assert found[0x421] == 1000  # TASK_COMM
    assert found[0x400] == 96 + 2 * 8  # where texts begin
    assert found[0x403] == 1  # a text is read at return
    assert found[0x440] == 1 << RESULT | 1 << 1 | 1 << 0 | 1 << TASK
    assert (found[0x441], found[0x442]) == (3, 16)
    sizes = [found[0x410 + place] for place in range(4)]
    assert sizes == [112 + 64, 112 + 256, 112 + 1024, 112 + 4200]


def test_records_are_as_large_as_they_are_read() -> None:
    found = constants(PLAN)
    for place, slot in enumerate(any_records.slots(PLAN).values()):
        ring_header = 8
        assert found[0x410 + place] + ring_header == slot.itemsize


@pytest.mark.parametrize(
    "texts",
    [
        (Text(STRING, Read(RETURN, 0)), Text(STRING, Read(ENTRY, 0))),
        (Text(STRING, Read(ENTRY, 0)),) * 5,
    ],
)
def test_plans_beyond_what_a_template_can_do(texts: tuple[Text, ...]) -> None:
    with pytest.raises(ValueError, match="texts"):
        constants(replace(PLAN, texts=texts))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_all_texts_have_room_in_a_record(count: int) -> None:
    plan = replace(PLAN, texts=(Text(BYTES, Read(ENTRY, 0)),) * count)
    assert sum(any_records.text_limits(plan)) <= any_records.TEXT_BYTES["ring_long"]
    assert list(any_records.text_areas(plan).values())[-1] >= sum(any_records.text_limits(plan))


def test_rings_and_functions_are_the_plans() -> None:
    rings = ("ring_short", "ring_medium", "ring_large", "ring_long")
    compiled = CompiledObject(
        tuple(MapSpec(name, bpf.MAP_TYPE_RINGBUF, 0, 0, 4096, 0) for name in rings),
        (
            ProgramSpec("any_entry", bpf.PROG_TYPE_KPROBE, 0, 0, RETURN_0),
            ProgramSpec("any_return", bpf.PROG_TYPE_KPROBE, 0, 0, RETURN_0),
        ),
    )
    short = replace(PLAN, texts=(Text(STRING, Read(ENTRY, 0), 200),))
    made = adapted(compiled, short, 1 << 20)
    assert [spec.max_entries for spec in made.maps] == [1 << 20, 1 << 19, 4096, 4096]
    assert [(p.type, p.attach_type, p.attach_btf_id) for p in made.programs] == [
        (bpf.PROG_TYPE_TRACING, bpf.ATTACH_TRACE_FENTRY, 77),
        (bpf.PROG_TYPE_TRACING, bpf.ATTACH_TRACE_FEXIT, 77),
    ]
    probed = adapted(compiled, replace(short, mode="kretprobe"), 1 << 20)
    assert probed.programs == compiled.programs


def test_every_slot_of_the_source_is_known() -> None:
    """A slot that no number is for would silently be 0."""
    every = Plan(
        Hook("function", "f"),
        "fexit",
        True,
        (Read(ENTRY, CGROUP, (1,) * 5),) * 16,
        (Text(STRING, Read(ENTRY, 0, (1,) * 5)),) * 4,
        (
            Output(Column("x", "text", "x", ""), "list", tuple(range(14)), (0, 1)),
            Output(Column("y", "int64", "y", ""), "number", (0,)),
        ),
        dict.fromkeys((*TASK_OFFSETS, *PATHS, *OWN), 1),
        EVERY_AGGREGATE,
    )
    known = constants(every).keys() | {CAST_TYPE, NUMBER_SLOT}
    for name in TEMPLATES:
        text = template_source(name)
        slots = {int(slot, 16) for slot in SLOT.findall(text)}
        groups = {int(group, 16) << 4 for group in MACRO_SLOT.findall(text)}
        assert slots
        assert slots <= known, name
        assert groups <= known, name


PATHS = (
    "PATH_MNT",
    "PATH_DENTRY",
    "MNT_ROOT",
    "MNT_SB",
    "M_MNT",
    "M_PARENT",
    "M_POINT",
    "D_PARENT",
    "D_NAME",
    "D_LEN",
    "D_SB",
    "TASK_FS",
    "FS_ROOT",
    "FS_PWD",
)


OWN = (*FOLDER_OFFSETS, *hooks.FIELDS, *hooks.RENAME_FIELDS)


def test_slots_of_offsets_are_those_of_the_source() -> None:
    """The C text gives each offset the number that the loader fills in."""
    own = ("path_at", "record", "names_in_kernel_memory", "renames")
    files = ("path_walk.c", *(f"presets/deletions/{name}.c" for name in own))
    text = "".join((SOURCES / name).read_text() for name in files)
    in_source = {
        name.upper(): int(slot, 16)
        for name, slot in re.findall(r"SLOT\((\w+), 0x7000000000000([0-9a-f]{3})\)", text)
    }
    offsets = {name: 1000 + place for place, name in enumerate(OWN)}
    found = constants(replace(PLAN, kernel_offsets=offsets))
    assert found[in_source.pop("NAME")] == 0  # WANTS_PATH
    with_path = replace(PLAN, texts=(Text(PATH_AT, Read(ENTRY, 0)),))
    assert constants(with_path)[0x450] == 1
    filled_in = {name: found[in_source.pop(name)] for name in offsets if name in in_source}
    assert filled_in == offsets
    assert in_source == {}


def test_every_file_of_the_templates_is_used() -> None:
    used = {name for template in TEMPLATES for name in template_files(template)}
    assert {file.relative_to(SOURCES).as_posix() for file in SOURCES.rglob("*.c")} == used
