# SPDX-License-Identifier: Apache-2.0
"""What would help, for each way of refusing."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from app.kernel import hints
from app.kernel.feature_probes import RefusedError
from app.probes.modes import MODES


@pytest.mark.parametrize(
    ("number", "privileged", "lockdown", "words"),
    [
        (errno.EPERM, False, None, "sudo"),
        (errno.EACCES, False, "confidentiality", "sudo"),
        (errno.EPERM, True, "integrity", "lockdown (integrity)"),
        (errno.EINVAL, True, "confidentiality", "lockdown (confidentiality)"),
        (errno.EPERM, True, "none", "./run --vm"),
        (errno.EPERM, True, None, "./run --vm"),
        (errno.EINVAL, True, "integrity", "run Linux 9"),
        (errno.ENOSYS, False, None, "run Linux 9"),
    ],
)
def test_hint(
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    privileged: bool,
    lockdown: str | None,
    words: str,
) -> None:
    monkeypatch.setattr(hints, "may_trace", lambda: privileged)
    monkeypatch.setattr(hints, "lockdown_mode", lambda: lockdown)
    assert words in hints.hint_for(RefusedError("try", OSError(number, ""), "run Linux 9"))


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        (0x1FFFFFFFFFF, True),
        (1 << 21, True),
        (1 << 38 | 1 << 39, True),
        (1 << 38, False),
        (1 << 39, False),
        (0, False),
    ],
)
def test_may_trace(tmp_path: Path, capabilities: int, expected: bool) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tx\nCapPrm:\t{2**41 - 1:016x}\nCapEff:\t{capabilities:016x}\nX:\t1\n")
    assert hints.may_trace(status) is expected


def test_lockdown_mode(tmp_path: Path) -> None:
    file = tmp_path / "lockdown"
    assert hints.lockdown_mode(file) is None
    for mode in ("none", "integrity", "confidentiality"):
        file.write_text("none integrity confidentiality\n".replace(mode, f"[{mode}]"))
        assert hints.lockdown_mode(file) == mode


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_attached_to_functions_while_ftrace_is_off(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 6.12 the kernel would give up ftrace until the next boot."""
    switch = tmp_path / "ftrace_enabled"
    monkeypatch.setattr(hints, "FTRACE_ENABLED", switch)
    assert hints.why_off(mode) is None  # a kernel without the switch
    switch.write_text("1\n")
    assert hints.why_off(mode) is None
    switch.write_text("0\n")
    assert (hints.why_off(mode) is None) == (mode == "tracepoint")
