# SPDX-License-Identifier: Apache-2.0
"""Calls of the C library raise OSError when they fail."""

from __future__ import annotations

import errno

import pytest

from app.linux.libc import check, libc, prctl


def test_a_failed_call_raises_its_errno() -> None:
    with pytest.raises(FileNotFoundError) as missing:
        check(libc.open(b"/nonesuch", 0), "/nonesuch")
    assert missing.value.filename == "/nonesuch"


def test_other_results_are_returned() -> None:
    assert check(7) == 7


def test_an_unknown_option_of_prctl_is_refused() -> None:
    with pytest.raises(OSError) as refused:
        prctl(0x7FFFFFFF)
    assert refused.value.errno == errno.EINVAL
