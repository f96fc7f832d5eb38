# SPDX-License-Identifier: Apache-2.0
"""A mode misses exactly the deletions that app/probes/not_seen.py lists."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.presets.deletions.not_seen import not_seen
from tests.support import deletions
from tests.support.calls import FUNCTION_MODES, folder_in_memory
from tests.support.fixtures import skip
from tests.support.recording import Recording
from tests.support.service import Service


@pytest.mark.suites("bullseye", "trixie")
@pytest.mark.parametrize(
    ("way", "seen_by"),
    [
        ("io_uring", FUNCTION_MODES),
        ("rename by io_uring", FUNCTION_MODES),
        ("32 bits", FUNCTION_MODES),
        ("seccomp", ()),
    ],
)
def test_ways_to_delete(
    tracing: Service, modes: tuple[str, ...], way: str, seen_by: tuple[str, ...]
) -> None:
    folder = folder_in_memory()
    name = folder / "deleted"
    recording = Recording(tracing, modes)
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-B", deletions.__file__, way, str(name)],
            capture_output=True,
            text=True,
            check=False,
        )
        gone = not name.exists()
    finally:
        shutil.rmtree(folder)
    if done.returncode in (deletions.UNAVAILABLE, -11):  # or a kernel without 32-bit calls
        skip(f"{way}: not on this kernel: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert gone == (way in ("io_uring", "32 bits"))
    for mode, rows in recording.rows().items():
        own = [row for row in rows if row["filename"] == os.fspath(name)]
        assert len(own) == (1 if mode in seen_by else 0), mode
        for row in own:
            # Made by the program's kernel worker, which has another name.
            assert row["process"].startswith("python")
            assert row["comm"].startswith("iou-wrk" if "io_uring" in way else "python")
            assert row["replaced"] == ("yes" if "rename" in way else None)


def test_directories(tracing: Service, modes: tuple[str, ...]) -> None:
    folder = folder_in_memory()
    recording = Recording(tracing, modes)
    (folder / "d").mkdir()
    (folder / "d").rmdir()
    rows = recording.rows()
    folder.rmdir()
    for mode in modes:
        names = [row["filename"] for row in rows[mode]].count(str(folder / "d"))
        assert names == (0 if mode in FUNCTION_MODES else 1), mode


def test_the_service_says_so(session_service: Service, mode: str) -> None:
    """Every kernel that is tested has functions for renames that are known."""
    assert session_service.probe(mode)["not_seen"] == not_seen(mode, sees_renames=True)


def test_emptied_files_are_no_deletions(tracing: Service, modes: tuple[str, ...]) -> None:
    folder = folder_in_memory()
    file = folder / "emptied"
    file.write_text("x")
    recording = Recording(tracing, modes)
    file.write_text("")
    os.truncate(file, 0)
    rows = recording.rows()
    shutil.rmtree(folder)
    assert not [row for mode in modes for row in rows[mode] if row["filename"] == str(Path(file))]
