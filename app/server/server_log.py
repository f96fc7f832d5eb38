# SPDX-License-Identifier: Apache-2.0
"""Logging to stderr with unprintable characters escaped: hostile text cannot forge a line."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

from app.linux.standard_streams import discard
from app.server.gunicorn_api import Logger

FORMAT = "%(asctime)s %(levelname)s %(message)s"


def printable(text: str, keep: str = "") -> str:
    """Return `text` with characters escaped that are neither printable nor in `keep`."""
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )


class EscapingFormatter(logging.Formatter):
    """Formats a message as one line; the lines of a traceback stay lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # logging's name
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # logging's name
        return printable(super().formatException(ei), keep="\n")


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to stderr; a failure to write ends nothing."""

    def handleError(self, record: logging.LogRecord) -> None:  # logging's name
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            discard(self.stream)  # for good; a full disk, in contrast, may have room again
        elif not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


class ServerLogger(Logger):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's logger, escaped."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers = [_stderr()]

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log at debug level a client that stalled past its socket's time-out."""
        error = sys.exc_info()[1]
        if isinstance(error, BlockingIOError | TimeoutError):
            self.debug("A client took too long: %s", error)
        else:
            super().exception(msg, *args, **kwargs)


def log_to_stderr() -> None:
    """Log warnings and errors of the project and its libraries to stderr."""
    logging.basicConfig(level=logging.WARNING, handlers=[_stderr()], force=True)


def _stderr() -> logging.Handler:
    handler = StderrHandler(sys.stderr)
    handler.setFormatter(EscapingFormatter(FORMAT))
    return handler
