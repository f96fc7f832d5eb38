# SPDX-License-Identifier: Apache-2.0
"""A target as the kernel has it: what is hooked, and the values that expressions begin with."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from app.btf.format import BtfError, Kind
from app.btf.reader import Btf
from app.btf.type_paths import PathError, Paths, Place
from app.columns import starts
from app.columns.column import ALWAYS, AT_RETURN
from app.columns.expression import Cast, Element, ExpressionError, Member, Name, Value
from app.columns.plan import FUNCTIONS, Hook
from app.columns.starts import Start
from app.columns.trace_target import FUNCTION, KINDS, SYSCALL, TRACEPOINT, Target
from app.columns.user_pointers import words_from_user
from app.errors import ProbedeckError
from app.kernel import tracepoints
from app.linux import tracefs

FUNCTION_MODES = ("fentry", "fexit", "kprobe", "kretprobe")
MODES_OF = {
    FUNCTION: FUNCTION_MODES,
    SYSCALL: ("tracepoint",),
    TRACEPOINT: ("tracepoint",),
    FUNCTIONS: ("kprobe", "kretprobe"),
}
RETURN_MODES = ("fexit", "kretprobe")
RESULTS_DIFFER = "each function returns another type: trace one alone to see `ret`"
# System calls whose return the kernel does not report: a row at entry, by the tracepoint there.
# `exit` and `exit_group` end their thread (kernel/exit.c). The others restore registers that were
# saved before, and leave -1 where the call's number was (`orig_ax` in restore_sigcontext of
# arch/x86/kernel/signal_64.c and in arch/x86/kernel/uprobes.c, forget_syscall in
# arch/arm64/kernel/signal.c): the tracepoint at the exit is not called for that.
# The address decides whose memory a tracepoint's pointer is in; these calls take none.
WITHOUT_RETURN = ("exit", "exit_group", "rt_sigreturn", "sigreturn", "uprobe", "uretprobe")
CONTEXT_NAMES = ("ppid", "pcomm", "cgroup", "cpu")
OpenTracefs = Callable[[], AbstractContextManager[Path]]
_MAX_PATHS = 8  # the kernel and the latest modules


@dataclass(frozen=True)
class Subject:
    """A target as this kernel has it: what is hooked, and where expressions begin."""

    paths: Paths
    hook: Hook
    mode: str
    sees_return: bool
    arguments: tuple[Start, ...]
    result: Start | None

    @property
    def returns(self) -> bool:
        """Whether the target returns, seen or not; a tracepoint does not."""
        return self.hook.kind != TRACEPOINT

    def argument(self, name: str) -> Start | None:
        """Return the argument or field of this name; `ret` is a field's only in a tracepoint."""
        if name == "ret" and self.returns:
            return None
        return next((start for start in self.arguments if start.name == name), None)

    def start(self, name: str) -> Start:
        """Return the start of this name; raises PathError with near misses."""
        if name == "ret" and self.returns:
            return self._result()
        argument = self.argument(name)
        if argument is not None:
            return argument
        if name.startswith("arg") and name[3:].isdecimal() and len(name) <= len("arg99"):
            number = int(name[3:])
            if number < len(self.arguments):
                return self.arguments[number]
        if name == "current":
            return starts.current_task(self.paths)
        if name in (*ALWAYS, *AT_RETURN, *CONTEXT_NAMES):
            raise PathError(f"{name} is a column as it is: it has no fields and takes no renderer")
        known = [each.name for each in self.arguments]
        names = [*known, *(["ret"] if self.returns else []), "current"]
        near = tuple(difflib.get_close_matches(name, names, n=3))
        guess = f"; did you mean {' or '.join(near)}?" if near else "."
        what = "fields" if self.hook.kind == TRACEPOINT else "arguments"
        listed = ", ".join(known[:24]) or "none"
        if self.hook.kind == FUNCTION and not self.hook.function_id:
            listed = "not known, as no BTF says what it takes."
        if self.hook.kind == FUNCTIONS:
            listed = "not shown, as each function has others: trace one alone."
        raise PathError(f"{self.hook.name} has no {name}{guess} Its {what}: {listed}", near)

    def _result(self) -> Start:
        if not self.sees_return:
            modes = " or ".join(RETURN_MODES)
            raise PathError(
                f"`ret` is not known here: it needs a mode that sees the return: {modes}"
            )
        if self.hook.kind == FUNCTIONS:
            raise PathError(RESULTS_DIFFER)
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
        raise refused("kind", f"must be one of {', '.join(KINDS)}")
    if mode not in MODES_OF[target.kind]:
        modes = ", ".join(MODES_OF[target.kind])
        raise refused("mode", f"a {target.kind} is traced in the mode {modes}, not {mode!r}")
    paths = _paths_of(btf)
    if target.kind == FUNCTION:
        return _function(paths, target, mode)
    if target.kind == FUNCTIONS:
        hook = Hook(FUNCTIONS, target.name, functions=target.functions)
        return Subject(paths, hook, mode, mode in RETURN_MODES, (), None)
    with open_tracefs() as folder:
        if target.kind == SYSCALL and target.name not in WITHOUT_RETURN:
            fields = tracepoints.syscall_fields(folder, target.name)
            arguments, result = starts.of_syscall(paths, fields)
            hook = Hook(SYSCALL, target.name)
            return Subject(paths, hook, mode, True, tuple(arguments), result)
        event = target.name
        if target.kind == SYSCALL:
            event = f"syscalls:sys_enter_{target.name}"
        category, name, fields = tracepoints.tracepoint_fields(folder, event)
        if target.kind == SYSCALL:
            fields = tuple(field for field in fields if field.name != "__syscall_nr")
    hook = Hook(TRACEPOINT, name, category=category)  # also of a call in WITHOUT_RETURN
    return Subject(paths, hook, mode, False, tuple(starts.of_tracepoint(paths, fields)), None)


@lru_cache(maxsize=_MAX_PATHS)
def _paths_of(btf: Btf) -> Paths:
    """Return what was found in this BTF so far."""
    return Paths(btf)


def _function(paths: Paths, target: Target, mode: str) -> Subject:
    if target.is_undescribed and mode in ("kprobe", "kretprobe"):
        hook = Hook(FUNCTION, target.name, module=target.module)
        return Subject(paths, hook, mode, mode in RETURN_MODES, (), None)
    function_id = target.function_id or paths.find(Kind.FUNC, target.name)
    if not function_id or paths.btf.name(function_id) != target.name:
        where = f"module {target.module}" if target.module else "the kernel"
        raise refused("function", f"the BTF of {where} has no function {target.name[:128]!r}")
    prototype = paths.btf.target(function_id)
    if paths.btf.kind(prototype) != Kind.FUNC_PROTO:
        raise BtfError(f"function {target.name} has no prototype")
    arguments, result = starts.of_function(paths, prototype, mode)
    words = starts.argument_words(paths, prototype)
    given = [
        (start.name, start.place.type.type_id, start.place.base)
        for start in arguments
        if start.place is not None
    ]
    hook = Hook(
        FUNCTION,
        target.name,
        function_id,
        target.module,
        argument_words=words,
        user_words=words_from_user(paths.btf, target.name, given),
    )
    return Subject(paths, hook, mode, mode in RETURN_MODES, tuple(arguments), result)


def refused(where: str, message: str) -> ProbedeckError:
    """Return 422 `invalid` about one part of a target."""
    return ProbedeckError(
        422, "invalid", f"{where}: {message}", errors=[{"field": where, "message": message}]
    )
