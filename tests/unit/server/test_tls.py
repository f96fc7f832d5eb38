# SPDX-License-Identifier: Apache-2.0
"""The names that a self-signed certificate is for."""

from __future__ import annotations

import pytest

from app.config import Settings
from app.server.tls import subject_names

LOCAL = ["DNS:localhost", "IP:127.0.0.1", "IP:::1"]


@pytest.mark.parametrize(
    ("listen", "host_names", "more"),
    [
        ("127.0.0.1", (), []),
        ("0.0.0.0", (), []),
        ("::", ("localhost",), []),
        ("192.0.2.1", (), ["IP:192.0.2.1"]),
        (
            "2001:db8::1",
            ("lab1", "lab1.test", "lab1"),
            ["DNS:lab1", "DNS:lab1.test", "IP:2001:db8::1"],
        ),
    ],
)
def test_subject_names(listen: str, host_names: tuple[str, ...], more: list[str]) -> None:
    settings = Settings(listen=listen, host_names=host_names, tls_self_signed=True)
    names = subject_names(settings)
    assert sorted(names) == sorted(LOCAL + more)
    assert len(names) == len(set(names))
