# SPDX-License-Identifier: Apache-2.0
"""The service's index: made by a child, again when modules change, and what happens if it fails."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from app.config import Settings
from app.errors import ProbedeckError
from app.kernel.functions import FUNCTION
from app.probes import function_index as subject
from app.probes.function_index import Functions
from tests.support.function_index import found, write_index
from tests.support.waiting import PATIENCE_S, wait_until


class FakeSpawner:
    """A fake of app.probes.spawner.Spawner: its children print what the test says."""

    def __init__(self) -> None:
        self.code = ""
        self.started: list[subprocess.Popen[bytes]] = []

    def prints(self, folder: Path) -> None:
        self.code = f"print({json.dumps(json.dumps({'folder': str(folder)}))})"

    def start(self, _command: Sequence[str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", self.code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.started.append(process)
        return process


class Modules:
    """What modules are loaded."""

    def __init__(self) -> None:
        self.loaded: tuple[str, ...] = ("vmlinux",)

    def __call__(self) -> tuple[str, ...]:
        return self.loaded


@pytest.fixture
def spawner() -> FakeSpawner:
    return FakeSpawner()


@pytest.fixture
def modules() -> Modules:
    return Modules()


@pytest.fixture
def functions(spawner: FakeSpawner, modules: Modules) -> Iterator[Functions]:
    made = Functions(Settings(), spawner, modules)  # type: ignore[arg-type]
    yield made
    made.close()
    assert all(process.poll() is not None for process in spawner.started)


def test_made_once(functions: Functions, spawner: FakeSpawner, tmp_path: Path) -> None:
    write_index(tmp_path / "index")
    spawner.prints(tmp_path / "index")
    functions.open()
    index = functions.current(PATIENCE_S)
    assert index.lookup(FUNCTION, "vfs_read") is not None
    assert functions.current(0) is index
    assert len(spawner.started) == 1


def test_callers_wait_for_one_child(
    functions: Functions, spawner: FakeSpawner, tmp_path: Path
) -> None:
    write_index(tmp_path / "index")
    spawner.prints(tmp_path / "index")
    answers: list[object] = []
    callers = [
        threading.Thread(target=lambda: answers.append(functions.current(PATIENCE_S)))
        for _ in range(8)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(answers) == 8
    assert len(set(map(id, answers))) == 1
    assert len(spawner.started) == 1


def test_made_again_after_modules_changed(
    functions: Functions, spawner: FakeSpawner, modules: Modules, tmp_path: Path
) -> None:
    write_index(tmp_path / "without", found(module_btf={}))
    spawner.prints(tmp_path / "without")
    before = functions.current(PATIENCE_S).lookup(FUNCTION, "xfs_read")
    assert before is not None
    assert before.parameters is None, "only its symbol is known"
    modules.loaded = ("vmlinux", "xfs")
    write_index(tmp_path / "with")
    spawner.prints(tmp_path / "with")
    after = functions.current(PATIENCE_S).lookup(FUNCTION, "xfs_read")
    assert after is not None
    assert after.parameters is not None
    assert len(spawner.started) == 2


@pytest.mark.parametrize(
    "code",
    ["import sys; sys.exit('disk full')", "print('{}')", "print('nonsense')", "print('[1]')"],
)
def test_a_child_that_fails(
    functions: Functions, spawner: FakeSpawner, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    spawner.code = code
    with pytest.raises(ProbedeckError) as raised:
        functions.current(PATIENCE_S)
    assert (raised.value.status, raised.value.code) == (503, "functions_not_ready")
    assert "the service's log says why" in raised.value.detail
    assert "cannot be made" in caplog.text
    with pytest.raises(ProbedeckError):
        functions.current(PATIENCE_S)
    assert len(spawner.started) == 1, "it is not tried again at once"


def test_the_index_before_remains_if_a_new_one_cannot_be_made(
    functions: Functions, spawner: FakeSpawner, modules: Modules, tmp_path: Path
) -> None:
    write_index(tmp_path / "index")
    spawner.prints(tmp_path / "index")
    index = functions.current(PATIENCE_S)
    modules.loaded = ("vmlinux", "xfs")
    spawner.code = "raise SystemExit(1)"
    assert functions.current(PATIENCE_S) is index


def test_tried_again_after_a_while(
    functions: Functions, spawner: FakeSpawner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spawner.code = "raise SystemExit(1)"
    with pytest.raises(ProbedeckError):
        functions.current(PATIENCE_S)
    monkeypatch.setattr(subject, "RETRY_S", 0.0)
    write_index(tmp_path / "index")
    spawner.prints(tmp_path / "index")
    assert functions.current(PATIENCE_S).lookup(FUNCTION, "vfs_read") is not None


def test_a_caller_does_not_wait_for_ever(functions: Functions, spawner: FakeSpawner) -> None:
    spawner.code = "import time; time.sleep(1000)"
    with pytest.raises(ProbedeckError) as raised:
        functions.current(0.01)
    assert raised.value.code == "functions_not_ready"
    assert "ask again" in raised.value.detail
    assert raised.value.extra["retry_after_s"] == 1


def test_a_request_waits_for_less_than_a_second(functions: Functions, spawner: FakeSpawner) -> None:
    spawner.code = "import time; time.sleep(1000)"
    assert subject.WAIT_S < 1
    with pytest.raises(ProbedeckError):
        functions.current()


def test_while_modules_change_the_index_before_answers(
    functions: Functions, spawner: FakeSpawner, modules: Modules, tmp_path: Path
) -> None:
    write_index(tmp_path / "index")
    spawner.prints(tmp_path / "index")
    index = functions.current(PATIENCE_S)
    functions.check_current()
    modules.loaded = ("vmlinux", "xfs")
    spawner.code = "import time; time.sleep(1000)"
    assert functions.current(0.01) is index
    with pytest.raises(ProbedeckError) as raised:
        functions.check_current()
    assert raised.value.code == "functions_not_ready"


def test_closing_ends_the_child_and_its_callers(functions: Functions, spawner: FakeSpawner) -> None:
    spawner.code = "import time; time.sleep(1000)"
    codes: list[str] = []

    def wait() -> None:
        try:
            functions.current(PATIENCE_S)
        except ProbedeckError as error:
            codes.append(error.code)

    caller = threading.Thread(target=wait)
    caller.start()
    wait_until(lambda: spawner.started, "the child to be started")
    functions.close()
    caller.join()
    assert codes == ["functions_not_ready"]
    assert spawner.started[0].wait() != 0
    with pytest.raises(ProbedeckError):
        functions.current(0.01)
    assert len(spawner.started) == 1, "nothing is started any more"
