# SPDX-License-Identifier: Apache-2.0
"""How the service handles a tracer that answers late or ends at any moment of an exchange.

The probe manager, sockets and processes are real; the tracer's messages are the test's.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from app.config import Settings
from app.errors import ProbedeckError
from app.hub import Hub
from app.kernel.availability import Availability
from app.link.frames import HEADER, KIND_BATCH, KIND_JSON, send_maps
from app.probes import manager as manager_module
from app.probes.kernel_check import KernelAnswer, KernelCheck
from app.probes.manager import ProbeManager
from app.probes.modes import MODES
from app.probes.run import TracerRun
from app.probes.run_end import End
from app.probes.spawner import Tracer
from app.probes.spec import Filter, ProbeSpec
from tests.support.waiting import PATIENCE_S, wait_until

MODE = "tracepoint"
MIB = 1 << 20


class Actor:
    """A process that does nothing; the test holds its end of the socket."""

    def __init__(self) -> None:
        ours, self.line = socket.socketpair()
        self.line.settimeout(PATIENCE_S)
        self.process = subprocess.Popen(
            ["sleep", "1000"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self.tracer = Tracer(self.process, ours)
        self._lines = self.line.makefile("rb")

    def hear(self) -> dict[str, Any]:
        """The next message of the service."""
        message: dict[str, Any] = json.loads(self._lines.readline())
        return message

    def say(self, **message: Any) -> None:
        body = json.dumps(message).encode()
        self.line.sendall(HEADER.pack(len(body), KIND_JSON, 0) + body)

    def confirm(self, message: dict[str, Any]) -> None:
        self.say(type="filtered", number=message["number"])

    def end(self, number: int = signal.SIGKILL) -> None:
        """End the process and its socket, as when a tracer dies."""
        os.kill(self.process.pid, number)  # not by Popen, which might reap it
        self.close()

    def wait_until_killed(self) -> None:
        """Let the service reap it before its socket ends; then close that."""
        wait_until(lambda: self.process.returncode is not None, "its end")
        self.close()

    def close(self) -> None:
        self._lines.close()
        self.line.close()


class Cast:
    """A fake of the spawner: hands out actors, and remembers them."""

    def __init__(self) -> None:
        self.actors: list[Actor] = []
        self._came = threading.Condition()
        self._is_closed = False

    def take(self) -> Tracer:
        with self._came:
            if self._is_closed:
                raise OSError(errno.ECANCELED, "the test is over")  # a restart, say
            self.actors.append(Actor())
            self._came.notify_all()
            return self.actors[-1].tracer

    def wait_for(self, count: int) -> Actor:
        with self._came:
            assert self._came.wait_for(lambda: len(self.actors) >= count, PATIENCE_S)
            return self.actors[count - 1]

    def close(self) -> None:
        with self._came:
            self._is_closed = True
        for actor in self.actors:
            if actor.process.returncode is None:
                actor.end()
            actor.wait_until_killed()


@pytest.fixture
def cast() -> Iterator[Cast]:
    cast = Cast()
    yield cast
    cast.close()


@pytest.fixture
def manager(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> ProbeManager:
    monkeypatch.setattr(manager_module, "FILTER_TIMEOUT_S", 0.3)
    settings = Settings(owner_uid=os.getuid(), stop_timeout_s=1.0)
    modes = {name: Availability(name == MODE, "f", None, None) for name in MODES}
    kernel = KernelAnswer("6.1", "x86_64", "lab", modes)
    made = ProbeManager(
        settings,
        Hub(MIB, MIB),
        spawner=cast,  # type: ignore[arg-type]
        kernel_check=KernelCheck(settings, lambda _: kernel),
    )
    made.check_availability()
    return made


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def start(manager: ProbeManager, cast: Cast, pool: ThreadPoolExecutor, **spec: Any) -> Actor:
    number = len(cast.actors) + 1
    started = pool.submit(manager.start, MODE, ProbeSpec(**spec))
    actor = cast.wait_for(number)
    assert actor.hear()["mode"] == MODE
    actor.say(type="attached", function="f")
    assert started.result(PATIENCE_S)[1]
    return actor


def shown(manager: ProbeManager) -> dict[str, Any]:
    """The members of the filter that are asked for."""
    wanted: dict[str, Any] = manager.describe(MODE)["filter"]
    return {name: value for name, value in wanted.items() if value not in (None, False)}


def problem(future: Future[Any]) -> tuple[int, str]:
    with pytest.raises(ProbedeckError) as caught:
        future.result(PATIENCE_S)
    return caught.value.status, caught.value.code


# --- What is shown is what is in force ---


def test_a_filter_that_is_confirmed_late_is_shown_from_then_on(
    manager: ProbeManager, cast: Cast, pool: ThreadPoolExecutor
) -> None:
    actor = start(manager, cast, pool)
    with manager._hub.subscribe(kind="test", peer="-", probes=None, recent=False) as viewer:
        late = pool.submit(manager.change, MODE, {"filter": {"comm": "nobody"}})
        assert problem(late) == (502, "tracer_failed")
        assert shown(manager) == {}
        viewer.get(0)
        actor.confirm(actor.hear())
        wait_until(lambda: shown(manager) == {"comm": "nobody"}, "the filter to be shown")
        (told,) = viewer.get(PATIENCE_S)
        assert isinstance(told, dict)
        assert told["probe"]["filter"]["comm"] == "nobody"


def test_changes_at_once_are_all_made(
    manager: ProbeManager, cast: Cast, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is merged into the request before it, not into the filter shown so far."""
    monkeypatch.setattr(manager_module, "FILTER_TIMEOUT_S", PATIENCE_S)
    actor = start(manager, cast, pool)
    changes = ({"comm": "rm"}, {"uid": 5}, {"pid": 7}, {"only_failures": True})
    answers, messages = [], []
    for change in changes:
        answers.append(pool.submit(manager.change, MODE, {"filter": change}))
        messages.append(actor.hear())
    assert shown(manager) == {}
    actor.confirm(messages[1])  # both
    assert answers[1].result(PATIENCE_S)["filter"]["comm"] == "rm"
    assert answers[0].result(PATIENCE_S)["filter"]["uid"] == 5
    assert shown(manager) == {"comm": "rm", "uid": 5}
    actor.confirm(messages[3])
    for answer in answers:
        answer.result(PATIENCE_S)
    assert shown(manager) == {"comm": "rm", "uid": 5, "pid": 7, "only_failures": True}


def test_a_change_after_one_that_was_not_confirmed(
    manager: ProbeManager, cast: Cast, pool: ThreadPoolExecutor
) -> None:
    actor = start(manager, cast, pool, filter=Filter(uid=1))
    for change in ({"comm": "a"}, {"pid": 7}):
        assert problem(pool.submit(manager.change, MODE, {"filter": change}))[0] == 502
    first, second = actor.hear(), actor.hear()
    actor.confirm(first)
    wait_until(lambda: shown(manager) == {"uid": 1, "comm": "a"}, "the first change")
    actor.confirm(second)
    wait_until(lambda: shown(manager) == {"uid": 1, "comm": "a", "pid": 7}, "the second")


def test_a_restarted_tracer_gets_the_filter_that_is_shown(
    manager: ProbeManager,
    cast: Cast,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.probes.restart.FIRST_WAIT_S", 0.0)
    actor = start(manager, cast, pool, restart=True)
    late = pool.submit(manager.change, MODE, {"filter": {"comm": "confirmed"}})
    actor.confirm(actor.hear())
    late.result(PATIENCE_S)
    assert problem(pool.submit(manager.change, MODE, {"filter": {"comm": "not"}}))[0] == 502
    actor.end()
    following = cast.wait_for(2)
    request = following.hear()
    assert request["filter"]["comm"] == "confirmed" == shown(manager)["comm"]
    following.say(type="attached", function="f")
    wait_until(lambda: manager.describe(MODE)["state"] == "running", "the restart")
    change = pool.submit(manager.change, MODE, {"filter": {"uid": 3}})
    message = following.hear()
    assert (message["filter"]["comm"], message["filter"]["uid"]) == ("confirmed", 3)
    following.confirm(message)
    change.result(PATIENCE_S)


@pytest.mark.parametrize(
    ("last_word", "expected"),
    [
        ({"type": "stopped", "code": "duration", "detail": "over"}, (404, "not_running")),
        ({"type": "stopped", "code": "requested", "detail": "stopped"}, (404, "not_running")),
        (None, (502, "tracer_failed")),
    ],
)
def test_a_run_that_ends_before_it_took_the_filter(
    manager: ProbeManager,
    cast: Cast,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
    last_word: dict[str, Any] | None,
    expected: tuple[int, str],
) -> None:
    monkeypatch.setattr(manager_module, "FILTER_TIMEOUT_S", PATIENCE_S)
    actor = start(manager, cast, pool)
    change = pool.submit(manager.change, MODE, {"filter": {"comm": "x"}})
    actor.hear()
    if last_word:
        actor.say(**last_word)
    actor.end()
    assert problem(change) == expected
    assert shown(manager) == {}


# --- How a run ended ---


def ended(manager: ProbeManager) -> dict[str, str]:
    wait_until(lambda: manager.describe(MODE)["ended"], "the end to be told")
    end: dict[str, str] = manager.describe(MODE)["ended"]
    return end


def test_a_tracer_that_dies_with_unread_input(
    manager: ProbeManager, cast: Cast, pool: ThreadPoolExecutor
) -> None:
    """The socket says ECONNRESET then; what the tracer had sent is all there before it."""
    actor = start(manager, cast, pool)
    assert problem(pool.submit(manager.change, MODE, {"filter": {"comm": "x"}}))[0] == 502
    actor.line.sendall(HEADER.pack(3, KIND_BATCH, 7) + b"abc")
    actor.end()
    end = ended(manager)
    assert (end["code"], end["detail"]) == ("tracer_failed", "the tracer was ended by SIGKILL")
    assert manager.describe(MODE)["counters"]["delivered"] == 7


def test_a_stop_that_is_not_obeyed_is_told_as_such(
    manager: ProbeManager, cast: Cast, pool: ThreadPoolExecutor
) -> None:
    actor = start(manager, cast, pool)
    stopped = pool.submit(manager.stop, MODE)
    actor.wait_until_killed()  # with the message unread
    assert problem(stopped) == (504, "stop_timeout")
    assert ended(manager)["code"] == "stop_timeout"


def test_a_tracer_that_dies_during_the_stop(
    manager: ProbeManager, cast: Cast, pool: ThreadPoolExecutor
) -> None:
    """The answer is its end, with the final counters: rows that did arrive are in them."""
    actor = start(manager, cast, pool)
    stopped = pool.submit(manager.stop, MODE)
    assert actor.hear() == {"type": "stop"}
    actor.line.sendall(HEADER.pack(3, KIND_BATCH, 7) + b"abc")
    actor.end()
    error = stopped.exception(PATIENCE_S)
    assert isinstance(error, ProbedeckError)
    assert (error.status, error.code) == (502, "tracer_failed")
    assert error.extra["reason"] == "the tracer was ended by SIGKILL"
    assert error.extra["counters"]["delivered"] == 7
    assert ended(manager)["code"] == "tracer_failed"


def test_a_frame_that_is_cut_off_is_no_lie(
    manager: ProbeManager, cast: Cast, pool: ThreadPoolExecutor
) -> None:
    for part in (HEADER.pack(100, KIND_BATCH, 7)[:5], HEADER.pack(100, KIND_BATCH, 7) + b"abc"):
        actor = start(manager, cast, pool)
        actor.line.sendall(part)
        actor.end(signal.SIGSEGV)
        assert ended(manager)["detail"] == "the tracer was ended by SIGSEGV"


def test_what_is_told_names_no_file(
    manager: ProbeManager, cast: Cast, pool: ThreadPoolExecutor
) -> None:
    actor = start(manager, cast, pool)
    noise = b'{"type": "nope", "text": "/etc/passwd"}'
    actor.line.sendall(HEADER.pack(len(noise), KIND_JSON, 0) + noise)
    actor.wait_until_killed()  # the tracer lied
    end = ended(manager)
    assert end["detail"] == end["reason"] == "malformed frame from tracer"


def test_descriptors_that_fit_no_description_are_closed(
    manager: ProbeManager, cast: Cast, pool: ThreadPoolExecutor
) -> None:
    number = len(cast.actors) + 1
    starting = pool.submit(manager.start, MODE, ProbeSpec())
    actor = cast.wait_for(number)
    reader, writer = os.pipe()
    send_maps(actor.line, {"type": "maps", "rings": ["x"], "drops": {}}, [writer])
    os.close(writer)
    actor.wait_until_killed()
    assert problem(starting) == (502, "tracer_failed")
    assert os.read(reader, 1) == b""  # end of file: nobody else holds the other end
    os.close(reader)


# --- Messages to a tracer that is ending ---


def talkers(run: TracerRun) -> list[Callable[[], object]]:
    numbers = iter(range(1, 1_000_000))
    return [
        run.stop,
        run.kill,
        lambda: run.kill(End("stop_timeout", "late", 504)),
        lambda: run.change_filter(Filter(comm="x"), next(numbers)),
    ]


@pytest.mark.parametrize("who", range(4))
def test_whatever_is_said_at_the_moment_it_dies(who: int, cast: Cast) -> None:
    """No error, no message to a reused descriptor, and an end."""
    hub = Hub(MIB, MIB)
    for _ in range(40):
        run = TracerRun(cast.take(), hub, hub.begin_run(MODE), lambda _: None)
        run.begin(b"{}\n")
        actor = cast.actors[-1]
        say = talkers(run)[who]
        over = threading.Event()

        def talk(say: Callable[[], object] = say, over: threading.Event = over) -> None:
            while not over.is_set():
                say()
                time.sleep(0)  # the reader needs its turns, on few processors too

        with ThreadPoolExecutor(2) as two:
            talking = [two.submit(talk) for _ in range(2)]
            try:
                actor.close()
                run.kill()
                run.join(PATIENCE_S)
            finally:
                over.set()
            for future in talking:
                future.result(PATIENCE_S)
            # What is opened now has the number that the socket had.
            mine, other = socket.socketpair()
            with mine, other:
                for _ in range(100):
                    say()
                with pytest.raises(BlockingIOError):
                    other.recv(1, socket.MSG_DONTWAIT)
                with pytest.raises(BlockingIOError):
                    mine.recv(1, socket.MSG_DONTWAIT)
        assert run.end is not None


def test_a_tracer_that_reads_nothing_holds_nobody_up(
    manager: ProbeManager, cast: Cast, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its socket full, further changes are refused, and it can still be stopped."""
    monkeypatch.setattr(manager_module, "FILTER_TIMEOUT_S", 0.0)
    actor = start(manager, cast, pool)
    for _ in range(3000):
        with pytest.raises(ProbedeckError):
            manager.change(MODE, {"filter": {"comm": "x"}})
    stopped = pool.submit(manager.stop, MODE)
    actor.wait_until_killed()
    assert problem(stopped) == (504, "stop_timeout")
