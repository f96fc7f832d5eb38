# SPDX-License-Identifier: Apache-2.0
"""`path()` shows what os.path.realpath says, wherever a file is; or that it cannot know all.

tests/support/path_calls.py is the process that uses the files.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import ROOT
from tests.support import kernel
from tests.support.batches import Row
from tests.support.child import Child
from tests.support.fixtures import skip, stop_all
from tests.support.path_calls import COMM, PATH_BYTES, STEPS
from tests.support.service import Service

pytestmark = pytest.mark.suites("trixie")

SCRIPT = ROOT / "tests/support/path_calls.py"
CUT = "…"
PROBES = {
    "path-read": {"mode": "fexit", "function": "vfs_read", "columns": ["path(file)", "count"]},
    "path-open": {"mode": "kretprobe", "function": "vfs_open", "columns": ["path(path) as path"]},
    "path-unlink": {"mode": "fentry", "function": "vfs_unlink", "columns": ["path(dentry)"]},
}


class Seen:
    """What the process did, and the rows about it, by probe."""

    def __init__(self, done: dict[str, Any], rows: list[Row]) -> None:
        self.read = {call["case"]: call for call in done["read"]}
        self.deleted = {call["case"]: call for call in done["deleted"]}
        self.rows = {probe: [row for row in rows if row["probe"] == probe] for probe in PROBES}

    def path_of_read(self, case: str) -> str:
        """The path shown of the one call that asked for so many bytes."""
        wanted = self.read[case]["bytes"]
        paths = [row["path"] for row in self.rows["path-read"] if row["count"] == wanted]
        assert len(paths) == 1, paths
        return str(paths[0])


def load_overlayfs() -> None:
    folder = ["-d", "/run/vm/kernel"] if kernel.in_test_machine() else []
    subprocess.run(["modprobe", "-q", *folder, "overlay"], check=False)  # it may be built in


@pytest.fixture(scope="module")
def seen(session_service: Service, modes: tuple[str, ...]) -> Iterator[Seen]:
    """Trace the process once, with all probes."""
    needed = {str(spec["mode"]) for spec in PROBES.values()}
    if not needed <= set(modes):
        skip(f"this kernel does not allow {needed.difference(modes)}")
    stop_all(session_service)
    load_overlayfs()
    folder = tempfile.mkdtemp(prefix="pd-paths-", dir="/dev/shm")
    try:
        with Child([sys.executable, "-I", "-S", "-B", str(SCRIPT), folder]) as process:
            for probe, spec in PROBES.items():
                session_service.start(probe, **spec, filter={"process": COMM.decode()})
            cursor = session_service.cursor()
            done = process.ask("")
            stopped = [session_service.stop(probe) for probe in PROBES]
        rows, _ = session_service.events_after(cursor)
    finally:
        shutil.rmtree(folder)
    for probe in stopped:
        assert probe["counters"]["dropped_kernel"] == 0, probe
    yield Seen(done, rows)


@pytest.mark.parametrize(
    "case",
    [
        "tmpfs",
        "proc",
        "proc, below",
        "name of 255 bytes",
        "symbolic link",
        "bind mount",
        "source of a bind mount",
        "bind mount of a file",
        "44 levels",
        "64 steps",
        "overlayfs, lower",
        "overlayfs, upper",
        "deleted",
        "process that exits at once",
        "chroot",
    ],
)
def test_a_file_has_its_real_path(seen: Seen, case: str) -> None:
    path = seen.read[case]["path"]
    assert not seen.read[case]["is_open"]
    assert seen.path_of_read(case) == path
    assert path in {row["path"] for row in seen.rows["path-open"]}


def test_the_root_is_a_slash(seen: Seen) -> None:
    paths = [row["path"] for row in seen.rows["path-open"]]
    assert paths.count("/") == 2  # in a chroot, and not


def test_a_walk_of_too_many_steps_shows_its_end(seen: Seen) -> None:
    path = seen.read["80 levels"]["path"]
    names = path.split("/")[-STEPS:]
    assert path.count("/") > STEPS
    assert seen.path_of_read("80 levels") == CUT + "".join(f"/{name}" for name in names)


def test_a_walk_of_one_step_too_many_lacks_its_beginning(seen: Seen) -> None:
    path = seen.read["65 steps"]["path"]
    shown = seen.path_of_read("65 steps")
    assert shown == CUT + path[path.index("/", 1) :]


def test_a_path_of_too_many_bytes_shows_its_end(seen: Seen) -> None:
    path = seen.read["above 4,096 bytes"]["path"]
    shown = seen.path_of_read("above 4,096 bytes")
    assert shown.startswith(f"{CUT}/")
    assert path.endswith(shown[1:])
    # Whole names, as many as there is room for.
    assert PATH_BYTES - 256 <= len(shown[1:].encode()) <= PATH_BYTES


def test_a_file_outside_the_root_is_not_shown_as_if_inside(seen: Seen) -> None:
    path = seen.read["outside the chroot"]["path"]
    assert seen.path_of_read("outside the chroot") == CUT + path


@pytest.mark.parametrize("case", ["pipe", "socket", "memfd"])
def test_what_has_no_path_shows_no_absolute_one(seen: Seen, case: str) -> None:
    assert seen.path_of_read(case).startswith(CUT)


def test_the_path_of_a_directory_entry(seen: Seen) -> None:
    """Absolute on the file system of the working directory, else from its file system's root."""
    shown = {Path(row["path"]).name: row["path"] for row in seen.rows["path-unlink"]}
    for call in seen.deleted.values():
        name = Path(call["path"]).name
        assert shown[name] == (f"{CUT}/{name}" if call["is_open"] else call["path"]), call["case"]
