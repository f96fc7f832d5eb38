# SPDX-License-Identifier: Apache-2.0
"""Which modes the running kernel allows: asked by loading and attaching, not by version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.btf.format import BtfError
from app.btf.reader import Btf
from app.errors import ProbedeckError
from app.kernel import feature_probes
from app.kernel.availability import Availability
from app.kernel.bcc_headers import find_headers
from app.kernel.bcc_presence import bcc_problem
from app.kernel.hints import hint_for, why_off, why_silent
from app.kernel.symbols import Resolution, TextSymbols, resolve_in_btf, resolve_in_symbols
from app.kernel.version import running_version_code
from app.linux import perf_events, tracefs
from app.linux.paths import UnusablePath

_BTF_HINT = "run a kernel built with CONFIG_DEBUG_INFO_BTF"
_FUNCTION_HINT = "the mode `tracepoint` needs no function of the kernel's own"
_TRACEFS_HINT = "run as root on a kernel built with CONFIG_FTRACE and CONFIG_FTRACE_SYSCALLS"


@dataclass(frozen=True)
class _Problem:
    reason: str
    hint: str | None
    errno: str | None = None


def check_modes(
    functions: Sequence[str],
    syscalls: Sequence[str],
    *,
    btf_path: Path,
    cache_dir: Path,
    open_tracefs: Callable[[], AbstractContextManager[Path]] = tracefs.opened,
) -> dict[str, Availability]:
    """Ask the kernel about each mode.

    `functions` are candidates for the function to trace, of which the first that exists is
    taken; `syscalls` are the system calls whose tracepoints are needed. `open_tracefs` gives
    a path of tracefs or raises OSError.
    Leaves nothing in the kernel. The include tree for BCC is made on the way.
    """
    btf = _load(btf_path)
    common = (
        _try("", feature_probes.ring_buffer)
        or _headers_problem(btf_path, cache_dir)
        or _bcc_problem()
    )
    kprobe_function = _kprobe_function(functions, btf)
    return {
        "fentry": _trampolines(functions, btf, False, common),
        "fexit": _trampolines(functions, btf, True, common),
        "kprobe": _kprobes(kprobe_function, False, common),
        "kretprobe": _kprobes(kprobe_function, True, common),
        "tracepoint": _tracepoints(syscalls, open_tracefs, common),
    }


def _trampolines(
    functions: Sequence[str], btf: Btf | _Problem, at_return: bool, common: _Problem | None
) -> Availability:
    if isinstance(btf, _Problem):
        return _answer(None, btf)
    found = resolve_in_btf(functions, btf)
    function = btf.function(found.function) if found.function else None
    if function is None:
        return _answer(None, _not_found(found))
    trial = partial(feature_probes.trampolines, function.name, function.type_id, at_return)
    return _answer(function.name, _try("fexit" if at_return else "fentry", trial) or common)


def _kprobe_function(functions: Sequence[str], btf: Btf | _Problem) -> str | _Problem:
    try:
        found = resolve_in_symbols(functions, TextSymbols.load())
    except OSError as error:  # a kernel without CONFIG_KALLSYMS; the trial will tell
        if isinstance(btf, _Problem):
            return _Problem(
                f"the kernel names no functions: {feature_probes.in_words(error)}", None
            )
        found = resolve_in_btf(functions, btf)
    return found.function or _not_found(found)


def _kprobes(function: str | _Problem, at_return: bool, common: _Problem | None) -> Availability:
    if isinstance(function, _Problem):
        return _answer(None, function)
    if not perf_events.KPROBE_PMU.exists():
        reason = f"this kernel has no kprobes (there is no {perf_events.KPROBE_PMU})"
        return _answer(function, _Problem(reason, feature_probes.KPROBES))
    trial = partial(feature_probes.kprobes, function, running_version_code(), at_return)
    return _answer(function, _try("kretprobe" if at_return else "kprobe", trial) or common)


def _tracepoints(
    syscalls: Sequence[str],
    open_tracefs: Callable[[], AbstractContextManager[Path]],
    common: _Problem | None,
) -> Availability:
    try:
        with open_tracefs() as place:
            problem = _try("tracepoint", partial(feature_probes.tracepoints, place, syscalls))
    except OSError as error:
        reason = (
            f"the kernel's tracing file system cannot be used: {feature_probes.in_words(error)}"
        )
        return _answer(None, _Problem(reason, _TRACEFS_HINT, feature_probes.error_name_of(error)))
    return _answer("sys_enter/exit: " + ", ".join(syscalls), problem or common)


def _answer(function: str | None, problem: _Problem | None) -> Availability:
    if problem is None:
        return Availability(True, function)
    return Availability(False, function, problem.reason, problem.hint, problem.errno)


def _try(mode: str, trial: Callable[[], None]) -> _Problem | None:
    if off := why_off(mode):
        return _Problem(*off)
    try:
        trial()
    except feature_probes.SilentError as silence:
        return _Problem(*why_silent(mode, silence.missing))
    except feature_probes.RefusedError as refusal:
        return _Problem(
            str(refusal), hint_for(refusal), feature_probes.error_name_of(refusal.cause)
        )
    return None


def _not_found(found: Resolution) -> _Problem:
    return _Problem(found.reason or "no function was named", _FUNCTION_HINT)


def _load(btf_path: Path) -> Btf | _Problem:
    try:
        return Btf.load(btf_path)
    except UnusablePath as error:
        if not error.is_missing:
            return _Problem(f"the BTF cannot be used: {error}", "choose another by --btf-path")
        reason = f"the kernel offers no BTF ({btf_path}: {feature_probes.in_words(error)})"
        return _Problem(reason, _BTF_HINT, feature_probes.error_name_of(error))
    except BtfError as error:
        return _Problem(f"the BTF in {btf_path} cannot be read: {error}", _BTF_HINT)


def _headers_problem(btf_path: Path, cache_dir: Path) -> _Problem | None:
    try:
        find_headers(btf_path, cache_dir)
    except ProbedeckError as error:
        return _Problem(error.extra["reason"], error.extra["hint"])
    return None


def _bcc_problem() -> _Problem | None:
    problem = bcc_problem()
    return None if problem is None else _Problem(*problem)
