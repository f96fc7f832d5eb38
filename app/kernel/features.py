# SPDX-License-Identifier: Apache-2.0
"""Which modes the running kernel allows: tested by loading and attaching, never by version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.btf.format import BtfError, Kind
from app.btf.reader import Btf
from app.errors import ProbedeckError
from app.kernel import feature_probes
from app.kernel.availability import Availability
from app.kernel.bcc_headers import find_headers
from app.kernel.bcc_presence import bcc_problem
from app.kernel.build import running_version_code
from app.kernel.hints import hint_for, why_off, why_silent
from app.kernel.symbols import Resolution, TextSymbols, resolve_in_btf, resolve_in_symbols
from app.linux import bpf, perf_events, tracefs
from app.linux.paths import UnusablePathError

_BTF_HINT = "run a kernel built with CONFIG_DEBUG_INFO_BTF"
_FUNCTION_HINT = "the mode `tracepoint` needs no function of the kernel's own"
_TRACEFS_HINT = "run as root on a kernel built with CONFIG_FTRACE and CONFIG_FTRACE_SYSCALLS"


@dataclass(frozen=True)
class Problem:
    """Why something cannot be used; the members are those of Availability."""

    reason: str
    hint: str | None
    errno: str | None = None


def check_modes(
    functions: Sequence[str],
    syscalls: Sequence[str],
    *,
    reached_by: str,
    btf: Btf | Problem,
    symbols: TextSymbols | Problem,
    btf_path: Path,
    cache_dir: Path,
    open_tracefs: Callable[[], AbstractContextManager[Path]] = tracefs.opened,
    attached: ExitStack | None = None,
) -> dict[str, Availability]:
    """Ask the kernel about each mode.

    `functions` are candidates for the function to trace; the first that exists is taken, and the
    system call `reached_by` calls it.
    `syscalls` are the system calls whose tracepoints are needed. `open_tracefs` gives a path of
    tracefs or raises OSError. Makes the include tree for BCC, and leaves nothing in the kernel but
    what `attached`, if given, closes.
    """
    bpf.allow_locked_memory()
    common = (
        _try("", feature_probes.ring_buffer)
        or _headers_problem(btf_path, cache_dir)
        or _bcc_problem()
    )
    kprobe_function = _kprobe_function(functions, btf, symbols)
    return {
        "fentry": _trampolines(functions, reached_by, btf, False, common),
        "fexit": _trampolines(functions, reached_by, btf, True, common),
        "kprobe": _kprobes(kprobe_function, reached_by, False, common),
        "kretprobe": _kprobes(kprobe_function, reached_by, True, common),
        "tracepoint": _tracepoints(syscalls, open_tracefs, common, attached),
    }


def _trampolines(
    functions: Sequence[str],
    reached_by: str,
    btf: Btf | Problem,
    at_return: bool,
    common: Problem | None,
) -> Availability:
    if isinstance(btf, Problem):
        return _answer(None, btf)
    found = resolve_in_btf(functions, btf)
    type_id = btf.find(Kind.FUNC, found.function) if found.function else None
    if found.function is None or type_id is None:
        return _answer(None, _not_found(found))
    probe = partial(feature_probes.trampolines, found.function, type_id, at_return, reached_by)
    return _answer(found.function, _try("fexit" if at_return else "fentry", probe) or common)


def _kprobe_function(
    functions: Sequence[str], btf: Btf | Problem, symbols: TextSymbols | Problem
) -> str | Problem:
    if isinstance(symbols, TextSymbols):
        found = resolve_in_symbols(functions, symbols)
    elif isinstance(btf, Btf):  # the feature probe shows whether it can be attached to
        found = resolve_in_btf(functions, btf)
    else:
        return symbols
    return found.function or _not_found(found)


def _kprobes(
    function: str | Problem, reached_by: str, at_return: bool, common: Problem | None
) -> Availability:
    if isinstance(function, Problem):
        return _answer(None, function)
    if not perf_events.KPROBE_PMU.exists():
        reason = f"this kernel has no kprobes (there is no {perf_events.KPROBE_PMU})"
        return _answer(function, Problem(reason, feature_probes.KPROBES))
    probe = partial(feature_probes.kprobes, function, running_version_code(), at_return, reached_by)
    return _answer(function, _try("kretprobe" if at_return else "kprobe", probe) or common)


def _tracepoints(
    syscalls: Sequence[str],
    open_tracefs: Callable[[], AbstractContextManager[Path]],
    common: Problem | None,
    attached: ExitStack | None,
) -> Availability:
    try:
        with open_tracefs() as folder:
            probe = partial(feature_probes.tracepoints, folder, syscalls, attached)
            problem = _try("tracepoint", probe)
    except OSError as error:
        cause = feature_probes.describe_error(error)
        reason = f"the kernel's tracing file system cannot be used: {cause}"
        return _answer(None, Problem(reason, _TRACEFS_HINT, feature_probes.error_name_of(error)))
    return _answer("sys_enter/exit: " + ", ".join(syscalls), problem or common)


def _answer(function: str | None, problem: Problem | None) -> Availability:
    if problem is None:
        return Availability(True, function)
    return Availability(False, function, problem.reason, problem.hint, problem.errno)


def _try(mode: str, feature_probe: Callable[[], None]) -> Problem | None:
    if off := why_off(mode):
        return Problem(*off)
    try:
        feature_probe()
    except feature_probes.SilentError as silence:
        return Problem(*why_silent(mode, silence.missing))
    except feature_probes.RefusedError as refusal:
        return Problem(str(refusal), hint_for(refusal), feature_probes.error_name_of(refusal.cause))
    return None


def _not_found(found: Resolution) -> Problem:
    return Problem(found.reason or "no candidate was given", _FUNCTION_HINT)


def load_btf(btf_path: Path) -> Btf | Problem:
    """Read the kernel's types once, for all that needs them."""
    try:
        return Btf.load(btf_path)
    except UnusablePathError as error:
        if not error.is_missing:
            return Problem(f"the BTF cannot be used: {error}", "name another file by --btf-path")
        reason = f"the kernel offers no BTF ({btf_path}: {feature_probes.describe_error(error)})"
        return Problem(reason, _BTF_HINT, feature_probes.error_name_of(error))
    except BtfError as error:
        return Problem(f"the BTF in {btf_path} cannot be read: {error}", _BTF_HINT)


def load_symbols() -> TextSymbols | Problem:
    """Read the kernel's symbols once; a kernel without CONFIG_KALLSYMS has none."""
    try:
        return TextSymbols.load()
    except OSError as error:
        cause = feature_probes.describe_error(error)
        return Problem(f"the kernel lists no functions: {cause}", None)


def _headers_problem(btf_path: Path, cache_dir: Path) -> Problem | None:
    try:
        find_headers(btf_path, cache_dir)
    except ProbedeckError as error:
        return Problem(error.extra["reason"], error.extra["hint"])
    return None


def _bcc_problem() -> Problem | None:
    problem = bcc_problem()
    return None if problem is None else Problem(*problem)
