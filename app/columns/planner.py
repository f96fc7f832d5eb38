# SPDX-License-Identifier: Apache-2.0
"""From a target, a mode and the kernel's BTF to a plan (docs/columns.md)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from app.btf.format import BtfError, Kind
from app.btf.reader import Btf
from app.btf.type_paths import PathError, Paths, Place
from app.columns import starts
from app.columns.column import CALLER, Column
from app.columns.expression import (
    MAX_COLUMNS,
    Cast,
    Element,
    Expression,
    ExpressionError,
    Member,
    Name,
    Value,
    parse,
    start_of,
)
from app.columns.names import ERRORS
from app.columns.plan import (
    CGROUP,
    DENTRY,
    ENTRY,
    MAX_DEREFS,
    MAX_TEXTS,
    MAX_VALUES,
    PATH,
    RETURN,
    Hook,
    Output,
    Plan,
    Read,
    Text,
)
from app.columns.starts import Start
from app.columns.trace_target import FUNCTION, KINDS, SYSCALL, TRACEPOINT, Target
from app.columns.types import Rendering, by_renderer, by_type, has_fields
from app.errors import ProbedeckError
from app.kernel import tracepoints
from app.linux import tracefs

FUNCTION_MODES = ("fentry", "fexit", "kprobe", "kretprobe")
MODES_OF = {FUNCTION: FUNCTION_MODES, SYSCALL: ("tracepoint",), TRACEPOINT: ("tracepoint",)}
RETURN_MODES = ("fexit", "kretprobe")
LATENCY = Column("latency_ns", "uint64", "Latency", "Time from entry to return", unit="ns")
MAX_RESULT_FIELDS = 8  # of a struct that is returned; else it is shown as one number
ALWAYS = tuple(column.name for column in CALLER)
AT_RETURN = ("ret", "errno", "latency_ns")
# Context columns that are made of fields of the current task.
_TASK_VALUES = {"ppid": ("real_parent", "tgid"), "pcomm": ("real_parent", "group_leader", "comm")}
_NOT_YET = {
    "container": "a container's name cannot be read; `cgroup` tells containers apart",
    "kstack": "stacks are not available yet",
    "ustack": "stacks are not available yet",
}
CONTEXT_NAMES = ("ppid", "pcomm", "cgroup", "cpu")

# What walking a path needs, in bytes: its name, and a field of a struct.
PATH_OFFSETS = {
    "PATH_MNT": ("path", "mnt"),
    "PATH_DENTRY": ("path", "dentry"),
    "MNT_ROOT": ("vfsmount", "mnt_root"),
    "MNT_SB": ("vfsmount", "mnt_sb"),
    "M_MNT": ("mount", "mnt"),
    "M_PARENT": ("mount", "mnt_parent"),
    "M_POINT": ("mount", "mnt_mountpoint"),
    "D_PARENT": ("dentry", "d_parent"),
    "D_NAME": ("dentry", "d_name.name"),
    "D_LEN": ("dentry", "d_name.len"),
    "D_SB": ("dentry", "d_sb"),
    "D_INODE": ("dentry", "d_inode"),
    "S_ROOT": ("super_block", "s_root"),
    "TASK_FS": ("task_struct", "fs"),
    "FS_ROOT": ("fs_struct", "root"),
    "FS_PWD": ("fs_struct", "pwd"),
}

OpenTracefs = Callable[[], AbstractContextManager[Path]]
_MAX_PATHS = 8  # the kernel and the latest modules


def plan(
    btf: Btf,
    target: Target,
    mode: str,
    columns: Sequence[str] | None = None,
    open_tracefs: OpenTracefs = tracefs.opened,
) -> Plan:
    """Return the plan for a target in a mode.

    `columns` are those of the target unless given; None for each argument and the return value.
    `btf` is that of the kernel, or of the target's module. Raises ProbedeckError 422 `invalid`
    with `errors`, by field and column; OSError where tracefs cannot be read.
    """
    subject = subject_of(btf, target, mode, open_tracefs)
    wanted = target.columns if columns is None else columns
    builder = _Builder(subject)
    if wanted is None:
        builder.add_defaults()
    else:
        builder.add_wanted(wanted)
    return builder.plan()


@dataclass(frozen=True)
class Subject:
    """A target as this kernel has it: what is hooked, and where expressions begin."""

    paths: Paths
    hook: Hook
    mode: str
    sees_return: bool
    arguments: tuple[Start, ...]
    result: Start | None

    def start(self, name: str) -> Start:
        """Return the start of this name; raises PathError with near misses."""
        if name == "ret":
            return self._result()
        for start in self.arguments:
            if start.name == name:
                return start
        if name.startswith("arg") and name[3:].isdecimal() and len(name) <= len("arg99"):
            number = int(name[3:])
            if number < len(self.arguments):
                return self.arguments[number]
        if name == "current":
            return starts.current_task(self.paths)
        known = [each.name for each in self.arguments]
        names = [*known, "ret", "current", *CONTEXT_NAMES]
        near = tuple(difflib.get_close_matches(name, names, n=3))
        guess = f"; did you mean {' or '.join(near)}?" if near else "."
        what = "fields" if self.hook.kind == TRACEPOINT else "arguments"
        listed = ", ".join(known[:24]) or "none"
        raise PathError(f"{self.hook.name} has no {name}{guess} Its {what}: {listed}", near)

    def _result(self) -> Start:
        if not self.sees_return:
            modes = "" if self.hook.kind == TRACEPOINT else f": {' or '.join(RETURN_MODES)}"
            raise PathError(f"`ret` is not known here: it needs a mode that sees the return{modes}")
        if self.result is None:
            raise PathError(f"{self.hook.name} returns nothing (void)")
        return self.result

    def place(self, value: Value) -> Place:
        """Return where a value is; raises ExpressionError with the position of the wrong step."""
        steps: list[Member | Element | Cast] = []
        while not isinstance(value, Name):
            steps.append(value)
            value = value.of
        try:
            start = self.start(value.name)
            if start.place is None:
                reason = start.reason or "it can only be shown as a whole"
                raise PathError(f"{value.name} has no fields and no number: {reason}")
            place = start.place
        except PathError as error:
            raise ExpressionError(error.message, value.position, error.near) from None
        for step in reversed(steps):
            try:
                place = self._step(place, step)
            except PathError as error:
                raise ExpressionError(error.message, step.position, error.near) from None
        return place

    def _step(self, place: Place, step: Member | Element | Cast) -> Place:
        if isinstance(step, Member):
            return self.paths.member(place, step.name)
        if isinstance(step, Element):
            return self.paths.element(place, step.number)
        return self.paths.cast(place, self.paths.named(step.keyword, step.type, step.pointers))


def subject_of(
    btf: Btf, target: Target, mode: str, open_tracefs: OpenTracefs = tracefs.opened
) -> Subject:
    """Return a target as this kernel has it; raises as `plan` does."""
    if target.kind not in KINDS:
        raise _refused("kind", f"must be one of {', '.join(KINDS)}")
    if mode not in MODES_OF[target.kind]:
        modes = ", ".join(MODES_OF[target.kind])
        raise _refused("mode", f"a {target.kind} is traced in the mode {modes}, not {mode!r}")
    paths = _paths_of(btf)
    if target.kind == FUNCTION:
        return _function(paths, target, mode)
    with open_tracefs() as folder:
        if target.kind == SYSCALL:
            fields = tracepoints.syscall_fields(folder, target.name)
            arguments, result = starts.of_syscall(paths, fields)
            hook = Hook(SYSCALL, target.name)
            return Subject(paths, hook, mode, True, tuple(arguments), result)
        category, name, fields = tracepoints.tracepoint_fields(folder, target.name)
    hook = Hook(TRACEPOINT, name, category=category)
    return Subject(paths, hook, mode, False, tuple(starts.of_tracepoint(paths, fields)), None)


@lru_cache(maxsize=_MAX_PATHS)
def _paths_of(btf: Btf) -> Paths:
    """Return what was found in this BTF so far."""
    return Paths(btf)


def _function(paths: Paths, target: Target, mode: str) -> Subject:
    function_id = target.function_id or paths.find(Kind.FUNC, target.name)
    if not function_id or paths.btf.name(function_id) != target.name:
        where = f"module {target.module}" if target.module else "the kernel"
        raise _refused("function", f"the BTF of {where} has no function {target.name[:128]!r}")
    prototype = paths.btf.target(function_id)
    if paths.btf.kind(prototype) != Kind.FUNC_PROTO:
        raise BtfError(f"function {target.name} has no prototype")
    arguments, result = starts.of_function(paths, prototype, mode)
    hook = Hook(FUNCTION, target.name, function_id, target.module)
    return Subject(paths, hook, mode, mode in RETURN_MODES, tuple(arguments), result)


class _FullError(Exception):
    """A plan has no place for a further value or text, or a value needs too many steps."""


@dataclass
class _Builder:
    """Collects the outputs of a plan, and each value and text once."""

    subject: Subject
    values: list[Read] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.names.update(ALWAYS)
        if self.subject.sees_return:
            self.names.update(AT_RETURN)

    def plan(self) -> Plan:
        """Return the plan of all columns added, between those that every probe has."""
        subject = self.subject
        needs_walk = any(text.kind in (PATH, DENTRY) for text in self.texts)
        return Plan(
            hook=subject.hook,
            mode=subject.mode,
            sees_return=subject.sees_return,
            values=tuple(self.values),
            texts=tuple(self.texts),
            outputs=(*(Output(each, "head") for each in CALLER), *self.outputs),
            kernel_offsets=path_offsets(subject.paths) if needs_walk else {},
        )

    def add_wanted(self, columns: Sequence[str]) -> None:
        """Add the columns of these expressions, then the result's; raises ProbedeckError."""
        if len(columns) > MAX_COLUMNS:
            raise _refused("columns", f"{len(columns)} columns; at most {MAX_COLUMNS} are accepted")
        faults = []
        # The result's values first, as `ret` is always shown. A pointer is shown by what it points
        # to only where that is wanted.
        result = self._result_outputs(by_its_type="ret" in [text.strip() for text in columns])
        for number, text in enumerate(columns):
            try:
                self._add_expression(parse(text))
            except ExpressionError as error:
                faults.append(
                    {
                        "field": f"columns.{number}",
                        "message": error.message,
                        "position": error.position,
                        "near": list(error.near),
                    }
                )
            except _FullError as error:
                message = f"{text!r} is one too many: {error}"
                faults.append({"field": f"columns.{number}", "message": message})
                break
        if faults:
            detail = " ".join(f"{each['field']}: {each['message']}" for each in faults)
            raise ProbedeckError(422, "invalid", detail, errors=faults)
        self.outputs += result

    def add_defaults(self) -> None:
        """Add each argument by its type, then the result's columns.

        What cannot be read is left out; what finds no place is shown as a number or address.
        """
        result = self._result_outputs(by_its_type=True)
        readable = [each for each in self.subject.arguments if each.place or each.whole]
        for number, start in enumerate(readable):
            left = len(readable) - number - 1  # each of those needs a value at most
            for choice in self._choices(start):
                if self._fits(choice, MAX_VALUES - left):
                    for name, rendering in choice:
                        self._add(self._free(name), start.declaration, start.at, rendering)
                    break
        self.outputs += result

    def _choices(self, start: Start) -> Iterator[list[tuple[str, Rendering]]]:
        """Yield ways to show an argument: by its type, then by number or address alone."""
        if start.whole:
            yield [(start.name, start.whole)]
        if start.place is None:
            return
        try:
            yield list(self._renderings(start.name, start.place, start.at))
        except PathError:
            pass  # not to be shown by its type: as a number, or not at all
        try:
            yield [
                (start.name, by_renderer(self.subject.paths, "hex", None, start.place, start.at))
            ]
        except PathError:
            return

    def _fits(self, choice: list[tuple[str, Rendering]], room: int) -> bool:
        values = {value for _, each in choice for value in each.values} - set(self.values)
        texts = {text for _, each in choice for text in each.texts} - set(self.texts)
        return len(self.values) + len(values) <= room and len(self.texts) + len(texts) <= MAX_TEXTS

    def _free(self, name: str) -> str:
        """Return the name of a column by default: `arg_pid` where `pid` has its own meaning."""
        return f"arg_{name}" if name in self.names else name

    def _renderings(self, name: str, place: Place, at: str) -> Iterator[tuple[str, Rendering]]:
        paths = self.subject.paths
        if not has_fields(paths, place):
            yield name, by_type(paths, place, at)
            return
        for each in paths.fields(place):
            try:
                yield f"{name}.{each.name}", by_type(paths, each.place, at)
            except PathError:
                yield f"{name}.{each.name}", by_renderer(paths, "hex", None, each.place, at)

    def _add_expression(self, expression: Expression) -> None:
        value, subject = expression.value, self.subject
        if isinstance(value, Name) and expression.renderer is None:
            if expression.alias is None and value.name in (*ALWAYS, *AT_RETURN):
                if value.name in AT_RETURN:
                    self._check_return(value)
                return
            if self._add_context(value, expression.name):
                return
        start = self._start(value)
        if start.whole and isinstance(value, Name):
            if expression.renderer not in (None, "str"):
                raise ExpressionError(f"{value.name} is a text: write {value.name} alone")
            self._claim(expression, expression.name)
            self._add(expression.name, start.declaration, start.at, start.whole)
            return
        place = subject.place(value)
        declaration = subject.paths.text(place.type, place.name)
        try:
            if expression.renderer:
                size = expression.size
                rendering = by_renderer(subject.paths, expression.renderer, size, place, start.at)
                found = [(expression.name, rendering)]
            else:
                found = list(self._renderings(expression.name, place, start.at))
        except PathError as error:
            raise ExpressionError(error.message, value.position, error.near) from None
        for name, rendering in found:
            self._claim(expression, name)
            self._add(name, declaration, start.at, rendering)

    def _start(self, value: Value) -> Start:
        name = start_of(value)
        try:
            return self.subject.start(name.name)
        except PathError as error:
            raise ExpressionError(error.message, name.position, error.near) from None

    def _check_return(self, value: Name) -> None:
        if not self.subject.sees_return:
            raise ExpressionError(
                f"{value.name} is not known here: it needs a mode that sees the return",
                value.position,
            )
        if value.name == "errno" and "errno" not in self._result_names():
            raise ExpressionError(
                f"{self.subject.hook.name} returns no errors by its type", value.position
            )
        if value.name == "ret" and self.subject.result is None:
            raise ExpressionError(
                f"{self.subject.hook.name} returns nothing (void)", value.position
            )

    def _result_names(self) -> list[str]:
        result = self.subject.result
        if result is None or result.place is None:
            return []
        return ["ret", "errno"] if _may_fail(self.subject.paths, result.place) else ["ret"]

    def _add_context(self, value: Name, name: str) -> bool:
        """Add a context column; return whether it is one. An argument of its name comes first."""
        if any(start.name == value.name for start in self.subject.arguments):
            return False
        if value.name in _NOT_YET:
            raise ExpressionError(_NOT_YET[value.name], value.position)
        if value.name not in CONTEXT_NAMES:
            return False
        self._claim_name(name, value.position)
        if value.name == "cpu":
            if name != "cpu":
                raise ExpressionError("cpu cannot be renamed", value.position)
            help_ = "Number of the CPU at entry"
            self.outputs.append(Output(Column("cpu", "uint32", "CPU", help_), "head"))
        elif value.name == "cgroup":
            help_ = "Number of the cgroup (version 2) of the current task: its directory's inode"
            index = self._value(Read(ENTRY, CGROUP, size=0))
            self.outputs.append(
                Output(Column(name, "uint64", name, help_), "number", values=(index,))
            )
        else:
            paths, place = self.subject.paths, starts.current_task(self.subject.paths).place
            assert place is not None
            for step in _TASK_VALUES[value.name]:
                place = paths.member(place, step)
            what = "Process id" if value.name == "ppid" else "Process name"
            rendering = by_type(paths, place, ENTRY)
            if value.name == "ppid":
                rendering = replace(rendering, type="uint32")
            self._add(name, f"{what} of the parent", ENTRY, rendering)
        return True

    def _claim(self, expression: Expression, name: str) -> None:
        self._claim_name(name, expression.value.position)

    def _claim_name(self, name: str, position: int) -> None:
        if name in self.names:
            hint = f"write `... as NAME` to rename it, such as `... as {_other(name)}`"
            raise ExpressionError(f"there is a column {name} already; {hint}", position)
        self.names.add(name)

    def _add(self, name: str, declaration: str, at: str, rendering: Rendering) -> None:
        column = Column(
            name=name,
            type=rendering.type,
            title=name,
            help=f"{declaration}, read at {at}",
            unit=rendering.unit,
            nullable=bool(rendering.texts) or any(_may_fault(each) for each in rendering.values),
            names=rendering.table,
            render=rendering.render,
        )
        self.names.add(name)
        self.outputs.append(
            Output(
                column,
                rendering.decoder,
                tuple(self._value(each) for each in rendering.values),
                tuple(self._text(each) for each in rendering.texts),
                rendering.names,
            )
        )

    def _result_outputs(self, *, by_its_type: bool) -> list[Output]:
        """Return the columns `ret`, `errno` and `latency_ns` of a mode that sees the return."""
        if not self.subject.sees_return:
            return []
        result, paths = self.subject.result, self.subject.paths
        before, self.outputs = self.outputs, []
        if result is not None and result.place is not None:
            try:
                renderings = list(self._renderings("ret", result.place, RETURN))
                is_pointer = paths.kind(result.place.type) == Kind.PTR
                if (is_pointer and not by_its_type) or len(renderings) > MAX_RESULT_FIELDS:
                    renderings = [("ret", by_renderer(paths, "hex", None, result.place, RETURN))]
                self._add_result(paths, result, result.place, renderings)
            except PathError:
                pass  # a type that cannot be shown, such as a float
        self.outputs.append(Output(LATENCY, "head"))
        found, self.outputs = self.outputs, before
        return found

    def _add_result(
        self, paths: Paths, result: Start, place: Place, renderings: list[tuple[str, Rendering]]
    ) -> None:
        may_fail = _may_fail(paths, place)
        for name, rendering in renderings:
            self._add(name, f"Return value: {result.declaration}", RETURN, rendering)
            if may_fail and rendering.decoder == "number":
                last = self.outputs[-1]
                column = replace(last.column, type="int64", names=ERRORS)
                self.outputs[-1] = replace(last, column=column)
        if may_fail:
            (value,) = by_renderer(paths, "hex", None, place, RETURN).values
            if paths.kind(place.type) != Kind.PTR:
                (value,) = by_type(paths, place, RETURN).values
            column = Column("errno", "text", "Error", "Error name", nullable=True, names=ERRORS)
            self.outputs.append(Output(column, "error", values=(self._value(value),)))

    def _value(self, read: Read) -> int:
        return _index(self.values, _within(read), MAX_VALUES, "values")

    def _text(self, text: Text) -> int:
        _within(text.address)
        return _index(self.texts, text, MAX_TEXTS, "texts")


_Item = TypeVar("_Item", Read, Text)


def _index(items: list[_Item], item: _Item, limit: int, what: str) -> int:
    if item not in items:
        if len(items) == limit:
            raise _FullError(f"a probe reads at most {limit} {what}")
        items.append(item)
    return items.index(item)


def _within(read: Read) -> Read:
    if len(read.derefs) > MAX_DEREFS:
        raise _FullError(f"it follows {len(read.derefs)} pointers, and at most {MAX_DEREFS} can be")
    return read


def _may_fault(read: Read) -> bool:
    return bool(read.derefs) or read.size > 0


def _may_fail(paths: Paths, place: Place) -> bool:
    """Return whether a return type may hold errors: a signed int or long, or a pointer."""
    kind = paths.kind(place.type)
    if kind == Kind.PTR:
        return True
    return kind == Kind.INT and paths.is_signed(place.type) and paths.size(place.type) in (4, 8)


def path_offsets(paths: Paths) -> dict[str, int]:
    """Return the offsets that walking a path needs; raises ProbedeckError 422 without them."""
    try:
        return {name: paths.offset(*where) for name, where in PATH_OFFSETS.items()}
    except PathError as error:
        raise _refused("columns", f"paths cannot be read on this kernel: {error}") from None


def _other(name: str) -> str:
    return f"{name.replace('.', '_')}_2"


def _refused(where: str, message: str) -> ProbedeckError:
    return ProbedeckError(
        422, "invalid", f"{where}: {message}", errors=[{"field": where, "message": message}]
    )
