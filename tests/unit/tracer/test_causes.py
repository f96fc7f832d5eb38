# SPDX-License-Identifier: Apache-2.0
"""What is told of an exception, and what is only logged."""

from __future__ import annotations

import pytest

from app.tracer.causes import log_and_describe, public_text
from app.tracer.rings import CorruptRingError


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "out of memory"),
        (OSError(12, "Cannot allocate memory", "/srv/app"), "ENOMEM, Cannot allocate memory"),
        (CorruptRingError("a record of length 0x7"), "a record of length 0x7"),
        (Exception("Failed to compile BPF module <text>"), "Failed to compile BPF module <text>"),
        (
            KeyError("/srv/app/x.py"),
            "internal error (KeyError): see the service's log",
        ),
    ],
)
def test_the_cause_without_paths(
    error: Exception, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - any
        assert log_and_describe(caught) == told
    logged = capsys.readouterr().err
    assert logged.startswith("Traceback")
    assert __file__ in logged


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (" cannot do that\n", "cannot do that"),
        ("", ""),
        ("Traceback (most recent call last):\nKeyError: 1", ""),
        ("bpf/slots.c:12: error: no", ""),
    ],
)
def test_words_of_a_program(said: str, told: str) -> None:
    assert public_text(said) == told
