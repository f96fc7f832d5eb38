# SPDX-License-Identifier: Apache-2.0
"""`GET /presets` (tests/unit/probes/test_preset_modes.py has its content)."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from app.presets import kernel_names
from app.presets.resolve import names_needed
from app.probes.preset_modes import presets_json
from app.web.api.responses import PresetsSchema
from tests.support.web_fakes import FakeManager


def test_all_presets(
    client: FlaskClient, manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel is read once, at the first request."""
    names = frozenset(names_needed())
    monkeypatch.setattr(kernel_names, "names_here", lambda wanted, btf_path: names)
    answers = [client.get("/presets")]
    monkeypatch.setattr(kernel_names, "names_here", None)
    answers.append(client.get("/presets"))
    wanted = {"presets": presets_json(manager.kernel, lambda *pair: pair in names)}
    for answer in answers:
        assert answer.status_code == 200
        assert PresetsSchema(unknown="raise").validate(answer.json) == {}
        assert answer.json == wanted
