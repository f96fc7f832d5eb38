# SPDX-License-Identifier: Apache-2.0
"""Plans of functions, system calls and tracepoints, and why there is none."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from app.btf.format import Kind
from app.btf.reader import Btf
from app.columns.kernel_offsets import PATH_OFFSETS, TASK_OFFSETS
from app.columns.plan import (
    CGROUP,
    CONTEXT,
    ENTRY,
    MAX_DEREFS,
    MAX_TEXT_BYTES,
    MAX_TEXTS,
    MAX_VALUES,
    NUMBER_OF_FUNCTION,
    RESULT,
    RETURN,
    TASK,
    Hook,
    Plan,
    Read,
)
from app.columns.planner import plan
from app.columns.trace_target import FUNCTION, FUNCTIONS, SYSCALL, TRACEPOINT, Target
from app.errors import ProbedeckError
from tests.support.plan_reader import Memory, value_of
from tests.support.running_types import RUNNING, running_btf
from tests.support.small_kernel import SmallKernel

CALLER = ["time", "pid", "tid", "uid", "process", "comm"]
running = pytest.mark.skipif(not RUNNING.exists(), reason="this kernel offers no BTF")

FORMAT = """name: it
ID: 1
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

"""
ENTER = """\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;
\tfield:int dfd;\toffset:16;\tsize:8;\tsigned:0;
\tfield:const char * filename;\toffset:24;\tsize:8;\tsigned:0;
\tfield:struct sockaddr * address;\toffset:32;\tsize:8;\tsigned:0;
"""
EXIT = """\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;
\tfield:int error_code;\toffset:16;\tsize:8;\tsigned:0;
"""
NUMBER = "\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;\n"
SWITCH = """\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;
\tfield:int pid;\toffset:24;\tsize:4;\tsigned:1;
\tfield:__data_loc char[] filename;\toffset:28;\tsize:4;\tsigned:0;
\tfield:struct sock * sk;\toffset:32;\tsize:8;\tsigned:0;
"""
LOOKUP = "".join(
    f"\tfield:{type_} {name};\toffset:{8 + 8 * n};\tsize:{size};\tsigned:0;\n"
    for n, (type_, name, size) in enumerate(
        [
            *(("unsigned int", f"n{n}", 4) for n in range(8)),
            *(("unsigned char", f"{name}[4]", 4) for name in ("src", "dst", "gw")),
            ("unsigned char", "gw6[16]", 16),
            ("unsigned int", "n8", 4),
            ("unsigned int", "n9", 4),
            ("char", "name[16]", 16),
        ]
    )
)
LARGE = """\tfield:unsigned long many[17];\toffset:8;\tsize:136;\tsigned:0;
\tfield:struct bag in_it;\toffset:144;\tsize:112;\tsigned:0;
"""
BUILT_IN = """\tfield:int ret;\toffset:8;\tsize:4;\tsigned:1;
\tfield:int errno;\toffset:12;\tsize:4;\tsigned:1;
\tfield:unsigned long latency_ns;\toffset:16;\tsize:8;\tsigned:0;
\tfield:int cpu;\toffset:24;\tsize:4;\tsigned:1;
\tfield:int mode;\toffset:28;\tsize:4;\tsigned:1;
\tfield:int Or;\toffset:32;\tsize:4;\tsigned:1;
\tfield:int current;\toffset:36;\tsize:4;\tsigned:1;
"""


@pytest.fixture(scope="module")
def btf() -> Btf:
    return SmallKernel().btf()


@pytest.fixture
def planned(btf: Btf, tmp_path: Path) -> Callable[..., Plan]:
    for where, fields in {
        "syscalls/sys_enter_openat": ENTER,
        "syscalls/sys_enter_openat2": ENTER,
        "syscalls/sys_enter_exit_group": EXIT,
        "syscalls/sys_enter_rt_sigreturn": NUMBER,
        "sched/sched_switch": SWITCH,
        "names/built_in": BUILT_IN,
        "fib/lookup": LOOKUP,
        "fib/large": LARGE,
        "one/twice": SWITCH,
        "two/twice": SWITCH,
    }.items():
        folder = tmp_path / "events" / where
        folder.mkdir(parents=True)
        (folder / "format").write_text(FORMAT + fields)

    def make(
        name: str,
        columns: Sequence[str] | None = None,
        mode: str = "fexit",
        kind: str = FUNCTION,
    ) -> Plan:
        if kind != FUNCTION:
            mode = "tracepoint"
        return plan(btf, Target(kind, name), mode, columns, lambda: nullcontext(tmp_path))

    return make


def names(found: Plan) -> list[str]:
    return [output.column.name for output in found.outputs]


def shown(found: Plan) -> dict[str, str]:
    """Each column but the caller's, with its decoder."""
    return {each.column.name: each.decoder for each in found.outputs[len(CALLER) :]}


def faults(make: Callable[[], object]) -> list[dict[str, object]]:
    with pytest.raises(ProbedeckError) as raised:
        make()
    assert (raised.value.status, raised.value.code) == (422, "invalid")
    found: list[dict[str, object]] = raised.value.extra["errors"]
    assert raised.value.detail == " ".join(f"{each['field']}: {each['message']}" for each in found)
    return found


def test_a_function_that_no_btf_describes(btf: Btf) -> None:
    """A kprobe needs no BTF: what the compiler made of a function, such as `mixed.part.0`."""
    target = Target(FUNCTION, "mixed.part.0", is_undescribed=True)
    assert names(plan(btf, target, "kprobe")) == CALLER
    assert names(plan(btf, target, "kretprobe")) == [*CALLER, "latency_ns"]
    with pytest.raises(ProbedeckError, match=r"no BTF says what mixed\.part\.0"):
        plan(btf, target, "kretprobe", ["ret"])
    with pytest.raises(ProbedeckError, match="Its arguments: not known, as no BTF"):
        plan(btf, target, "kprobe", ["arg0"])
    with pytest.raises(ProbedeckError, match=r"has no function 'mixed\.part\.0'"):
        plan(btf, target, "fentry")


def test_columns_and_their_order(planned: Callable[..., Plan]) -> None:
    found = planned("mixed", ["b", "t.tv_nsec as ns", "hex(a)"])
    assert names(found) == [*CALLER, "b", "ns", "a", "ret", "errno", "latency_ns"]
    assert found.values[0] == Read(RETURN, RESULT, size=0, left=32, right=32, signed=True)
    assert found.hook == Hook(FUNCTION, "mixed", found.hook.function_id, argument_words=4)
    assert found.hook.function_id > 0
    by_name = {each.column.name: each for each in found.outputs}
    (index,) = by_name["ns"].values
    assert found.values[index] == Read(ENTRY, 2, size=0, signed=True)
    assert by_name["ret"].values == by_name["errno"].values == (0,)
    assert (by_name["a"].column.render, by_name["ret"].column.names) == ("hex", "errors")
    assert [by_name[name].decoder for name in CALLER] == ["head"] * len(CALLER)


def test_the_plan_travels_as_json(planned: Callable[..., Plan]) -> None:
    found = planned("takes color", ["x", "path(current->fs->root) as root"])
    assert Plan.from_json(json.loads(json.dumps(found.as_json()))) == found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("to_int", {"x": "number", "ret": "number", "errno": "error"}),
        ("to_long", {"x": "number", "ret": "number", "errno": "error"}),
        ("to_short", {"x": "number", "ret": "number"}),
        ("to_u64", {"x": "number", "ret": "number"}),
        ("to_bool", {"x": "number", "ret": "bool"}),
        ("to_void", {"x": "number"}),
        ("to_file", {"x": "number", "ret": "text", "errno": "error"}),
        ("to_text", {"x": "number", "ret": "text", "errno": "error"}),
        ("to_pair", {"x": "number", "ret.low": "number", "ret.high": "number"}),
        ("to_large", {"x": "number"}),
        ("mixed", {"a": "number", "t.tv_sec": "number", "t.tv_nsec": "number", "b": "number"}),
        ("nameless", {"arg0": "number", "arg1": "text"}),
        ("pids", {"arg_pid": "number", "arg_comm": "text", "arg_ret": "number"}),
        ("texts", {"s0": "text", "s1": "text", "s2": "text", "s3": "text", "s4": "hex"}),
        ("takes large", {}),  # a trampoline cannot pass it
    ],
)
def test_without_columns(planned: Callable[..., Plan], name: str, expected: dict[str, str]) -> None:
    found = shown(planned(name))
    assert {key: found.get(key) for key in expected} == expected
    assert list(found)[-1] == "latency_ns"
    if "errno" not in expected and name not in ("mixed", "nameless", "pids", "texts"):
        assert "errno" not in found


def test_a_mode_without_return(planned: Callable[..., Plan]) -> None:
    for mode in ("fentry", "kprobe"):
        assert names(planned("to_int", mode=mode)) == [*CALLER, "x"]
        assert not planned("to_int", mode=mode).sees_return
    (fault,) = faults(lambda: planned("to_int", ["x", "ret"], mode="fentry"))
    assert fault["field"] == "columns.1"
    assert "a mode that sees the return" in str(fault["message"])


def test_columns_that_are_always_there_may_be_named(planned: Callable[..., Plan]) -> None:
    found = planned("to_int", ["pid", "x", "ret", "latency_ns", "time"])
    assert names(found) == [*CALLER, "x", "ret", "errno", "latency_ns"]
    # An argument of such a name comes first, but for `ret`, and has another name.
    found = planned("pids", ["pid as p", "comm as c", "arg2 as third", "pid", "hex(pid) as h"])
    assert list(shown(found)) == ["p", "c", "third", "arg_pid", "h", "ret", "errno", "latency_ns"]
    assert list(shown(planned("pids", ["hex(pid)", "ret"])))[:2] == ["arg_pid", "ret"]
    (fault,) = faults(lambda: planned("to_bool", ["errno"]))
    assert fault["message"] == "to_bool returns no errors by its type"
    (fault,) = faults(lambda: planned("to_void", ["ret"]))
    assert fault["message"] == "to_void returns nothing (void)"


def test_a_pointer_returned_is_an_address_unless_wanted(planned: Callable[..., Plan]) -> None:
    assert shown(planned("to_file", ["x"])) == {
        "x": "number",
        "ret": "hex",
        "errno": "error",
        "latency_ns": "head",
    }
    found = planned("to_file", ["path(ret) as opened", "ret"])
    assert shown(found)["ret"] == "text"
    assert len(found.texts) == 1  # both columns are made of it
    assert found.texts[0].address.at == RETURN


def test_values_are_read_once(planned: Callable[..., Plan]) -> None:
    found = planned("takes inode *", ["x->i_ino", "x", "x->i_ino as again"], mode="fentry")
    assert len(found.values) == 2
    assert shown(found) == {"x.i_ino": "number", "x": "inode", "again": "number"}


def test_faults_name_column_position_and_near_misses(planned: Callable[..., Plan]) -> None:
    columns = ["x->f_inod", "y", "x->f_mode", "hex(x)->", "x.f_path.dentry.d_nam", "x as pid"]
    first, second, third, fourth, last = faults(lambda: planned("takes file *", columns))
    assert first == {
        "field": "columns.0",
        "message": "`struct file` has no field f_inod; did you mean f_inode or f_mode?",
        "position": 3,
        "near": ["f_inode", "f_mode"],
    }
    assert second["message"] == "takes file * has no y. Its arguments: x"
    assert (third["field"], third["position"]) == ("columns.3", 6)
    assert (fourth["position"], fourth["near"]) == (16, ["d_name", "d_inode"])
    assert "there is a column pid already" in str(last["message"])


def test_two_columns_of_one_name(planned: Callable[..., Plan]) -> None:
    (fault,) = faults(lambda: planned("takes dentry *", ["path(x)", "path(x->d_parent)"]))
    assert fault["field"] == "columns.1"
    assert "there is a column path already; write `... as NAME`" in str(fault["message"])


def test_limits_say_which_column_was_one_too_many(planned: Callable[..., Plan]) -> None:
    (fault,) = faults(lambda: planned("texts", [f"s{n}" for n in range(MAX_TEXTS + 1)]))
    assert fault == {
        "field": "columns.4",
        "message": "'s4' is one too many: a probe reads at most 4 texts",
    }
    columns = [f"x->many[{n}]" for n in range(MAX_VALUES + 1)]
    (fault,) = faults(lambda: planned("takes bag *", columns, "fentry"))
    assert fault["field"] == f"columns.{MAX_VALUES}"
    far = "x" + "->d_parent" * (MAX_DEREFS + 1)
    assert len(planned("takes dentry *", [f"hex({far})"], "fentry").values[0].derefs) == MAX_DEREFS
    (fault,) = faults(lambda: planned("takes dentry *", [f"hex({far}->d_parent)"], "fentry"))
    assert "follows 6 pointers; the limit is 5" in str(fault["message"])
    (fault,) = faults(lambda: planned("to_int", ["x"] * 33))
    assert fault == {"field": "columns", "message": "33 columns; at most 32 are accepted"}


def test_context_columns(planned: Callable[..., Plan]) -> None:
    columns = ["ppid", "pcomm", "cgroup", "cpu", "current->tgid as group"]
    found = planned("to_int", columns, "fentry")
    assert shown(found) == {
        "ppid": "number",
        "pcomm": "text",
        "cgroup": "number",
        "cpu": "head",
        "group": "number",
    }
    assert found.values[0] == Read(ENTRY, TASK, (16,), 12, 4, 32, 32, signed=True)
    assert found.values[1] == Read(ENTRY, CGROUP, size=0)
    assert found.texts[0].address == Read(ENTRY, TASK, (16, 24), 32, 0)
    for name in ("container", "kstack", "ustack"):
        (fault,) = faults(lambda name=name: planned("to_int", [name]))
        assert "available" in str(fault["message"]) or "cgroup" in str(fault["message"])


def test_offsets_for_walking_paths(planned: Callable[..., Plan]) -> None:
    assert planned("takes inode *").kernel_offsets.keys() == TASK_OFFSETS.keys()
    for name in ("takes file *", "takes path *"):
        offsets = planned(name).kernel_offsets
        assert offsets.keys() == (PATH_OFFSETS | TASK_OFFSETS).keys()
        assert (offsets["M_MNT"], offsets["D_NAME"], offsets["D_LEN"]) == (32, 40, 36)
    assert planned("takes dentry *", ["path(x)"]).kernel_offsets


def test_system_calls(planned: Callable[..., Plan]) -> None:
    found = planned("openat", kind=SYSCALL)
    assert (found.hook, found.sees_return) == (Hook(SYSCALL, "openat"), True)
    assert shown(found) == {
        "dfd": "number",
        "filename": "text",
        "address": "sockaddr",
        "ret": "number",
        "errno": "error",
        "latency_ns": "head",
    }
    assert found.values == (
        Read(RETURN, RESULT, size=0, signed=True),
        Read(ENTRY, 0, size=0, left=32, right=32, signed=True),
    )
    assert [text.address.base for text in found.texts] == [1, 2]
    (fault,) = faults(lambda: planned("open_at", kind=SYSCALL))
    assert fault["near"] == ["openat", "openat2"]
    assert faults(lambda: planned("../sched/sched_switch", kind=SYSCALL))[0]["field"] == "syscall"


def test_system_calls_that_never_return(planned: Callable[..., Plan]) -> None:
    """A row at entry, without the columns of the return."""
    found = planned("exit_group", kind=SYSCALL)
    assert found.hook == Hook(TRACEPOINT, "sys_enter_exit_group", category="syscalls")
    assert (found.sees_return, shown(found)) == (False, {"error_code": "number"})
    assert found.values == (Read(ENTRY, CONTEXT, (), 16, 4, 32, 32, signed=True),)
    (fault,) = faults(lambda: planned("exit_group", ["ret"], kind=SYSCALL))
    assert "return" in str(fault["message"])
    # Its argument is a number that a process passed: it is not made an address.
    for text in ("cast(struct sock, error_code)->__sk_common", "str(cast(char *, error_code))"):
        with pytest.raises(ProbedeckError, match="fewer bytes"):
            planned("exit_group", [text], kind=SYSCALL)


def test_a_system_call_whose_return_is_not_reported(planned: Callable[..., Plan]) -> None:
    """It takes no arguments: its rows have the caller's columns only."""
    found = planned("rt_sigreturn", kind=SYSCALL)
    assert found.hook == Hook(TRACEPOINT, "sys_enter_rt_sigreturn", category="syscalls")
    assert (found.sees_return, shown(found)) == (False, {})


def test_tracepoints(planned: Callable[..., Plan]) -> None:
    found = planned("sched:sched_switch", kind=TRACEPOINT)
    assert planned("sched_switch", kind=TRACEPOINT) == found
    assert found.hook == Hook(TRACEPOINT, "sched_switch", category="sched")
    assert shown(found) == {
        "prev_comm": "text",
        "arg_pid": "number",
        "filename": "text",
        "sk": "sock",
    }
    assert found.texts[0].address == Read(ENTRY, CONTEXT, (), 8, 0)
    assert found.values[0] == Read(ENTRY, CONTEXT, (), 24, 4, 32, 32, signed=True)
    assert found.values[1].derefs == (32,)
    assert not found.sees_return
    found = planned("sched_switch", ["pid as next", "filename as f", "hex(sk)"], kind=TRACEPOINT)
    assert list(shown(found)) == ["next", "f", "sk"]
    (fault,) = faults(lambda: planned("sched_switch", ["filename->x"], kind=TRACEPOINT))
    assert "only be shown as a whole" in str(fault["message"])
    (fault,) = faults(lambda: planned("twice", kind=TRACEPOINT))
    assert fault["message"] == "which one: one:twice or two:twice?"
    (fault,) = faults(lambda: planned("sched:sched_swich", kind=TRACEPOINT))
    assert fault["near"] == ["sched:sched_switch"]
    assert faults(lambda: planned("..:events", kind=TRACEPOINT))[0]["near"] == []


def test_fields_that_are_called_like_built_in_columns(planned: Callable[..., Plan]) -> None:
    """A tracepoint has no return, so that `ret` and `errno` are those of its fields."""
    found = planned("built_in", kind=TRACEPOINT)
    own = ["ret", "errno", "latency_ns", "cpu", "arg_mode", "arg_Or", "current"]
    assert names(found) == [*CALLER, *own]
    assert {each.decoder for each in found.outputs[len(CALLER) :]} == {"number"}
    fields = ["ret", "errno", "latency_ns", "cpu", "mode", "Or", "current"]
    assert planned("built_in", fields, kind=TRACEPOINT) == found
    renamed = planned("built_in", [f"{name} as x_{name}" for name in fields], kind=TRACEPOINT)
    assert names(renamed) == [*CALLER, *(f"x_{name}" for name in fields)]
    assert renamed.values == found.values
    for name in ("ret", "errno", "latency_ns"):
        (fault,) = faults(lambda name=name: planned("sched_switch", [name], kind=TRACEPOINT))
        assert fault["message"] == f"{name} is not known here: sched_switch has no return"
        column = f"hex({name})"
        (fault,) = faults(lambda column=column: planned("sched_switch", [column], kind=TRACEPOINT))
        assert "is a column as it is" in str(fault["message"])


def in_record(found: Plan) -> list[str]:
    """Columns that are an address in a tracepoint's record, which is a temporary buffer."""
    return [
        output.column.name
        for output in found.outputs
        for read in (found.values[index] for index in output.values)
        if read.base == CONTEXT and not read.derefs and read.size == 0
    ]


def test_what_finds_no_room_is_never_shown_by_the_address_of_a_record(
    planned: Callable[..., Plan],
) -> None:
    found = planned("lookup", kind=TRACEPOINT)
    assert in_record(found) == []
    assert shown(found) == {
        **{f"n{n}": "number" for n in range(8)},
        "src": "list",
        **dict.fromkeys(("dst", "gw", "gw6"), "bytes"),
        "n8": "number",
        "n9": "number",
        "name": "text",
    }
    assert (len(found.values), len(found.texts)) == (14, MAX_TEXTS)
    assert [text.max_bytes for text in found.texts] == [4, 4, 16, 16]


def test_what_is_too_large_for_a_column_of_its_own(planned: Callable[..., Plan]) -> None:
    """Its address, but in a tracepoint's record its bytes."""
    for columns in (None, ["many", "in_it"], ["bytes(many)", "bytes(in_it)"]):
        found = planned("large", columns, kind=TRACEPOINT)
        assert shown(found) == {"many": "bytes", "in_it": "bytes"}
        assert found.texts[0].max_bytes == 136
    assert shown(planned("takes bag *", ["x->many"]))["x.many"] == "hex"
    for name in ("many", "in_it"):
        (fault,) = faults(lambda name=name: planned("large", [f"hex({name})"], kind=TRACEPOINT))
        assert fault["message"] == (
            f"{name} is in the record of the tracepoint, whose address says nothing; "
            "bytes() shows it in hexadecimal"
        )


def test_built_in_columns_are_no_values(planned: Callable[..., Plan]) -> None:
    for name in ("cpu", "pid", "errno", "latency_ns", "mode", "cgroup"):
        for text in (f"hex({name})", f"{name}->x", f"{name}[0] as x"):
            (fault,) = faults(lambda text=text: planned("to_int", [text]))
            assert fault["message"] == (
                f"{name} is a column as it is: it has no fields and takes no renderer"
            )
    for name in ("cpu", "pid", "errno", "latency_ns", "mode"):
        for other in ("x", "pid", "time"):
            if other != name:
                (fault,) = faults(lambda t=f"{name} as {other}": planned("to_int", [t]))
                assert fault["message"] == f"{name} cannot be renamed"
    assert list(shown(planned("to_int", ["cpu as cpu", "ppid as up"])))[:2] == ["cpu", "up"]


def test_what_cannot_be_traced(btf: Btf, planned: Callable[..., Plan]) -> None:
    assert faults(lambda: planned("nothing"))[0]["field"] == "function"
    assert faults(lambda: planned("to_int", mode="tracepoint"))[0]["field"] == "mode"
    assert faults(lambda: plan(btf, Target("thing", "x"), "fexit"))[0]["field"] == "kind"


def test_a_column_reads_what_it_says(btf: Btf) -> None:
    """A plan's reads, carried out over memory."""
    found = plan(
        btf, Target(FUNCTION, "takes file *"), "kprobe", ["x->f_inode->i_sb->s_dev", "x->f_mode"]
    )
    memory = Memory(
        {
            0x1000: bytes(4)
            + (5).to_bytes(4, "little")
            + bytes(24)
            + (0x2000).to_bytes(8, "little"),
            0x2028: (0x3000).to_bytes(8, "little"),
            0x3010: (0x800001).to_bytes(4, "little"),
        }
    )
    assert [value_of(each, {0: 0x1000}, memory) for each in found.values] == [0x800001, 5]


@running
def test_expressions_of_the_running_kernel() -> None:
    """The issue's own example, and others that presets use."""
    columns = ["path(file)", "count", "ret", "latency_ns"]
    found = plan(running_btf(), Target(FUNCTION, "vfs_read"), "fexit", columns)
    assert list(shown(found)) == ["path", "count", "ret", "errno", "latency_ns"]
    more = (
        "file->f_path.dentry->d_name.name",
        "file->f_inode->i_sb->s_id",
        "current->real_parent->real_parent->tgid as grandparent",
        "cast(struct inode, file->f_inode)->i_mode as permissions",
        "ppid",
        "pcomm",
    )
    found = plan(running_btf(), Target(FUNCTION, "vfs_read"), "kprobe", more)
    assert [each.decoder for each in found.outputs[len(CALLER) :]] == [
        *("text", "text", "number", "number", "number", "text")
    ]


def drawn(btf: Btf, count: int) -> list[Target]:
    functions = [type_id for type_id in btf if btf.kind(type_id) == Kind.FUNC]
    chosen = random.Random(11).sample(functions, count)
    return [Target(FUNCTION, btf.name(each), function_id=each) for each in chosen]


@running
def test_any_function_is_planned_or_refused_with_a_reason() -> None:
    btf, planned_count = running_btf(), 0
    for number, target in enumerate(drawn(btf, 2000)):
        mode = ("fentry", "fexit", "kprobe", "kretprobe")[number % 4]
        try:
            found = plan(btf, target, mode)
        except ProbedeckError as error:
            assert error.extra["errors"][0]["message"]
            continue
        planned_count += 1
        assert len(found.values) <= MAX_VALUES and len(found.texts) <= MAX_TEXTS
        assert len(set(names(found))) == len(names(found))
        for output in found.outputs:
            assert all(index < len(found.values) for index in output.values)
            assert all(index < len(found.texts) for index in output.texts)
        assert all(1 <= text.max_bytes <= MAX_TEXT_BYTES for text in found.texts)
        for read in (*found.values, *(text.address for text in found.texts)):
            assert replace(read, size=8) and read.size in (0, 1, 2, 4, 8)
            assert 0 <= read.left <= read.right < 64 and len(read.derefs) <= MAX_DEREFS
            assert read.at == ENTRY or found.sees_return
    assert planned_count >= 1990


SEVERAL = Target(FUNCTIONS, "vfs_*", functions=("vfs_read", "vfs_write"))


@pytest.mark.parametrize(
    ("mode", "columns", "expected"),
    [
        ("kprobe", None, ["function"]),
        ("kretprobe", None, ["function", "latency_ns"]),
        ("kprobe", ["function as which", "cpu"], ["which", "cpu"]),
        ("kprobe", [], []),
        ("kretprobe", ["latency_ns", "cgroup"], ["cgroup", "latency_ns"]),
    ],
)
def test_several_functions(
    btf: Btf, mode: str, columns: list[str] | None, expected: list[str]
) -> None:
    found = plan(btf, SEVERAL, mode, columns)
    assert names(found) == [*CALLER, *expected]
    assert (found.template, found.hook.functions) == (mode, SEVERAL.functions)
    for output in found.outputs:
        if output.decoder == "label":
            assert output.names == ((0, "vfs_read"), (1, "vfs_write"))
            assert found.values[output.values[0]] == Read(ENTRY, NUMBER_OF_FUNCTION, size=0)


def test_the_names_of_several_functions_travel_once(btf: Btf) -> None:
    found = plan(btf, SEVERAL, "kprobe")
    line = json.dumps(found.as_json())
    assert line.count("vfs_write") == 1
    assert Plan.from_json(json.loads(line)) == found


@pytest.mark.parametrize(
    ("mode", "column", "message"),
    [
        ("kretprobe", "ret", "each function returns another type: trace one alone"),
        ("kretprobe", "ret as result", "each function returns another type: trace one alone"),
        ("kretprobe", "errno", "returns no errors by its type"),
        ("kprobe", "latency_ns", "it needs a mode that sees the return"),
        ("kprobe", "file", "not shown, as each function has others"),
        ("kprobe", "arg0", "not shown, as each function has others"),
    ],
)
def test_what_several_functions_do_not_share(
    btf: Btf, mode: str, column: str, message: str
) -> None:
    with pytest.raises(ProbedeckError, match=message):
        plan(btf, SEVERAL, mode, [column])


def test_several_functions_are_traced_by_kprobes(btf: Btf) -> None:
    with pytest.raises(ProbedeckError, match="in the mode kprobe, kretprobe, not 'fexit'"):
        plan(btf, SEVERAL, "fexit")


def test_one_function_has_no_column_for_its_name(planned: Callable[..., Plan]) -> None:
    with pytest.raises(ProbedeckError, match="has no function"):
        planned("vfs_read", ["function"])
