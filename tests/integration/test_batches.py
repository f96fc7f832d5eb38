# SPDX-License-Identifier: Apache-2.0
"""Batches that once broke the encoder, and batches that it cannot encode: real calls, the real
service. The former ended the probe; the latter are lost alone, and counted."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import ROOT
from tests.support.recording import Recording, check_ledger, mark, wait_until_shown
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

BATCHES = ROOT / "app/tracer/decode_plan.py"
SABOTAGE = """

_encode = PlanEncoder.encode


def _refuse(self, parts, *rest):
    if any(b"poison" in part["texts"].tobytes() for part in parts):
        raise ValueError("a record that cannot be encoded")
    return _encode(self, parts, *rest)


PlanEncoder.encode = _refuse
"""


@pytest.mark.parametrize("comm", ["r", "rm", "fifteen-bytes-x"])
@pytest.mark.parametrize(
    "names",
    [["a", "b", "c"], ["aaa", "bbb"], ["x"], ["ż", "ó"], [b"\xff", b"\xfe"], ["n" * 255] * 2],
)
def test_texts_of_one_width(
    tracing: Service, modes: tuple[str, ...], tmp_path: Path, comm: str, names: list[str | bytes]
) -> None:
    """`touch a b c; rm a b c`, and by a program with a name of one letter."""
    rm = shutil.copy(str(shutil.which("rm")), tmp_path / comm)
    for name in set(names):
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), os.fsencode(name)))).touch()  # noqa: PTH118
    recording = Recording(tracing, modes)
    process = subprocess.Popen([rm, "-f", "--", *names], cwd=tmp_path)
    assert process.wait(60) == 0
    shown = [os.fsencode(name).decode("utf-8", "backslashreplace") for name in names]
    for mode, rows in recording.rows().items():
        own = [(row["comm"], row["filename"]) for row in rows if row["pid"] == process.pid]
        assert own == [(comm, name) for name in shown], mode
    for mode in modes:
        assert tracing.probe(mode)["state"] == "running"


@pytest.fixture(scope="module")
def sabotaged(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, modes: tuple[str, ...]
) -> Iterator[Service]:
    """A service whose encoder fails where a name has "poison" in it.

    A file mounted over the encoder's for this service alone makes it fail.
    """
    folder = tmp_path_factory.mktemp("sabotaged")
    (folder / "decode_plan.py").write_text(BATCHES.read_text() + SABOTAGE)
    script = f"mount --bind '{folder}/decode_plan.py' '{BATCHES}'"
    prefix = ("unshare", "--mount", "sh", "-ec", script + '\nexec "$@"', "sh")
    with running_service(folder, cache, prefix=prefix) as service:
        yield service


def test_a_batch_that_cannot_be_encoded_costs_itself_only(
    sabotaged: Service, modes: tuple[str, ...]
) -> None:
    mode = modes[-1]
    sabotaged.start(mode, filter={"pid": os.getpid()})
    made = []
    with sabotaged.ndjson("?recent=0") as stream:
        for poisoned in ("/run/pd-poison-a", "/run/pd-poison-b"):
            made.append(mark())
            stream.wait_for_name(mode, made[-1])  # so that it is in another batch
            with pytest.raises(FileNotFoundError):
                os.unlink(poisoned)  # noqa: PTH108  exactly one call
            wanted = len(made) + 1
            wait_until(
                lambda wanted=wanted: sabotaged.probe(mode)["counters"]["produced"] == wanted,
                "the lost row to be counted",
            )
            made.append(poisoned)
        made.append(mark())
        stream.wait_for_name(mode, made[-1])
        assert [row["filename"] for row in stream.rows] == made[::2]
        assert stream.gaps(mode) == 2
    stopped = sabotaged.stop(mode)
    assert stopped["ended"]["code"] == "requested"
    check_ledger(stopped["counters"])
    counters = {
        name: stopped["counters"][name] for name in ("produced", "delivered", "dropped_pipe")
    }
    assert counters == {"produced": 5, "delivered": 3, "dropped_pipe": 2}
    log = sabotaged.log.read_text()
    assert log.count("ValueError: a record that cannot be encoded") == 1  # not for each batch
    assert log.count("Traceback") == 1
    # A later run tells it again.
    sabotaged.start(mode)
    with pytest.raises(FileNotFoundError):
        os.unlink("/run/pd-poison-c")  # noqa: PTH108
    wait_until(
        lambda: sabotaged.log.read_text().count("Traceback") == 2, "the second run's traceback"
    )
    wait_until_shown(sabotaged, sabotaged.cursor(), {mode}, mark())
    sabotaged.stop(mode)
