# SPDX-License-Identifier: Apache-2.0
"""What gunicorn's worker loads: the application, made from the `PROBEDECK_*` variables.

Started by `python -m app`, which sees to one worker, the lock and the signals.
"""

from app import create_app
from app.config import Settings
from app.web.context import Service

application = create_app(Service.create(Settings.from_environment()))
