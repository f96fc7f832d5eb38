# SPDX-License-Identifier: Apache-2.0
"""What the OpenAPI document allows and what it does not, made by schemathesis, sent to the real web
server around a fake manager.

Every answer is one that the documents name: its status and code, its type, its shape. Nothing is
left to chance: the same requests each time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from app.web.api.problem import CONTENT_TYPE
from tests.support.waiting import PATIENCE_S
from tests.unit.tree.test_docs import documented_codes
from tests.web_server.web_clients import Server, running

EXAMPLES = 40  # of each operation and kind
# Its answer never ends; only its head is asked for.
ENDLESS = "/events/stream"
CODES = documented_codes()
# What any request can be told; an operation documents the others itself.
ALWAYS = {400, 401, 403, 404, 405, 413, 414, 415, 422, 431}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("openapi") / "run") as server:
        yield server
        assert server.end() == (0, ""), "the server had something to say"


@pytest.fixture(scope="module")
def schema(server: Server) -> schemathesis.BaseSchema:
    """The document as it is served."""
    return schemathesis.openapi.from_dict(server.json("GET", "/openapi.json"))


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # no proxy stands between
        yield session


OPERATIONS = [
    ("GET", "/"),
    ("GET", "/healthz"),
    ("GET", "/probes"),
    ("POST", "/availability"),
    ("GET", "/probes/{probe_id}"),
    ("POST", "/probes/{probe_id}"),
    ("PATCH", "/probes/{probe_id}"),
    ("DELETE", "/probes/{probe_id}"),
    ("GET", "/probes/{probe_id}/aggregate"),
    ("POST", "/compare"),
    ("GET", "/functions"),
    ("GET", "/functions/{name}"),
    ("GET", "/functions/{name}/fields"),
    ("GET", "/presets"),
    ("GET", "/events"),
    ("GET", "/events/stream"),
    ("GET", "/users"),
    ("GET", "/audit"),
    ("GET", "/session"),
    ("POST", "/session"),
    ("GET", "/api"),
    ("GET", "/ws"),
]
# Those whose query or body can be wrong.
TAKE_SOMETHING = [
    ("POST", "/probes/{probe_id}"),
    ("PATCH", "/probes/{probe_id}"),
    ("POST", "/compare"),
    ("GET", "/functions"),
    ("GET", "/functions/{name}"),
    ("GET", "/functions/{name}/fields"),
    ("GET", "/events"),
    ("GET", "/events/stream"),
    ("GET", "/users"),
    ("GET", "/audit"),
]
# Of five, those that the fake manager feeds nothing; None: as generated, which is hardly ever one.
PROBES = st.sampled_from([None, "fexit", "kretprobe"])


def test_all_operations_are_tried(schema: schemathesis.BaseSchema) -> None:
    found = [result.ok() for result in schema.get_all_operations()]
    assert sorted((each.method.upper(), each.path) for each in found) == sorted(OPERATIONS)


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        *((*operation, GenerationMode.POSITIVE) for operation in OPERATIONS),
        *((*operation, GenerationMode.NEGATIVE) for operation in TAKE_SOMETHING),
    ],
)
def test_every_answer_is_documented(
    server: Server,
    schema: schemathesis.BaseSchema,
    session: requests.Session,
    method: str,
    path: str,
    kind: GenerationMode,
) -> None:
    operation = schema[path][method]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=kind), probe=PROBES)
    def check(case: Case, probe: str | None) -> None:
        if probe and "probe_id" in case.path_parameters:
            case.path_parameters["probe_id"] = probe
        if path == ENDLESS:
            case.method = "HEAD"
        check_answer(case, session, server)

    check()
    assert server.request("GET", "/healthz")[0].status == 200


def check_answer(case: Case, session: requests.Session, server: Server) -> None:
    """Send it, and look at all that the documents say of the answer."""
    answer = case.call(
        base_url=f"http://localhost:{server.port}", session=session, timeout=PATIENCE_S
    )
    status = answer.status_code
    kind = answer.headers["content-type"][0]
    documented = set(case.operation.definition.raw["responses"])
    assert str(status) in documented or status in ALWAYS, (status, answer.content)
    if status >= 400 and case.method != "HEAD":
        problem: Any = json.loads(answer.content)
        assert kind == CONTENT_TYPE
        assert status in CODES[problem["code"]], problem
    if str(status) in documented and case.method != "HEAD":
        case.operation.validate_response(answer)
