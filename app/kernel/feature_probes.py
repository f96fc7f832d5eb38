# SPDX-License-Identifier: Apache-2.0
"""Trying on the kernel what a mode needs, with the smallest program that shows it.

Each trial loads and attaches for real, calls what it is attached to, and has closed everything
when it returns; the kernel takes programs and attachments away with their last descriptor. A
trial raises RefusedError, never a bare OSError, when the kernel says no, and SilentError when it
says yes and the programs do not run.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.linux import bpf, perf_events
from app.linux.syscalls import fail_to
from app.linux.tracefs import tracepoint_id

_NAME = "probedeck_check"
_HELPER_MAP_UPDATE = 2
_HELPER_PROBE_READ_KERNEL = 113
_PSEUDO_MAP_FD = 1
_CALLS = 5  # until a program has run: the kernel leaves one out that is running on this CPU

# Reads eight bytes at kernel address 0, which fails harmlessly when it runs. What it is for: a
# kernel in lockdown `confidentiality` refuses programs that could read its memory.
_READ_KERNEL = (
    bpf.instruction(0xBF, dst=1, src=10)  # r1 = frame
    + bpf.instruction(0x07, dst=1, immediate=-8)  # r1 += -8
    + bpf.instruction(0xB7, dst=2, immediate=8)  # r2 = 8
    + bpf.instruction(0xB7, dst=3, immediate=0)  # r3 = 0
    + bpf.instruction(0x85, immediate=_HELPER_PROBE_READ_KERNEL)  # call
)


def _marking(marks: int, place: int, result: int) -> bytes:
    """The end of a program: set a place of the map `marks` to 1, return `result`."""
    return (
        bpf.instruction(0x62, dst=10, offset=-4, immediate=place)  # *(u32 *)(frame - 4) = place
        + bpf.instruction(0x62, dst=10, offset=-8, immediate=1)  # *(u32 *)(frame - 8) = 1
        + bpf.instruction(0x18, dst=1, src=_PSEUDO_MAP_FD, immediate=marks)  # r1 = marks
        + bpf.instruction(0)  # (its upper half)
        + bpf.instruction(0xBF, dst=2, src=10)  # r2 = &place
        + bpf.instruction(0x07, dst=2, immediate=-4)
        + bpf.instruction(0xBF, dst=3, src=10)  # r3 = &1
        + bpf.instruction(0x07, dst=3, immediate=-8)
        + bpf.instruction(0xB7, dst=4)  # r4 = BPF_ANY
        + bpf.instruction(0x85, immediate=_HELPER_MAP_UPDATE)  # call
        + bpf.instruction(0xB7, immediate=result)  # r0 = result
        + bpf.instruction(0x95)  # exit
    )


_RING_BUFFER = "run Linux 5.8 or later, built with CONFIG_BPF_SYSCALL"
_TRACING = (
    "run a kernel built with CONFIG_DEBUG_INFO_BTF, CONFIG_BPF_JIT and "
    "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"
)
# Public, as a kernel without them is known before a trial.
KPROBES = "run a kernel built with CONFIG_KPROBES, CONFIG_KPROBE_EVENTS and CONFIG_BPF_EVENTS"
_TRACEPOINTS = "run a kernel built with CONFIG_FTRACE_SYSCALLS and CONFIG_BPF_EVENTS"


class RefusedError(Exception):
    """The kernel refused.

    `cause` is its answer, `needs` what else a kernel must have for it than permission.
    """

    def __init__(self, action: str, cause: OSError, needs: str) -> None:
        self.cause = cause
        self.needs = needs
        super().__init__(f"the kernel refused to {action}: {in_words(cause)}")


class SilentError(Exception):
    """Programs are attached and do not run when what they are attached to is called."""

    def __init__(self, missing: Sequence[str]) -> None:
        self.missing = missing
        super().__init__(f"not seen to run: {', '.join(missing)}")


def in_words(error: OSError) -> str:
    """`EPERM, Operation not permitted`, and what the verifier said last, if anything."""
    number = error.errno
    if number is None:
        return str(error)
    words = f"{error_name(number)}, {os.strerror(number)}"
    log = error.log.strip() if isinstance(error, bpf.ProgramRefusedError) else ""
    # The complaint comes last, before statistics; Linux 7 explains it in further paragraphs.
    first = log.split("\n\n")[0].splitlines()
    complaints = [line for line in first if not line.startswith("processed ")]
    return f"{words} (verifier: {complaints[-1]})" if complaints else words


def error_name_of(error: OSError) -> str | None:
    """The name of the error's number, if it has one."""
    return None if error.errno is None else error_name(error.errno)


def error_name(number: int) -> str:
    """`EPERM` for 1; also ENOTSUPP, which the kernel uses inside and lets out here and there."""
    return "ENOTSUPP" if number == 524 else errno.errorcode.get(number, f"errno {number}")


def ring_buffer() -> None:
    """Create a ring buffer map."""
    with (
        _refusal("create a ring buffer (BPF_MAP_TYPE_RINGBUF)", _RING_BUFFER),
        ExitStack() as stack,
    ):
        size_bytes = os.sysconf("SC_PAGE_SIZE")
        fd = bpf.create_map(bpf.MAP_TYPE_RINGBUF, 0, 0, size_bytes, _NAME)
        stack.callback(os.close, fd)


def trampolines(function: str, btf_id: int, at_return: bool) -> None:
    """Load tracing programs for a function, attach them, at its return too if asked, and see
    them run."""
    attach_types = [(bpf.ATTACH_TRACE_FENTRY, "fentry", "entry")]
    if at_return:
        attach_types.append((bpf.ATTACH_TRACE_FEXIT, "fexit", "return"))
    with ExitStack() as stack:
        marks = _make_marks(stack, len(attach_types))
        for place, (attach_type, name, _) in enumerate(attach_types):
            with _refusal("load a tracing program (BPF_PROG_TYPE_TRACING)", _TRACING):
                program = bpf.load_program(
                    bpf.PROG_TYPE_TRACING,
                    _READ_KERNEL + _marking(marks, place, 0),
                    name=_NAME,
                    attach_type=attach_type,
                    attach_btf_id=btf_id,
                )
                stack.callback(os.close, program)
            with _refusal(f"attach a tracing program to {function} ({name})", _TRACING):
                stack.callback(os.close, bpf.open_raw_tracepoint(program))
        _see_run(marks, [f"the {side} of {function}" for _, _, side in attach_types], ["unlinkat"])


def kprobes(function: str, kernel_version: int, at_return: bool) -> None:
    """Load kprobe programs, attach them to a function's entry, and return if asked, and see
    them run."""
    kinds = ["kprobe", "kretprobe"] if at_return else ["kprobe"]
    sides = ["entry", "return"][: len(kinds)]
    with ExitStack() as stack:
        marks = _make_marks(stack, len(kinds))
        for place, kind in enumerate(kinds):
            with _refusal("load a kprobe program (BPF_PROG_TYPE_KPROBE)", KPROBES):
                program = bpf.load_program(
                    bpf.PROG_TYPE_KPROBE,
                    _READ_KERNEL + _marking(marks, place, 0),
                    name=_NAME,
                    kernel_version=kernel_version,
                )
                stack.callback(os.close, program)
            with _refusal(f"set a {kind} on {function} (perf_event_open)", KPROBES):
                event = stack.enter_context(perf_events.kprobe_event(function, kind == "kretprobe"))
            with _refusal(f"attach a BPF program to a {kind} on {function}", KPROBES):
                perf_events.attach_program(event, program)
        _see_run(marks, [f"the {side} of {function}" for side in sides], ["unlinkat"])


def tracepoints(tracefs: Path, calls: Sequence[str]) -> None:
    """Load tracepoint programs, attach them to the entry and exit of each of these system calls,
    and see them run."""
    names = [f"sys_{side}_{call}" for call in calls for side in ("enter", "exit")]
    with ExitStack() as stack:
        marks = _make_marks(stack, len(names))
        for place, name in enumerate(names):
            with _refusal("load a tracepoint program (BPF_PROG_TYPE_TRACEPOINT)", _TRACEPOINTS):
                program = bpf.load_program(
                    bpf.PROG_TYPE_TRACEPOINT,
                    _marking(marks, place, 1),  # 0 would hide the event from all perf users
                    name=_NAME,
                )
                stack.callback(os.close, program)
            with _refusal(f"give access to the tracepoint syscalls:{name}", _TRACEPOINTS):
                event_id = tracepoint_id(tracefs, "syscalls", name)
            with _refusal(f"open the tracepoint syscalls:{name} (perf_event_open)", _TRACEPOINTS):
                event = stack.enter_context(perf_events.tracepoint_event(event_id))
            with _refusal(f"attach a BPF program to the tracepoint syscalls:{name}", _TRACEPOINTS):
                perf_events.attach_program(event, program)
        _see_run(marks, names, calls)


def _make_marks(stack: ExitStack, count: int) -> int:
    """A map with a number for each program, which is set when it runs."""
    with _refusal("create a map (BPF_MAP_TYPE_ARRAY)", _RING_BUFFER):
        marks = bpf.create_map(bpf.MAP_TYPE_ARRAY, 4, 4, count, _NAME)
    stack.callback(os.close, marks)
    return marks


def _see_run(marks: int, places: Sequence[str], calls: Sequence[str]) -> None:
    """Make the calls, which fail; raises SilentError when a program does not run then."""
    missing = list(places)
    for _ in range(_CALLS):
        for call in calls:
            with _refusal(f"take the system call {call}", _RING_BUFFER):
                fail_to(call, 0)
        missing = [
            name
            for place, name in enumerate(places)
            if bpf.map_lookup(marks, place.to_bytes(4, "little"), 4) == bytes(4)
        ]
        if not missing:
            return
    raise SilentError(missing)


@contextmanager
def _refusal(action: str, needs: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RefusedError(action, error, needs) from error
