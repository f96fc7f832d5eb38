# SPDX-License-Identifier: Apache-2.0
"""Why an entry of the index cannot be traced in a mode, and what was looked at.

Whether the kernel allows a mode at all is `app.kernel.availability`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.kernel.denied_functions import BTF_DENIED, NORETURN, why_denied
from app.kernel.functions import FUNCTION, SYSCALL, Entry, Facts

TRAMPOLINES, KPROBES = ("fentry", "fexit"), ("kprobe", "kretprobe")
AT_RETURN = ("fexit", "kretprobe")
LOADED_MODULES = Path("/sys/module")
# LINUX_VERSION_CODE since which the kernel has BTF of modules (CONFIG_DEBUG_INFO_BTF_MODULES), and
# since which it searches a module's own symbols for its functions (bpf_check_attach_target in
# kernel/bpf/verifier.c; before, kallsyms_lookup_name).
_MODULE_BTF, _MODULE_SYMBOLS = 0x050B00, 0x060400


@dataclass(frozen=True)
class Refusal:
    """Why not: `code` is stable (docs/functions.md), `reason` a sentence."""

    code: str
    reason: str


_SIGNATURES = {
    "too_many_arguments": "a trampoline on this kernel passes on at most {slots} words of "
    "arguments, and it takes more",
    "large_argument": "it takes an argument of more than 16 bytes by value, which a trampoline "
    "does not pass on",
    "struct_argument": "it takes a struct or union by value, which a trampoline on this kernel "
    "does not pass on",
    "varargs": "it takes a variable number of arguments",
    "struct_returned": "it returns a struct or union by value",
    "unsupported_type": "it takes an argument of a type that a trampoline does not pass on, such "
    "as a floating-point number",
}


def why_not(entry: Entry, mode: str) -> Refusal | None:
    """Return why this entry cannot be traced in this mode; None if nothing known prevents it.

    Raises ValueError for a mode that is none of the five.
    """
    if mode == "tracepoint":
        return _not_a_tracepoint(entry) if entry.kind == FUNCTION else None
    if mode not in (*TRAMPOLINES, *KPROBES):
        raise ValueError(f"unknown mode {mode!r}")
    if entry.kind != FUNCTION:
        return _not_a_function(entry)
    refusal = _common(entry, mode)
    if refusal is None:
        refusal = _trampoline(entry) if mode in TRAMPOLINES else _kprobe(entry)
    if refusal is None and mode in AT_RETURN and _base(entry) in NORETURN:
        return Refusal("noreturn", f"{entry.name} never returns: only its entry can be traced")
    return refusal


def looked_at(entry: Entry) -> tuple[str, ...]:
    """Return sentences: what was looked at for an entry, and what was found."""
    if entry.kind != FUNCTION:
        return ("tracefs: it is in available_events",)
    return tuple(_findings(entry))


def notes(entry: Entry) -> tuple[str, ...]:
    """Return what to know before tracing an entry that can be traced."""
    if entry.twin_of:
        return (
            f"the compiler made it of {entry.twin_of}: its arguments may be shifted or missing",
        )
    if entry.kind == FUNCTION and entry.facts & Facts.SYMBOL and entry.twins:
        return (
            "the compiler also made " + ", ".join(entry.twins) + ", which other callers may call",
        )
    return ()


def _common(entry: Entry, mode: str) -> Refusal | None:
    """Return what prevents trampolines and kprobes alike."""
    return _forbidden(entry, mode) or _not_there(entry) or _without_ftrace(entry)


def _forbidden(entry: Entry, mode: str) -> Refusal | None:
    name, why = entry.name, why_denied(entry.name)
    if mode in TRAMPOLINES and _base(entry) in BTF_DENIED:
        return Refusal(
            "btf_denied",
            f"the kernel attaches no trampoline to {name} (btf_id_deny of its verifier): "
            + (why or "it would recurse"),
        )
    return Refusal("denied", f"{name} must not be traced: {why}") if why else None


def _not_there(entry: Entry) -> Refusal | None:
    if entry.module and not (LOADED_MODULES / entry.module).is_dir():
        return Refusal(
            "module_not_loaded",
            f"the module {entry.module} is not loaded any more: modprobe {entry.module}",
        )
    if entry.sources.symbols is None and not entry.facts & Facts.SYMBOL:
        return _without_symbol(entry)
    if entry.facts & Facts.INIT:
        what = "ran while the kernel started; its code was freed after that"
        return Refusal("init", f"{entry.name} {what}")
    return None


def _without_ftrace(entry: Entry) -> Refusal | None:
    """Kprobes need it too: without CONFIG_KPROBE_EVENTS_ON_NOTRACE, which distributions leave off,
    the kernel refuses them in functions that ftrace cannot trace (within_notrace_func in
    kernel/trace/trace_kprobe.c)."""
    if entry.sources.ftrace is not None or entry.facts & Facts.FTRACE:
        return None
    what = (
        "is not in ftrace's available_filter_functions: it is assembler, marked `notrace`, or of "
        "a file that is compiled without ftrace"
    )
    return Refusal("no_ftrace", f"{entry.name} {what}")


def _without_symbol(entry: Entry) -> Refusal:
    name = entry.name
    if entry.twins:
        return Refusal(
            "only_twins",
            f"/proc/kallsyms has no {name}, only what the compiler made of it: "
            + ", ".join(entry.twins),
        )
    return Refusal(
        "no_symbol",
        f"/proc/kallsyms has no {name}: the compiler inlined it into its callers or left it out",
    )


def _trampoline(entry: Entry) -> Refusal | None:
    if refusal := _without_btf(entry) or _one_of_several(entry):
        return refusal
    if entry.signature_problem:
        text = _SIGNATURES[entry.signature_problem].format(slots=entry.sources.max_slots)
        return Refusal(entry.signature_problem, f"{entry.name}: {text}")
    return None


def _without_btf(entry: Entry) -> Refusal | None:
    name, sources = entry.name, entry.sources
    if sources.btf:
        return Refusal("no_btf", f"the kernel's BTF cannot be used: {sources.btf}")
    if entry.module and sources.version_code < _MODULE_BTF:
        what = f"Linux before 5.11 has no BTF of modules, and {name} is of {entry.module}"
        return Refusal("no_btf", f"{what}; a kprobe needs no BTF")
    if not entry.function_id:
        what = f"the BTF of {entry.module or 'the kernel'} does not describe {name}"
        return Refusal("no_btf", f"{what}; a kprobe needs no BTF")
    return None


def _one_of_several(entry: Entry) -> Refusal | None:
    name, facts = entry.name, entry.facts
    if facts & Facts.TWO_IN_BTF:
        return Refusal("ambiguous", f"BTF describes several functions named {name}")
    if facts & Facts.AMBIGUOUS_HERE:
        what = f"/proc/kallsyms has several symbols named {name}, and the kernel would take any"
        return Refusal("ambiguous", what)
    if entry.module and facts & Facts.AMBIGUOUS and entry.sources.version_code < _MODULE_SYMBOLS:
        what = f"/proc/kallsyms has several symbols named {name}, with those of modules"
        return Refusal("ambiguous", f"{what}, and Linux before 6.4 takes the first of all")
    return None


def _kprobe(entry: Entry) -> Refusal | None:
    name, facts = entry.name, entry.facts
    if facts & Facts.AMBIGUOUS:
        what = f"/proc/kallsyms has several symbols named {name}, with those of modules"
        return Refusal("ambiguous", f"{what}, and a kprobe is set by name")
    if facts & Facts.BLACKLISTED:
        where = "kernel's kprobe blacklist"
        if entry.sources.blacklist:
            where = "sections that the kernel keeps without kprobes"
        return Refusal("blacklisted", f"{name} is in the {where}: a trap there would recurse")
    return None


def _not_a_tracepoint(entry: Entry) -> Refusal:
    what = "has no tracepoint of its own: this mode traces system calls and tracepoints"
    return Refusal("not_a_tracepoint", f"{entry.name} is a function and {what}")


def _not_a_function(entry: Entry) -> Refusal:
    what = "system call" if entry.kind == SYSCALL else "tracepoint"
    article = "its tracepoints" if entry.kind == SYSCALL else "itself"
    return Refusal(
        "not_a_function",
        f"{entry.full_name} is a {what}, which is traced by {article} (mode `tracepoint`)",
    )


def _findings(entry: Entry) -> Iterator[str]:
    facts, sources = entry.facts, entry.sources
    if sources.symbols:
        yield f"/proc/kallsyms: not looked at ({sources.symbols})"
    elif not facts & Facts.SYMBOL:
        yield "/proc/kallsyms: no such function"
    else:
        several = facts & (Facts.AMBIGUOUS | Facts.AMBIGUOUS_HERE)
        yield "/proc/kallsyms: " + ("several symbols of this name" if several else "found")
    if sources.ftrace:
        yield f"ftrace's available_filter_functions: not looked at ({sources.ftrace})"
    else:
        listed = "found" if facts & Facts.FTRACE else "not listed"
        yield f"ftrace's available_filter_functions: {listed}"
    listed = "listed" if facts & Facts.BLACKLISTED else "not listed"
    if sources.blacklist:
        yield f"kprobe blacklist: not looked at ({sources.blacklist}); sections: {listed}"
    else:
        yield f"kprobe blacklist: {listed}"
    if sources.btf:
        yield f"BTF: not looked at ({sources.btf})"
    else:
        yield f"BTF: {f'function {entry.function_id}' if entry.function_id else 'not described'}"


def _base(entry: Entry) -> str:
    return entry.twin_of or entry.name
