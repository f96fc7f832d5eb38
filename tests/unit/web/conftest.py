# SPDX-License-Identifier: Apache-2.0
"""An application on fakes, and a client that the guard takes for the user who started it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.hub import Hub
from app.web.context import Service
from tests.support.web_fakes import FakeConnection, FakeManager, fake_service

ORIGIN = "http://localhost:5000"


class LocalClient(FlaskClient):
    """Sends what curl sends: the right Host, from a connection of the right user."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("base_url", ORIGIN)
        environ = {"gunicorn.socket": FakeConnection(), **kwargs.pop("environ_overrides", {})}
        return super().open(*args, environ_overrides=environ, **kwargs)


@pytest.fixture
def service() -> Service:
    return fake_service()


@pytest.fixture
def hub(service: Service) -> Hub:
    return service.hub


@pytest.fixture
def manager(service: Service) -> FakeManager:
    return service.manager  # type: ignore[return-value]


@pytest.fixture(scope="session")
def shared_app() -> Flask:
    """Made once, for making the OpenAPI document takes its time."""

    def owner(peer: tuple[str, int], local: tuple[str, int]) -> int | None:
        return {40412: 1000, 40413: 1001}.get(peer[1])

    application = create_app(fake_service(), owner)
    application.test_client_class = LocalClient
    return application


@pytest.fixture
def flask_app(shared_app: Flask, service: Service) -> Flask:
    """The application around this test's service."""
    shared_app.extensions["probedeck"] = service
    return shared_app


@pytest.fixture
def client(flask_app: Flask) -> FlaskClient:
    return flask_app.test_client()
