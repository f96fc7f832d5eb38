# SPDX-License-Identifier: Apache-2.0
"""A rename onto a name that a file has deletes that file."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import kernel
from tests.support.batches import Row
from tests.support.calls import EXIT_MODES, FUNCTION_MODES, folder_in_memory
from tests.support.fixtures import skip
from tests.support.recording import Recording
from tests.support.service import Service

AT_FDCWD, NOREPLACE, EXCHANGE, WHITEOUT = -100, 1, 2, 4
LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    place = folder_in_memory()
    yield place
    subprocess.run(["rm", "-rf", str(place)], check=True)


def rename(call: str, old: Path, new: Path, flags: int = 0) -> int:
    """The error's number, negative, or 0."""
    names = os.fsencode(old), os.fsencode(new)
    arguments: dict[str, tuple[object, ...]] = {
        "rename": names,
        "renameat": (AT_FDCWD, names[0], AT_FDCWD, names[1]),
        "renameat2": (AT_FDCWD, names[0], AT_FDCWD, names[1], flags),
    }
    return -ctypes.get_errno() if getattr(LIBC, call)(*arguments[call]) else 0


def make(*files: Path) -> None:
    for file in files:
        file.touch()


def own_rows(rows: list[Row], folder: Path) -> list[Row]:
    return [
        row
        for row in rows
        if row["pid"] == os.getpid() and (row["filename"] or "").startswith(f"{folder}/")
    ]


def replaced(rows: list[Row]) -> list[tuple[str, int]]:
    """The names that were renamed to, with the result."""
    return [(Path(row["filename"]).name, row.get("ret", 0)) for row in rows if row["replaced"]]


def test_only_what_replaces_a_file(tracing: Service, modes: tuple[str, ...], folder: Path) -> None:
    recording = Recording(tracing, modes)
    old, folder_a = folder / "old", folder / "a"
    wanted: list[tuple[str, int]] = []  # in function modes
    others: list[tuple[str, int]] = []  # in tracepoint mode too: it cannot tell

    def case(name: str, call: str, prepare: Callable[[Path], object], ret: int = 0) -> None:
        make(old)
        new = folder / name
        prepare(new)
        assert rename(call, old, new) == ret
        (wanted if name.startswith("is-") else others).append((name, ret))

    for call in ("rename", "renameat", "renameat2"):
        case(f"is-replaced-{call}", call, make)
        case(f"not-there-{call}", call, lambda new: None)
    case("is-" + "n" * 200, "rename", make)
    case("same-file", "rename", lambda new: os.link(old, new))
    case("is-folder", "rename", lambda new: new.mkdir(), -21)  # EISDIR
    case("is-symlink", "rename", lambda new: new.symlink_to("nothing"))
    for number, ret in ((1, 0), (2, -39)):  # ENOTEMPTY
        folder_a.mkdir()
        new = folder / f"is-directory-{number}"
        (new / "full").mkdir(parents=True) if ret else new.mkdir()
        assert rename("rename", folder_a, new) == ret
        wanted.append((new.name, ret))
    make(old, folder / "kept")
    assert rename("renameat2", old, folder / "kept", NOREPLACE) == -17  # EEXIST
    assert rename("renameat2", old, folder / "kept", EXCHANGE) == 0
    assert rename("rename", folder / "missing", folder / "kept") == -2
    others.append(("kept", -2))
    for mode, rows in recording.rows().items():
        own = own_rows(rows, folder)
        shown = replaced(own)
        if mode in FUNCTION_MODES:
            results = wanted if mode in EXIT_MODES else [(name, 0) for name, _ in wanted]
            assert shown == results, mode
            assert {row["replaced"] for row in own if row["replaced"]} == {"yes"}
        else:
            assert sorted(shown) == sorted(wanted + others)
            assert {row["replaced"] for row in own if row["replaced"]} == {"unknown"}
        for row in own:
            if mode in EXIT_MODES and row["replaced"]:
                assert row["latency_ns"] > 0
                assert (row["errno"] is None) == (row["ret"] == 0)


def test_flags_are_named(tracing: Service, modes: tuple[str, ...], folder: Path) -> None:
    if "tracepoint" not in modes:
        skip("no tracepoints")
    recording = Recording(tracing, ["tracepoint"])
    (folder / "d" / "e").mkdir(parents=True)
    make(folder / "d" / "e" / "f")
    subprocess.run(["rm", "-r", str(folder / "d")], check=True)
    make(folder / "old", folder / "new")
    done = rename("renameat2", folder / "old", folder / "new", WHITEOUT)
    rows = recording.rows()["tracepoint"]
    by_rm = {
        row["filename"].rpartition("/")[2]: row["flags"] for row in rows if row["comm"] == "rm"
    }
    assert by_rm == {"f": None, "e": "AT_REMOVEDIR", "d": "AT_REMOVEDIR"}
    (own,) = (row for row in own_rows(rows, folder) if row["replaced"])
    assert (own["flags"], own["ret"]) == ("RENAME_WHITEOUT", done)


def test_on_a_stacked_file_system_a_call_is_one(
    tracing: Service, modes: tuple[str, ...], folder: Path
) -> None:
    """overlayfs calls `vfs_rename` again for the layer below, also when it deletes."""
    for part in ("lower", "upper", "work", "merged"):
        (folder / part).mkdir()
    make(*(folder / "lower" / name for name in ("deleted", "replaced", "old")))
    modules = "-d /run/vm/kernel" if kernel.in_test_machine() else ""
    script = (
        """run() { sh -c 'echo $$; exec "$@"' sh "$@"; }; """
        f"modprobe -q {modules} overlay; cd $0 && mount -t overlay overlay"
        " -o lowerdir=lower,upperdir=upper,workdir=work merged && cd merged"
        " && run rm deleted && run mv -f old replaced && run mv replaced again"
    )
    recording = Recording(tracing, modes)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        skip(f"no overlayfs: {done.stderr}")
    pids = {int(pid) for pid in done.stdout.split()}
    assert len(pids) == 3
    for mode, rows in recording.rows().items():
        names = [row["filename"] for row in rows if row["pid"] in pids]
        # The last one is a renameat2 that would replace nothing (RENAME_NOREPLACE).
        assert sorted(names) == ["deleted", "replaced"], mode
