# SPDX-License-Identifier: Apache-2.0
"""What we use of gunicorn and simple-websocket beyond their documentation is there.

A failure here names what a new version has renamed, before anything else fails for its lack.
"""

from __future__ import annotations

import inspect
import re

import gunicorn
import pytest
import simple_websocket
from gunicorn.http.body import Body, LengthReader
from gunicorn.workers.gthread import PollableMethodQueue

from app import ROOT
from app.server import arbiter, exchange, gunicorn_api, incoming, server_log, worker


def names_in(kind: type) -> set[str]:
    """The attributes of a class and those that its own methods use."""
    methods = [each for base in kind.__mro__ for each in vars(base).values()]
    used = [each.__code__.co_names for each in methods if inspect.isfunction(each)]
    return set(dir(kind)).union(*used)


# What is read, set or called of objects that gunicorn makes.
ATTRIBUTES: dict[type, tuple[str, ...]] = {
    gunicorn_api.ThreadWorker: (
        *("alive", "cfg", "log", "poller", "method_queue", "nr", "nr_conns"),
        *("worker_connections", "enqueue_req", "notify"),
    ),
    PollableMethodQueue: ("defer",),
    gunicorn_api.Request: ("_expected_100_continue", "body", "force_close", "method"),
    Body: ("read", "reader"),
    LengthReader: ("length",),
    gunicorn_api.Response: (
        *("_omits_body", "response_length", "sock"),
        *("close", "force_close", "should_close", "write"),
    ),
    gunicorn_api.Unreader: ("take_buffered", "unread"),
    gunicorn_api.Arbiter: ("LISTENERS", "WORKER_BOOT_ERROR", "cfg", "log", "pid"),
    # app/web/routes/ws.py
    simple_websocket.Server: (
        *("close_message", "close_reason", "connected", "input_buffer", "thread", "ws"),
        *("close", "send"),
    ),
}


@pytest.mark.parametrize(
    ("owner", "name"), [(owner, name) for owner, names in ATTRIBUTES.items() for name in names]
)
def test_attributes_that_are_used(owner: type, name: str) -> None:
    assert name in names_in(owner), (
        f"{owner.__module__}.{owner.__name__} has no {name}: see app/server/gunicorn_api.py"
    )


# The methods that gunicorn calls of our classes, with the arguments that it passes.
OVERRIDDEN: dict[type, dict[str, str]] = {
    worker.Worker: {
        "accept": "listener",
        "finish_request": "conn, fs",
        "handle": "conn",
        "handle_exit": "sig, frame",
        "handle_request": "req, conn",
        "init_process": "",
        "init_signals": "",
        "run": "",
        "wait_for_and_dispatch_events": "timeout",
    },
    arbiter.SoleWorkerArbiter: {
        **dict.fromkeys(("handle_int", "handle_hup", "handle_ttin", "handle_ttou"), ""),
        "handle_usr2": "",
    },
    arbiter.Application: {"load": "", "load_config": "", "run": ""},
    exchange.BufferedResponse: {"start_response": "status, headers, exc_info"},
    incoming.ReceivedBytes: {"chunk": "size_hint"},
    server_log.ServerLogger: {"exception": "msg, args, kwargs", "setup": "cfg"},
}


@pytest.mark.parametrize(
    ("ours", "name", "arguments"),
    [(ours, *each) for ours, methods in OVERRIDDEN.items() for each in methods.items()],
)
def test_methods_that_are_overridden(ours: type, name: str, arguments: str) -> None:
    theirs = ours.__base__
    assert theirs is not None
    method = getattr(theirs, name, None)
    assert method is not None, (
        f"gunicorn {gunicorn.__version__} no longer calls {theirs.__name__}.{name}"
    )
    parameters = [each for each in inspect.signature(method).parameters if each != "self"]
    assert ", ".join(parameters) == arguments


def test_the_lists_are_complete() -> None:
    """Each method of ours that shadows one of gunicorn's is listed above."""
    for ours, methods in OVERRIDDEN.items():
        theirs = ours.__base__
        shadowing = {
            name
            for name, value in vars(ours).items()
            if inspect.isfunction(value) and hasattr(theirs, name) and not name.startswith("__")
        }
        assert shadowing == set(methods), ours


def test_the_worker_names_nothing_that_gunicorn_has() -> None:
    """An attribute of ours with the name of one of gunicorn's would change what it does."""
    source = inspect.getsource(worker.Worker)
    ours = set(re.findall(r"self\.(_\w+)\b(?: =|: )", source))
    assert {"_connections", "_answering", "_spare", "_pending"} <= ours
    assert not ours & names_in(gunicorn_api.ThreadWorker)


def test_only_one_module_imports_gunicorn() -> None:
    importing = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "app").rglob("*.py")
        if re.search(
            r"^\s*(?:from|import) gunicorn", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert importing == {"app/server/gunicorn_api.py"}
