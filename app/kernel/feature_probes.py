# SPDX-License-Identifier: Apache-2.0
"""Feature probes: try on the kernel what a mode needs, with the smallest program that shows it.

Each probe loads and attaches for real, calls the traced functions, and closes everything before
it returns, or has its caller do so; the kernel removes programs and attachments with their last
descriptor. A probe raises RefusedError, never a bare OSError, when the kernel refuses, and
SilentError when the kernel accepts the programs but does not run them.
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
_ATTEMPTS = 5  # one call may go unseen: the kernel skips a program already running on this CPU

# Reads eight bytes at kernel address 0, which fails harmlessly at run time. A kernel in lockdown
# `confidentiality` refuses to load programs that could read its memory.
_READ_KERNEL = (
    bpf.instruction(0xBF, dst=1, src=10)  # r1 = frame
    + bpf.instruction(0x07, dst=1, immediate=-8)  # r1 += -8
    + bpf.instruction(0xB7, dst=2, immediate=8)  # r2 = 8
    + bpf.instruction(0xB7, dst=3, immediate=0)  # r3 = 0
    + bpf.instruction(0x85, immediate=_HELPER_PROBE_READ_KERNEL)  # call
)


def _set_ran(ran: int, index: int, result: int) -> bytes:
    """Return the end of a program: set element `index` of the map `ran` to 1, return `result`."""
    return (
        bpf.instruction(0x62, dst=10, offset=-4, immediate=index)  # *(u32 *)(frame - 4) = index
        + bpf.instruction(0x62, dst=10, offset=-8, immediate=1)  # *(u32 *)(frame - 8) = 1
        + bpf.instruction(0x18, dst=1, src=_PSEUDO_MAP_FD, immediate=ran)  # r1 = ran
        + bpf.instruction(0)  # (its upper half)
        + bpf.instruction(0xBF, dst=2, src=10)  # r2 = &index
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
# Public, as a kernel without kprobes is recognised before a feature probe.
KPROBES = "run a kernel built with CONFIG_KPROBES, CONFIG_KPROBE_EVENTS and CONFIG_BPF_EVENTS"
_TRACEPOINTS = "run a kernel built with CONFIG_FTRACE_SYSCALLS and CONFIG_BPF_EVENTS"


class RefusedError(Exception):
    """The kernel refused an action.

    `cause` is its answer; `needs` says what kernel is needed if permission is not the cause.
    """

    def __init__(self, action: str, cause: OSError, needs: str) -> None:
        self.cause = cause
        self.needs = needs
        super().__init__(f"the kernel refused to {action}: {describe_error(cause)}")


class SilentError(Exception):
    """Programs are attached but do not run when the traced function is called."""

    def __init__(self, missing: Sequence[str]) -> None:
        self.missing = missing
        super().__init__(f"not seen to run: {', '.join(missing)}")


def describe_error(error: OSError) -> str:
    """Return `EPERM, Operation not permitted`, with the verifier's complaint if there is one."""
    number = error.errno
    if number is None:
        return str(error)
    words = f"{error_name(number)}, {os.strerror(number)}"
    log = error.log.strip() if isinstance(error, bpf.ProgramRefusedError) else ""
    # The complaint is the last line before the statistics; Linux 7 adds paragraphs of explanation.
    first = log.split("\n\n")[0].splitlines()
    complaints = [line for line in first if not line.startswith("processed ")]
    return f"{words} (verifier: {complaints[-1]})" if complaints else words


def error_name_of(error: OSError) -> str | None:
    """Return the name of the error's number, or None without a number."""
    return None if error.errno is None else error_name(error.errno)


def error_name(number: int) -> str:
    """Return `EPERM` for 1; also ENOTSUPP, a kernel-internal number that some calls return."""
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


def trampolines(function: str, btf_id: int, at_return: bool, reached_by: str) -> None:
    """Attach tracing programs to a function's entry, and return if asked, and see them run, as the
    system call `reached_by` calls it."""
    attach_types = [(bpf.ATTACH_TRACE_FENTRY, "fentry", "entry")]
    if at_return:
        attach_types.append((bpf.ATTACH_TRACE_FEXIT, "fexit", "return"))
    with ExitStack() as stack:
        ran = _make_ran_map(stack, len(attach_types))
        for index, (attach_type, name, _) in enumerate(attach_types):
            with _refusal("load a tracing program (BPF_PROG_TYPE_TRACING)", _TRACING):
                program = bpf.load_program(
                    bpf.PROG_TYPE_TRACING,
                    _READ_KERNEL + _set_ran(ran, index, 0),
                    name=_NAME,
                    attach_type=attach_type,
                    attach_btf_id=btf_id,
                )
                stack.callback(os.close, program)
            with _refusal(f"attach a tracing program to {function} ({name})", _TRACING):
                stack.callback(os.close, bpf.open_raw_tracepoint(program))
        sides = [f"the {side} of {function}" for _, _, side in attach_types]
        _require_runs(ran, sides, [reached_by])


def kprobes(function: str, kernel_version: int, at_return: bool, reached_by: str) -> None:
    """Attach kprobe programs to a function's entry, and return if asked, and see them run, as the
    system call `reached_by` calls it."""
    kinds = ["kprobe", "kretprobe"] if at_return else ["kprobe"]
    sides = ["entry", "return"][: len(kinds)]
    with ExitStack() as stack:
        ran = _make_ran_map(stack, len(kinds))
        for index, kind in enumerate(kinds):
            with _refusal("load a kprobe program (BPF_PROG_TYPE_KPROBE)", KPROBES):
                program = bpf.load_program(
                    bpf.PROG_TYPE_KPROBE,
                    _READ_KERNEL + _set_ran(ran, index, 0),
                    name=_NAME,
                    kernel_version=kernel_version,
                )
                stack.callback(os.close, program)
            with _refusal(f"set a {kind} on {function} (perf_event_open)", KPROBES):
                event = stack.enter_context(perf_events.kprobe_event(function, kind == "kretprobe"))
            with _refusal(f"attach a BPF program to a {kind} on {function}", KPROBES):
                perf_events.attach_program(event, program)
        _require_runs(ran, [f"the {side} of {function}" for side in sides], [reached_by])


def tracepoints(tracefs: Path, calls: Sequence[str], attached: ExitStack | None = None) -> None:
    """Attach programs to the entry and exit tracepoints of system calls, and see them run.

    With `attached`, that closes them: the kernel waits up to 70 ms for each tracepoint, until no
    CPU runs its programs (tracepoint_synchronize_unregister).
    """
    names = [f"sys_{side}_{call}" for call in calls for side in ("enter", "exit")]
    with ExitStack() as stack:
        ran = _make_ran_map(stack, len(names))
        for index, name in enumerate(names):
            with _refusal("load a tracepoint program (BPF_PROG_TYPE_TRACEPOINT)", _TRACEPOINTS):
                program = bpf.load_program(
                    bpf.PROG_TYPE_TRACEPOINT,
                    _set_ran(
                        ran, index, 1
                    ),  # 0 would hide the event from all perf users: see bpf/template/layout.c
                    name=_NAME,
                )
                stack.callback(os.close, program)
            with _refusal(f"give access to the tracepoint syscalls:{name}", _TRACEPOINTS):
                event_id = tracepoint_id(tracefs, "syscalls", name)
            with _refusal(f"open the tracepoint syscalls:{name} (perf_event_open)", _TRACEPOINTS):
                event = stack.enter_context(perf_events.tracepoint_event(event_id))
            with _refusal(f"attach a BPF program to the tracepoint syscalls:{name}", _TRACEPOINTS):
                perf_events.attach_program(event, program)
        _require_runs(ran, names, calls)
        if attached is not None:
            attached.push(stack.pop_all())


def _make_ran_map(stack: ExitStack, count: int) -> int:
    """Create a map with a number for each program, which the program sets when it runs."""
    with _refusal("create a map (BPF_MAP_TYPE_ARRAY)", _RING_BUFFER):
        ran = bpf.create_map(bpf.MAP_TYPE_ARRAY, 4, 4, count, _NAME)
    stack.callback(os.close, ran)
    return ran


def _require_runs(ran: int, hooks: Sequence[str], calls: Sequence[str]) -> None:
    """Make the calls, which fail; raise SilentError for the hooks whose programs do not run."""
    missing = list(hooks)
    for _ in range(_ATTEMPTS):
        for call in calls:
            with _refusal(f"take the system call {call}", _RING_BUFFER):
                fail_to(call, 0)
        missing = [
            name
            for index, name in enumerate(hooks)
            if bpf.map_lookup(ran, index.to_bytes(4, "little"), 4) == bytes(4)
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
