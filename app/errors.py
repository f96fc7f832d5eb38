# SPDX-License-Identifier: Apache-2.0
"""The one exception that reaches a caller: a stable code, an HTTP status, a sentence.

Rendered to problem+json (RFC 9457) at one boundary, `app.web.api.problem`; printed by the
tracer and the command line. Nothing here imports anything of the project.
"""

from __future__ import annotations

from typing import Any


class ProbedeckError(Exception):
    """A failure that the caller is told about.

    `code` is stable and documented in docs/protocol.md; `detail` is a sentence for people;
    `extra` are further members of the problem document (for instance `reason`, `alternatives`).
    """

    def __init__(self, status: int, code: str, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.extra = extra
