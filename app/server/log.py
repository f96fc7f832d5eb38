# SPDX-License-Identifier: Apache-2.0
"""Logging to stderr that hostile text cannot forge or colour: what is not printable is escaped."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

from app.linux.standard_streams import discard
from app.server.gunicorn_api import Logger

FORMAT = "%(asctime)s %(levelname)s %(message)s"


def printable(text: str, keep: str = "") -> str:
    """`text` with every character that is not printable, nor in `keep`, as an escape."""
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )


class EscapingFormatter(logging.Formatter):
    """One line a message; the lines of a traceback stay lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # logging's name
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # logging's name
        return printable(super().formatException(ei), keep="\n")


class StderrHandler(logging.StreamHandler[TextIO]):
    """To stderr, as long as somebody takes it: a log that cannot be written ends nothing."""

    def handleError(self, record: logging.LogRecord) -> None:  # logging's name
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            discard(self.stream)  # for good; a full disk may have room again
        elif not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


class ServerLogger(Logger):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's log, escaped."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers = [_stderr()]

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """A client that stalled past its socket's time-out is no defect of ours."""
        error = sys.exc_info()[1]
        if isinstance(error, BlockingIOError | TimeoutError):
            self.debug("A client took too long: %s", error)
        else:
            super().exception(msg, *args, **kwargs)


def log_to_stderr() -> None:
    """Warnings and errors of the project and its libraries, on stderr."""
    logging.basicConfig(level=logging.WARNING, handlers=[_stderr()], force=True)


def _stderr() -> logging.Handler:
    handler = StderrHandler(sys.stderr)
    handler.setFormatter(EscapingFormatter(FORMAT))
    return handler
