# SPDX-License-Identifier: Apache-2.0
"""Jobs beside the parts that run here: how many at a time, their output, and their end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.runner.junit import Count
from tests.runner.lanes import Lanes, lanes
from tests.support.waiting import wait_until

# Says where it is, waits until it may end, and writes its count.
JOB = """
import os, sys, time
from pathlib import Path
from tests.runner.junit import Count
from tests.runner.lanes import write_count
folder, part, written = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
print(part, "begins", os.getpriority(os.PRIO_PROCESS, 0), flush=True)
(folder / f"{part}.pid.new").write_text(str(os.getpid()))
(folder / f"{part}.pid.new").rename(folder / f"{part}.pid")
while not (folder / f"{part}.end").exists():
    time.sleep(0.01)
print(part, "ends", flush=True)
if part != "lost":
    write_count(written, Count(2, [f"{part}::bad"], ["x: no fuse"]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def run(folder: Path, *parts: str, count: tuple[int, int], alone: bool = False) -> Lanes:
    def command(part: str, written: str) -> Sequence[str]:
        return [sys.executable, "-c", JOB, str(folder), part, written]

    return Lanes(parts, count, command, alone=alone)


def begun(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.pid")}


def end(folder: Path, *parts: str) -> None:
    for part in parts:
        (folder / f"{part}.end").touch()


def test_one_beside_the_parts_here_and_more_after_them(folder: Path) -> None:
    shown: list[bytes] = []
    with run(folder, "a", "b", "c", count=(1, 2)) as running:
        wait_until(lambda: begun(folder), "the first to begin")
        end(folder, "a")
        wait_until(lambda: begun(folder) == {"a", "b"}, "the second to begin")
        job = running.show("a", shown.append)  # no part runs here now
        assert job.count == Count(2, ["a::bad"], ["x: no fuse"])
        wait_until(lambda: begun(folder) == {"a", "b", "c"}, "the third to begin beside it")
        end(folder, "c", "b")
        running.show("b", shown.append)
        running.show("c", shown.append)
    # In this order, whatever the order in which they ended.
    lines = b"".join(shown).decode().splitlines()
    own = os.getpriority(os.PRIO_PROCESS, 0)
    beside, after = min(own + 5, 19), own
    assert lines == [
        *(f"a begins {beside}", "a ends", f"b begins {beside}", "b ends"),
        *(f"c begins {after}", "c ends"),
    ]


def test_with_no_part_here_all_lanes_are_used_at_once(folder: Path) -> None:
    shown: list[bytes] = []
    with run(folder, "a", "b", count=(0, 2), alone=True) as running:
        wait_until(lambda: begun(folder) == {"a", "b"}, "both to begin")
        end(folder, "a", "b")
        running.show("a", shown.append)
    assert f"a begins {os.getpriority(os.PRIO_PROCESS, 0)}" in b"".join(shown).decode()


def test_none_beside_the_parts_here_without_a_lane_for_it(folder: Path) -> None:
    end(folder, "a")
    with run(folder, "a", count=(0, 1)) as running:
        assert begun(folder) == set()
        assert running.show("a", lambda _: None).count.passed == 2


def test_output_is_shown_while_the_job_runs(folder: Path) -> None:
    def show(data: bytes) -> None:
        if b"begins" in data:
            end(folder, "a")  # which it waits for

    with run(folder, "a", count=(1, 1)) as running:
        running.show("a", show)


def test_a_job_without_a_count_has_failed(folder: Path) -> None:
    end(folder, "lost")
    with run(folder, "lost", count=(1, 1)) as running:
        assert running.show("lost", lambda _: None).count == Count(failures=["ended with status 0"])


def test_an_interruption_ends_the_jobs_that_run_and_starts_no_other(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt), run(folder, "a", "b", count=(1, 1)):
        wait_until(lambda: begun(folder), "the first to begin")
        raise KeyboardInterrupt
    assert begun(folder) == {"a"}
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "a.pid").read_text()), 0)


@pytest.mark.parametrize(
    ("cpus", "memory_mib", "expected"),
    [
        (1, 64000, (0, 1)),
        (2, 64000, (1, 2)),
        (2, 7000, (1, 2)),
        (2, 6000, (1, 1)),
        (2, 2000, (0, 1)),
        (8, 16384, (1, 7)),
    ],
)
def test_a_lane_needs_a_processor_and_memory(
    cpus: int, memory_mib: int, expected: tuple[int, int]
) -> None:
    assert lanes(cpus, memory_mib) == expected
