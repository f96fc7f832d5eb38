# SPDX-License-Identifier: Apache-2.0
"""The WSGI application that gunicorn's worker loads; `python -m app` starts gunicorn."""

from app import create_app
from app.config import handed_over
from app.web.context import Service

application = create_app(Service.create(handed_over()))
