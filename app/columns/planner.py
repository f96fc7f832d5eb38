# SPDX-License-Identifier: Apache-2.0
"""From a target, a mode and the kernel's BTF to a plan (docs/columns.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from app.btf.format import Kind
from app.btf.reader import Btf
from app.btf.type_paths import PathError, Paths, Place
from app.columns import starts
from app.columns.column import ALWAYS, AT_RETURN, CALLER, JOINING_WORDS, Column
from app.columns.expression import (
    MAX_COLUMNS,
    Expression,
    ExpressionError,
    Name,
    Value,
    parse,
    start_of,
)
from app.columns.kernel_offsets import kernel_offsets
from app.columns.names import ERRORS
from app.columns.plan import (
    CGROUP,
    DENTRY,
    ENTRY,
    FUNCTIONS,
    NUMBER_OF_FUNCTION,
    PATH,
    RETURN,
    Output,
    Plan,
    Read,
)
from app.columns.rendering import Rendering, is_in_record
from app.columns.slots import FullError, Slots, at_entry_first
from app.columns.starts import Start
from app.columns.subject import (
    CONTEXT_NAMES,
    RESULTS_DIFFER,
    OpenTracefs,
    Subject,
    refused,
    subject_of,
)
from app.columns.trace_target import FUNCTION, Target
from app.columns.types import by_renderer, by_type, has_fields
from app.errors import ProbedeckError
from app.linux import tracefs

LATENCY = Column("latency_ns", "uint64", "Latency", "Time from entry to return", unit="ns")
MAX_RESULT_FIELDS = 8  # of a struct that is returned; else it is shown as one number
# Context columns that are made of fields of the current task.
_TASK_VALUES = {"ppid": ("real_parent", "tgid"), "pcomm": ("real_parent", "group_leader", "comm")}
_NOT_YET = {
    "container": "a container's name cannot be read; `cgroup` tells containers apart",
    "kstack": "stacks are not available yet",
    "ustack": "stacks are not available yet",
}


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


@dataclass
class _Builder:
    """Collects the outputs of a plan, and each value and text once."""

    subject: Subject
    slots: Slots = field(default_factory=Slots)
    outputs: list[Output] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.names.update(ALWAYS)
        if self.subject.sees_return:
            self.names.update(AT_RETURN)

    def plan(self) -> Plan:
        """Return the plan of all columns added, between those that every probe has."""
        subject = self.subject
        needs_walk = any(text.kind in (PATH, DENTRY) for text in self.slots.texts)
        texts, outputs = at_entry_first(self.slots.texts, self.outputs)
        return Plan(
            hook=subject.hook,
            mode=subject.mode,
            sees_return=subject.sees_return,
            values=tuple(self.slots.values),
            texts=texts,
            outputs=(*(Output(each, "head") for each in CALLER), *outputs),
            kernel_offsets=kernel_offsets(subject.paths, needs_walk=needs_walk),
        )

    def add_wanted(self, columns: Sequence[str]) -> None:
        """Add the columns of these expressions, then the result's; raises ProbedeckError."""
        if len(columns) > MAX_COLUMNS:
            raise refused("columns", f"{len(columns)} columns; at most {MAX_COLUMNS} are accepted")
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
            except FullError as error:
                message = f"{text!r} is one too many: {error}"
                faults.append({"field": f"columns.{number}", "message": message})
                break
        if faults:
            detail = " ".join(f"{each['field']}: {each['message']}" for each in faults)
            raise ProbedeckError(422, "invalid", detail, errors=faults)
        self.outputs += result

    def add_defaults(self) -> None:
        """Add each argument by its type, then the result's columns.

        What cannot be read is left out. Where room runs short, later ones are shown as a number,
        an address or bytes, so that as many as can be are shown.
        """
        if self.subject.hook.kind == FUNCTIONS:
            self._add_function("function")
        result = self._result_outputs(by_its_type=True)
        arguments = self.subject.arguments
        choices = [list(self._choices(start)) for start in arguments]
        ways = [[[each for _, each in choice] for choice in one] for one in choices]
        for start, one, way in zip(arguments, choices, self.slots.best(ways), strict=True):
            for name, rendering in [] if way is None else one[way]:
                self._add(self._free(name), start.declaration, start.at, rendering)
        self.outputs += result

    def _choices(self, start: Start) -> Iterator[list[tuple[str, Rendering]]]:
        """Yield ways to show an argument: by its type, then as a number or address, or bytes."""
        if start.whole:
            yield [(start.name, start.whole)]
        if start.place is None:
            return
        try:
            yield list(self._renderings(start.name, start.place, start.at))
        except PathError:
            pass  # not to be shown by its type: as a number, or not at all
        for renderer in ("hex", "bytes") if is_in_record(start.place) else ("hex",):
            try:
                rendering = by_renderer(self.subject.paths, renderer, None, start.place, start.at)
            except PathError:
                continue
            yield [(start.name, rendering)]
            return

    def _free(self, name: str) -> str:
        """Return the name of a column by default, which no other column has."""
        name = self._own(name)
        while name in self.names:
            name = f"arg_{name}"
        return name

    def _own(self, name: str) -> str:
        """Return the name of a column without `as`: `arg_pid` where `pid` has its own meaning."""
        has_meaning = name in ALWAYS or (name in AT_RETURN and self.subject.sees_return)
        return f"arg_{name}" if has_meaning or name.lower() in JOINING_WORDS else name

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
        is_alone = isinstance(value, Name) and expression.renderer is None
        if isinstance(value, Name) and is_alone and self._add_built_in(value, expression.alias):
            return
        start = self._start(value)
        if start.whole and isinstance(value, Name):
            if expression.renderer not in (None, "str"):
                raise ExpressionError(f"{value.name} is a text: write {value.name} alone")
            name = self._name(expression)
            self._claim(expression, name)
            self._add(name, start.declaration, start.at, start.whole)
            return
        place = subject.place(value)
        declaration = subject.paths.text(place.type, place.name)
        try:
            if expression.renderer:
                size = expression.size
                rendering = by_renderer(subject.paths, expression.renderer, size, place, start.at)
                found = [(self._name(expression), rendering)]
            else:
                found = list(self._renderings(self._name(expression), place, start.at))
        except PathError as error:
            raise ExpressionError(error.message, value.position, error.near) from None
        for name, rendering in found:
            self._claim(expression, name)
            self._add(name, declaration, start.at, rendering)

    def _name(self, expression: Expression) -> str:
        return expression.alias or self._own(expression.name)

    def _start(self, value: Value) -> Start:
        name = start_of(value)
        try:
            return self.subject.start(name.name)
        except PathError as error:
            raise ExpressionError(error.message, name.position, error.near) from None

    def _add_built_in(self, value: Name, alias: str | None) -> bool:
        """Add a column that is no argument's; return whether it is one, or is always there."""
        name = value.name
        if self.subject.argument(name) is not None:
            return False
        if name in ALWAYS or (name in AT_RETURN and (name != "ret" or alias is None)):
            if alias not in (None, name):
                raise ExpressionError(f"{name} cannot be renamed", value.position)
            if name in AT_RETURN:
                self._check_return(value)
            return True
        return self._add_context(value, alias or name)

    def _check_return(self, value: Name) -> None:
        if not self.subject.returns:
            raise ExpressionError(
                f"{value.name} is not known here: {self.subject.hook.name} has no return",
                value.position,
            )
        if not self.subject.sees_return:
            raise ExpressionError(
                f"{value.name} is not known here: it needs a mode that sees the return",
                value.position,
            )
        if value.name == "errno" and "errno" not in self._result_names():
            raise ExpressionError(
                f"{self.subject.hook.name} returns no errors by its type", value.position
            )
        hook = self.subject.hook
        if value.name == "ret" and hook.kind == FUNCTION and not hook.function_id:
            raise ExpressionError(f"no BTF says what {hook.name} returns", value.position)
        if value.name == "ret" and hook.kind == FUNCTIONS:
            raise ExpressionError(RESULTS_DIFFER, value.position)
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
        """Add a context column; return whether it is one."""
        if value.name in _NOT_YET:
            raise ExpressionError(_NOT_YET[value.name], value.position)
        if value.name == "function" and self.subject.hook.kind == FUNCTIONS:
            self._claim_name(name, value.position)
            self._add_function(name)
            return True
        if value.name not in CONTEXT_NAMES:
            return False
        if value.name == "cpu" and name != "cpu":
            raise ExpressionError("cpu cannot be renamed", value.position)
        self._claim_name(name, value.position)
        if value.name == "cpu":
            help_ = "Number of the CPU at entry"
            self.outputs.append(Output(Column("cpu", "uint32", "CPU", help_), "head"))
        elif value.name == "cgroup":
            help_ = "Number of the cgroup (version 2) of the current task: its directory's inode"
            index = self.slots.value(Read(ENTRY, CGROUP, size=0))
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

    def _add_function(self, name: str) -> None:
        """Add the name of the function that was called, of several."""
        self.names.add(name)
        column = Column(name, "text", name, "The function that was called")
        number = self.slots.value(Read(ENTRY, NUMBER_OF_FUNCTION, size=0))
        names = tuple(enumerate(self.subject.hook.functions))
        self.outputs.append(Output(column, "label", (number,), names=names))

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
                tuple(self.slots.value(each) for each in rendering.values),
                tuple(self.slots.text(each) for each in rendering.texts),
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
            self.outputs.append(Output(column, "error", values=(self.slots.value(value),)))


def _may_fault(read: Read) -> bool:
    return bool(read.derefs) or read.size > 0


def _may_fail(paths: Paths, place: Place) -> bool:
    """Return whether a return type may hold errors: a signed int or long, or a pointer."""
    kind = paths.kind(place.type)
    if kind == Kind.PTR:
        return True
    return kind == Kind.INT and paths.is_signed(place.type) and paths.size(place.type) in (4, 8)


def _other(name: str) -> str:
    return f"{name.replace('.', '_')}_2"
