# SPDX-License-Identifier: Apache-2.0
"""Whether what Probedeck says of a function that it refuses is true, by the kernel's own word.

A check reads the kernel's lists by itself, or tries what was refused and expects an error. What
Probedeck denies for safety, or because the kernel would never let go of it, is never tried.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from app.errors import ProbedeckError
from app.kernel.denied_functions import BTF_DENIED, NORETURN, why_denied
from app.kernel.functions_reasons import TRAMPOLINES
from app.linux import perf_events
from tests.support.direct_probes import Plans, direct_probe
from tests.support.random_functions import Lists

SIGNATURES = (
    "too_many_arguments",
    "large_argument",
    "struct_argument",
    "struct_returned",
    "unsupported_type",
)


class RefusalChecks:
    """Checks by the code of a refusal; see docs/functions.md for the codes."""

    def __init__(self, lists: Lists, plans: Plans, btf: Path, functions: Counter[str]) -> None:
        self._lists, self._plans = lists, plans
        self._btf = btf.read_bytes()
        self._functions = functions  # of the BTF, how often each name is there
        self._modules = {path.name for path in Path("/sys/module").iterdir()}
        self._checks: dict[str, Callable[[str, str], object]] = {
            "no_symbol": self._no_symbol,
            "only_twins": self._only_twins,
            "unknown": self._refused_as_a_kprobe,  # to the index: freed code, or no code
            "init": self._refused_by_the_kernel,
            "no_ftrace": self._no_ftrace,
            "blacklisted": self._blacklisted,
            "ambiguous": self._ambiguous,
            "no_btf": self._no_btf,
            "varargs": lambda name, mode: None,  # before Linux 5.13 the kernel does not mind
            "denied": self._denied,
            "btf_denied": self._denied,
            "noreturn": self._noreturn,
            "module_not_loaded": self._module_not_loaded,
            **dict.fromkeys(SIGNATURES, self._refused_by_the_kernel),
        }

    def fault(self, name: str, mode: str, code: str) -> str | None:
        """Return what is not true of the refusal of a function in a mode; None if it is true."""
        try:
            self._checks[code](name, mode)
        except AssertionError as error:
            return str(error) or "not so"
        return None

    def accepts(self, name: str, mode: str) -> bool:
        """Whether the kernel lets something be attached, whatever Probedeck says."""
        try:
            if mode in TRAMPOLINES:
                plan = self._plans.plan_anyway(name, mode)
                with direct_probe(plan, self._plans.template(plan.template)):
                    return True
            with perf_events.kprobe_event(name, mode == "kretprobe"):
                return True
        except (OSError, ProbedeckError):
            return False

    def _refused_by_the_kernel(self, name: str, mode: str) -> None:
        assert not self.accepts(name, mode)

    def _refused_as_a_kprobe(self, name: str, mode: str) -> None:
        assert not self.accepts(name, "kprobe")

    def _no_symbol(self, name: str, mode: str) -> None:
        assert name not in self._lists.symbols
        assert not any(each.startswith(f"{name}.") for each in self._lists.symbols)
        assert not self.accepts(name, mode)

    def _only_twins(self, name: str, mode: str) -> None:
        assert name not in self._lists.symbols
        assert any(each.startswith(f"{name}.") for each in self._lists.symbols)
        assert not self.accepts(name, mode)

    def _no_ftrace(self, name: str, mode: str) -> None:
        assert name not in self._lists.traceable
        assert not self.accepts(name, mode)

    def _blacklisted(self, name: str, mode: str) -> None:
        assert name in self._lists.blacklist
        assert not self.accepts(name, mode)

    def _ambiguous(self, name: str, mode: str) -> None:
        times = self._lists.symbols[name] + (name in self._lists.variables)
        assert times > 1 or (mode in TRAMPOLINES and self._functions[name] > 1)

    def _no_btf(self, name: str, mode: str) -> None:
        # A name that is in no place of the BTF's texts is not a function's.
        assert b"\0" + name.encode() + b"\0" not in self._btf or not self._functions[name]

    def _denied(self, name: str, mode: str) -> None:
        base = name.partition(".")[0]
        assert why_denied(name) or (mode in TRAMPOLINES and base in BTF_DENIED)

    def _noreturn(self, name: str, mode: str) -> None:
        assert mode in ("fexit", "kretprobe") and name.partition(".")[0] in NORETURN
        major, minor = os.uname().release.split(".")[:2]
        if mode == "fexit" and (int(major), int(minor)) >= (6, 15):  # it denies them itself
            assert not self.accepts(name, mode)

    def _module_not_loaded(self, name: str, mode: str) -> None:
        entry = self._plans.index.lookup("function", name)
        assert entry is not None and entry.module not in self._modules
