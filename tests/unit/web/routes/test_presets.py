# SPDX-License-Identifier: Apache-2.0
"""`GET /presets`: what each preset traces here in each mode, or why it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.presets import kernel_names
from app.presets.preset import ALL_MODES, BY_TRACEPOINT
from app.presets.resolve import names_needed
from app.presets.table import PRESETS
from app.web.api.responses import PresetsSchema
from tests.support.web_fakes import FakeManager


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """The kernel's names: all that are needed."""
    names = set(names_needed())
    monkeypatch.setattr(kernel_names, "names_here", lambda wanted, btf_path: names)
    return names


def asked(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/presets")
    assert answer.status_code == 200
    assert PresetsSchema().validate(answer.json) == {}
    return {preset["name"]: preset for preset in answer.json["presets"]}


def mode_of(preset: dict[str, Any], mode: str) -> dict[str, Any]:
    (found,) = (each for each in preset["modes"] if each["mode"] == mode)
    return found


def test_all_of_them_in_every_mode(client: FlaskClient) -> None:
    found = asked(client)
    assert list(found) == list(PRESETS)
    for name, preset in found.items():
        assert (preset["title"], preset["help"]) == (PRESETS[name].title, PRESETS[name].help)
        assert [each["mode"] for each in preset["modes"]] == list(ALL_MODES)
        assert mode_of(preset, preset["mode"])["available"]


def test_what_is_traced_in_a_mode(client: FlaskClient) -> None:
    opens = asked(client)["opens"]
    assert opens["mode"] == "fexit"
    assert mode_of(opens, "tracepoint") == {
        "mode": "tracepoint",
        "available": True,
        "reason": None,
        "kind": "syscall",
        "target": "openat",
        "columns": ["dfd", "filename", "hex(flags) as flags", "hex(mode) as permissions"],
        "where": None,
    }


def test_a_mode_that_the_kernel_refuses(client: FlaskClient, manager: FakeManager) -> None:
    for mode in set(ALL_MODES) - set(BY_TRACEPOINT):
        manager.unavailable[mode] = "EPERM: not permitted"
    found = asked(client)
    assert found["opens"]["mode"] == "tracepoint"
    fexit = mode_of(found["opens"], "fexit")
    assert (fexit["available"], fexit["reason"]) == (False, "EPERM: not permitted")
    assert (fexit["kind"], fexit["target"], fexit["columns"]) == (None, None, [])
    # No kernel could do this: that reason comes first.
    assert "cannot be seen in mode fentry" in mode_of(found["tcp-accepts"], "fentry")["reason"]
    assert found["block-io"]["mode"] is None


def test_a_function_that_the_kernel_lacks(
    client: FlaskClient, kernel: set[tuple[str, str]]
) -> None:
    kernel.remove(("function", "tcp_connect"))
    preset = asked(client)["tcp-connects"]
    assert preset["mode"] == "tracepoint"
    assert mode_of(preset, "fexit")["reason"] == "this kernel has no function tcp_connect"


def test_the_kernel_is_read_once(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(client)
    monkeypatch.setattr(kernel_names, "names_here", None)
    asked(client)
