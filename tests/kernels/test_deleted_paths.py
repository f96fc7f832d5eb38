# SPDX-License-Identifier: Apache-2.0
"""`path` of deletions is where the file was, whatever the name began at, in every mode."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.fixtures import start_all, stop_all
from tests.support.service import Service
from tests.support.waiting import wait_until

COMM = "pd-paths"
NAME = "n" * 200
DEEP = 70  # folders: more than the walk has steps
# Deletes files by relative and absolute names, and prints what `path` should be, by file name.
SCRIPT = r"""
import ctypes, json, mmap, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(15, b"pd-paths", 0, 0, 0)
top, name = sys.argv[1], sys.argv[2]
wanted = {}

def delete(file, path, dir_fd=None, passed=None):
    open(file, "w", opener=lambda name, flags: os.open(name, flags, dir_fd=dir_fd)).close()
    os.unlink(passed or file, dir_fd=dir_fd)
    wanted[os.path.basename(file)] = path

os.chdir(top)
delete("relative", top + "/relative")
delete("here", top + "/here", passed=".//./here")
delete(top + "/absolute", top + "/absolute")
delete(name, top + "/" + name)
os.mkdir("in")
os.symlink("in", "link")
delete("in/below", top + "/in/below")
delete("link/linked", top + "/link/linked")
fd = os.open("link", os.O_PATH)
delete("of_fd", top + "/in/of_fd", dir_fd=fd)
os.unlink("link")
wanted["link"] = top + "/link"
open("old", "w").close()
open("new", "w").close()
os.rename("old", "new", src_dir_fd=None, dst_dir_fd=None)
wanted["new"] = top + "/new"
os.chdir("/")
try:
    os.unlink("of_root")
except OSError:
    wanted["of_root"] = "/of_root"
os.chdir(top)
for number in range(3):
    os.mkdir(name + str(number)); os.chdir(name + str(number))
delete("long", os.getcwd() + "/long")
os.chdir(top)
for number in range(int(sys.argv[3])):
    os.mkdir("d"); os.chdir("d")
delete("deep", "\u2026" + "/d" * 64 + "/deep")
os.chdir(top)
try:
    os.unlink("no_folder", dir_fd=999)
except OSError:
    wanted["no_folder"] = None
with open("memory", "w+b") as file:  # a name in a page that no instruction has touched yet
    file.write(b"untouched\0".ljust(4096, b"\0")); file.flush()
    memory = mmap.mmap(file.fileno(), 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc.unlink(ctypes.c_void_p(address))
wanted["untouched"] = top + "/untouched"
if not os.fork():
    os.mkdir("jail"); os.chroot("jail")
    open("outside", "w").close()  # its current folder is not below its root
    os.unlink("outside")
    os.chdir("/")
    open("inside", "w").close(); os.unlink("inside")
    os._exit(0)
os.wait()
wanted["inside"] = "/inside"
print(json.dumps(wanted))
"""


@pytest.mark.suites("bullseye", "trixie-backports")
@pytest.mark.usefixtures("idle")
def test_paths_of_deletions(
    session_service: Service, modes: tuple[str, ...], tmp_path: Path
) -> None:
    columns = ["filename", "path"]
    start_all(session_service, modes, columns=columns, filter={"comm": COMM})
    cursor = session_service.cursor()
    top = os.path.realpath(tmp_path)
    command = [sys.executable, "-c", SCRIPT, top, NAME, str(DEEP)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wanted: dict[str, str | None] = json.loads(done.stdout)
    found: dict[str, dict[str, Any]] = {mode: {} for mode in modes}

    def look() -> bool:
        nonlocal cursor
        rows, cursor = session_service.events_after(cursor)
        for row in rows:
            assert row["filename"] is not None
            found[row["probe"]][row["filename"].rpartition("/")[2]] = row["path"]
        return all(seen.keys() >= wanted.keys() for seen in found.values())

    wait_until(look, f"{sorted(wanted)} of each mode")
    for mode, seen in found.items():
        assert {name: seen[name] for name in wanted} == wanted, mode
        assert seen["outside"].startswith("…"), mode
    stop_all(session_service)
