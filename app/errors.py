# SPDX-License-Identifier: Apache-2.0
"""The one exception that is reported to a caller: an HTTP status, a stable code, a sentence.

`app.web.api.problem` renders it to problem+json (RFC 9457); the tracer and the command line print
it. Imports the standard library only, so that every module may import it.
"""

from __future__ import annotations

from typing import Any


class ProbedeckError(Exception):
    """A failure to report to the caller.

    `code` is stable and documented in docs/protocol.md; `detail` is a sentence for the user;
    `extra` holds further members of the problem document (for instance `reason`, `alternatives`).
    """

    def __init__(self, status: int, code: str, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.extra = extra


def invalid(field: str, message: str) -> ProbedeckError:
    """Return the problem of one field of a body, as validation reports it."""
    error = {"field": field, "message": message}
    return ProbedeckError(422, "invalid", f"{field}: {message}", errors=[error])
