# SPDX-License-Identifier: Apache-2.0
"""Reasons and hints for when the kernel refuses a mode or does not run its programs."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from app.kernel.feature_probes import RefusedError
from app.linux.syscalls import detached_mount

FTRACE_ENABLED = Path("/proc/sys/kernel/ftrace_enabled")
DEBUGFS = Path("/sys/kernel/debug")
KPROBES_ENABLED = "kprobes/enabled"  # in debugfs
LOCKDOWN = Path("/sys/kernel/security/lockdown")
STATUS = Path("/proc/self/status")

_BY_FTRACE = ("fentry", "fexit", "kprobe", "kretprobe")
_FTRACE_HINT = "run: sysctl -w kernel.ftrace_enabled=1"
_CAP_SYS_ADMIN, _CAP_PERFMON, _CAP_BPF = 21, 38, 39


def hint_for(refusal: RefusedError) -> str:
    """Return a hint; permission comes first, as the rest may differ once it is granted."""
    forbidden = refusal.cause.errno in (errno.EPERM, errno.EACCES)
    if forbidden and not may_trace():
        return "run as root: sudo ./run"
    lockdown = lockdown_mode()
    # Lockdown `confidentiality` hides helpers that read memory: the verifier says "unknown func".
    if lockdown == "confidentiality" or (forbidden and lockdown not in (None, "none")):
        return (
            f"the kernel is in lockdown ({lockdown}): boot with lockdown=none, or without "
            "Secure Boot where that turns it on"
        )
    if forbidden:
        return (
            "this kernel, or the sandbox it runs in, forbids it even to root; "
            "./run --vm runs Probedeck on a kernel that allows it"
        )
    return refusal.needs


def why_off(mode: str) -> tuple[str, str] | None:
    """Return why a mode's programs would not run, and a hint; None if nothing prevents them.

    Call this before attaching anything. If hooks are attached and detached while ftrace is off, the
    function keeps a flag (FTRACE_FL_REGS). When ftrace is on again and the machine's last hook is
    detached, the kernel takes the flag for corruption and disables ftrace until the next boot
    (ftrace_shutdown, ftrace_kill; seen on Linux 6.12). On x86, a kernel that has this switch sets
    kprobes through ftrace too.
    """
    if mode not in _BY_FTRACE or _read(FTRACE_ENABLED) != "0":
        return None
    reason = "the kernel would attach the programs but not run them: kernel.ftrace_enabled is 0"
    return reason, _FTRACE_HINT


def is_switched_off(mode: str) -> bool:
    """Return whether the kernel runs no program of this mode at all, by a switch of its own."""
    if mode not in _BY_FTRACE:
        return False
    if _read(FTRACE_ENABLED) == "0":
        return True
    return mode in ("kprobe", "kretprobe") and kprobes_enabled() is False


def why_silent(mode: str, missing: Sequence[str]) -> tuple[str, str]:
    """Return why attached programs do not run, and a hint. `missing` names their hooks."""
    reason = f"the kernel has attached the programs but does not run them ({', '.join(missing)})"
    if mode == "tracepoint":
        return reason, "stop the probe and start it again; the mode `kretprobe` needs no tracepoint"
    # ftrace calls trampolines, and kprobes wherever it can.
    if _read(FTRACE_ENABLED) == "0":
        return f"{reason}: kernel.ftrace_enabled is 0", _FTRACE_HINT
    if mode in ("kprobe", "kretprobe") and kprobes_enabled() is False:
        switch = DEBUGFS / KPROBES_ENABLED
        return f"{reason}: {switch} is 0", f"run: echo 1 > {switch}"
    return reason, "stop the probe and start it again; the mode `tracepoint` needs no function"


def kprobes_enabled() -> bool | None:
    """Return whether kprobes are armed; None if the kernel does not say."""
    switch = _read(DEBUGFS / KPROBES_ENABLED)
    if switch is None:
        try:
            fd = detached_mount("debugfs")
        except OSError:  # not in this kernel, or not permitted
            return None
        try:
            switch = _read(Path(f"/proc/self/fd/{fd}", KPROBES_ENABLED))
        finally:
            os.close(fd)
    return None if switch is None else switch != "0"


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def may_trace(status: Path = STATUS) -> bool:
    """Return whether this process has the capabilities that loading and attaching need."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE)
    capabilities = int(found[1], 16) if found else 0
    needed = 1 << _CAP_PERFMON | 1 << _CAP_BPF
    return bool(capabilities >> _CAP_SYS_ADMIN & 1) or capabilities & needed == needed


def lockdown_mode(path: Path = LOCKDOWN) -> str | None:
    """Return `none`, `integrity` or `confidentiality`; None if the kernel does not say.

    The file reads `none [integrity] confidentiality`, with the current mode in brackets.
    """
    try:
        found = re.search(r"\[(\w+)\]", path.read_text())
    except OSError:  # no lockdown in this kernel, or securityfs is not mounted
        return None
    return found[1] if found else None
