# SPDX-License-Identifier: Apache-2.0
"""The process that has loaded all that a tracer needs, and forks a tracer at each request.

The service's side is app/probes/tracer_forker.py.
"""

from __future__ import annotations

import errno
import gc
import os
import socket

from app.link.fork_answers import ANSWER, READY
from app.link.frames import ServiceGoneError
from app.linux.sibling import fork_sibling

DESCRIPTORS = 2


def serve(control: socket.socket) -> None:
    """Fork tracers; return in each of them, with its socket as standard input.

    In this process it does not return. Raises ServiceGoneError when the service has closed its end.
    """
    # What is there now is in use for ever: collections that touched it would copy it to each child.
    gc.collect()
    gc.freeze()
    _answer(control, READY)
    while True:
        try:
            byte, descriptors, _, _ = socket.recv_fds(control, 1, DESCRIPTORS)
        except ConnectionResetError:
            byte = b""
        if not byte:
            raise ServiceGoneError
        try:
            pid = fork_sibling() if len(descriptors) == DESCRIPTORS else -errno.EMFILE
        except OSError as error:
            pid = -(error.errno or errno.EPERM)
        if pid == 0:
            _become_tracer(control, *descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)
        _answer(control, pid)


def _answer(control: socket.socket, number: int) -> None:
    try:
        control.sendall(ANSWER.pack(number))
    except (BrokenPipeError, ConnectionResetError):
        raise ServiceGoneError from None


def _become_tracer(control: socket.socket, tracer_socket: int, errors: int) -> None:
    control.close()
    os.dup2(tracer_socket, 0)
    os.dup2(errors, 2)
    for descriptor in (tracer_socket, errors):
        os.close(descriptor)
    os.setsid()  # so that Ctrl-C reaches the service only
