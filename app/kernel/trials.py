# SPDX-License-Identifier: Apache-2.0
"""Trying on the kernel what a mode needs, with the smallest program that shows it.

Each trial loads and attaches for real, and has closed everything when it returns; the kernel
takes programs and attachments away with their last descriptor. A trial raises
RefusedError, never a bare OSError, when the kernel says no.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.kernel import bpf, perf
from app.kernel.tracefs import tracepoint_id

_NAME = "probedeck_check"
_HELPER_PROBE_READ_KERNEL = 113

_RETURN_0 = bpf.instruction(0xB7) + bpf.instruction(0x95)  # r0 = 0; exit
# Reads eight bytes at kernel address 0, which fails harmlessly when it runs. What it is for: a
# kernel in lockdown `confidentiality` refuses programs that could read its memory.
_READ_KERNEL = (
    bpf.instruction(0xBF, dst=1, src=10)  # r1 = frame
    + bpf.instruction(0x07, dst=1, immediate=-8)  # r1 += -8
    + bpf.instruction(0xB7, dst=2, immediate=8)  # r2 = 8
    + bpf.instruction(0xB7, dst=3, immediate=0)  # r3 = 0
    + bpf.instruction(0x85, immediate=_HELPER_PROBE_READ_KERNEL)  # call
    + _RETURN_0
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
    """Load tracing programs for a function and attach them, at its return too if asked."""
    attach_types = [(bpf.ATTACH_TRACE_FENTRY, "fentry")]
    if at_return:
        attach_types.append((bpf.ATTACH_TRACE_FEXIT, "fexit"))
    with ExitStack() as stack:
        for attach_type, name in attach_types:
            with _refusal("load a tracing program (BPF_PROG_TYPE_TRACING)", _TRACING):
                program = bpf.load_program(
                    bpf.PROG_TYPE_TRACING,
                    _READ_KERNEL,
                    name=_NAME,
                    attach_type=attach_type,
                    attach_btf_id=btf_id,
                )
                stack.callback(os.close, program)
            with _refusal(f"attach a tracing program to {function} ({name})", _TRACING):
                stack.callback(os.close, bpf.open_raw_tracepoint(program))


def kprobes(function: str, kernel_version: int, at_return: bool) -> None:
    """Load a kprobe program, and attach it to a function's entry, and return if asked."""
    with ExitStack() as stack:
        with _refusal("load a kprobe program (BPF_PROG_TYPE_KPROBE)", KPROBES):
            program = bpf.load_program(
                bpf.PROG_TYPE_KPROBE, _READ_KERNEL, name=_NAME, kernel_version=kernel_version
            )
            stack.callback(os.close, program)
        for returning in (False, True) if at_return else (False,):
            kind = "kretprobe" if returning else "kprobe"
            with _refusal(f"set a {kind} on {function} (perf_event_open)", KPROBES):
                event = stack.enter_context(perf.kprobe_event(function, returning))
            with _refusal(f"attach a BPF program to a {kind} on {function}", KPROBES):
                perf.attach_program(event, program)


def tracepoints(tracefs: Path, category: str, names: Sequence[str]) -> None:
    """Load a tracepoint program and attach it to each of the tracepoints."""
    with ExitStack() as stack:
        with _refusal("load a tracepoint program (BPF_PROG_TYPE_TRACEPOINT)", _TRACEPOINTS):
            program = bpf.load_program(bpf.PROG_TYPE_TRACEPOINT, _RETURN_0, name=_NAME)
            stack.callback(os.close, program)
        for name in names:
            with _refusal(f"give access to the tracepoint {category}:{name}", _TRACEPOINTS):
                event_id = tracepoint_id(tracefs, category, name)
            with _refusal(f"open the tracepoint {category}:{name} (perf_event_open)", _TRACEPOINTS):
                event = stack.enter_context(perf.tracepoint_event(event_id))
            with _refusal(
                f"attach a BPF program to the tracepoint {category}:{name}", _TRACEPOINTS
            ):
                perf.attach_program(event, program)


@contextmanager
def _refusal(action: str, needs: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RefusedError(action, error, needs) from error
