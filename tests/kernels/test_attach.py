# SPDX-License-Identifier: Apache-2.0
"""A start is answered once its programs are attached. (The first start of the session.)"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.fixtures import stop_all
from tests.support.recording import mark, wait_until_shown
from tests.support.service import Service


@pytest.mark.suites("trixie")
def test_deletion_right_after_the_answer_is_shown(
    session_service: Service, modes: tuple[str, ...]
) -> None:
    stop_all(session_service)
    cursor = session_service.cursor()

    def start_and_delete(mode: str) -> str:
        started = session_service.start(mode)
        name = mark()
        assert started["state"] == "running"
        return name

    with ThreadPoolExecutor(len(modes)) as pool:
        names = dict(zip(modes, pool.map(start_and_delete, modes), strict=True))
    for mode, name in names.items():
        wait_until_shown(session_service, cursor, {mode}, name)
