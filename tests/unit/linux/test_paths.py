# SPDX-License-Identifier: Apache-2.0
"""The rule for named folders and files; tests/integration has real services."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from app.linux import paths
from app.linux.paths import UnusablePathError

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture(autouse=True)
def nothing_left_open() -> object:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    yield
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_what_is_missing_is_made(tmp_path: Path, umask: int) -> None:
    previous = os.umask(umask)
    try:
        made = paths.folder(tmp_path / "a" / "b" / "c", mode=0o700)
    finally:
        os.umask(previous)
    assert made == tmp_path / "a" / "b" / "c"
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (made.parent.parent, made.parent, made)]
    assert modes == [0o755, 0o755, 0o700]


@pytest.mark.parametrize("name", ["a/../b", "link/../b", "./b", "b/.", "b//", "link/../../x/b"])
def test_names_mean_what_they_mean_to_the_kernel(tmp_path: Path, name: str) -> None:
    """`..` after a link is the parent of its target, which string handling does not find."""
    here = tmp_path / "x"
    for each in ("x/a", "x/b", "x/deep/er", "x/deep/b"):
        (tmp_path / each).mkdir(parents=True)
    (here / "link").symlink_to("deep/er")
    expected = Path(os.path.realpath(here / name, strict="link/../../x" not in name))
    assert paths.folder(here / name) == expected


def test_links_on_the_way_are_followed_if_they_are_ours(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "absolute").symlink_to(tmp_path / "real")
    (tmp_path / "relative").symlink_to("absolute")
    assert paths.folder(tmp_path / "relative" / "new") == tmp_path / "real" / "new"
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UnusablePathError, match="Too many levels"):
        paths.folder(tmp_path / "loop" / "new")


@root_only
def test_a_link_of_somebody_elses_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o600)
    (tmp_path / "link").symlink_to("file")
    os.close(paths.open_file(tmp_path / "link", os.O_RDONLY))
    os.chown(tmp_path / "link", 54321, 54321, follow_symlinks=False)
    with pytest.raises(UnusablePathError, match="link belongs to user 54321"):
        paths.open_file(tmp_path / "link", os.O_RDONLY)
    os.close(paths.open_file(tmp_path / "link", os.O_RDONLY, owners=[54321]))


@root_only
def test_a_system_groups_folder_only_where_that_is_allowed(tmp_path: Path) -> None:
    """Ubuntu's /var/log: root:syslog 0775."""
    log = tmp_path / "log"
    log.mkdir()
    os.chown(log, 0, 104)
    log.chmod(0o775)
    flags = os.O_WRONLY | os.O_CREAT
    with pytest.raises(UnusablePathError, match="log can be written by others"):
        paths.open_file(log / "x" / "f", flags, folder_mode=0o700)
    os.close(paths.open_file(log / "x" / "f", flags, folder_mode=0o700, system_groups=True))
    assert stat.S_IMODE((log / "x").stat().st_mode) == 0o700
    for gid, mode in ((1000, 0o775), (104, 0o777)):
        os.chown(log, 0, gid)
        log.chmod(mode)
        with pytest.raises(UnusablePathError, match="log can be written by others"):
            paths.open_file(log / "x" / "f", flags, system_groups=True)


@root_only
def test_a_key_of_roots_group(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch()
    for mode, uid, allowed in [
        (0o600, 0, True),
        (0o640, 0, True),
        (0o644, 0, False),
        (0o660, 0, False),
        (0o640, 7, False),
        (0o600, 7, True),
    ]:
        os.chown(key, uid, 7)
        key.chmod(mode)

        def opened() -> None:
            os.close(
                paths.open_file(key, os.O_RDONLY, owners=[7], secret=True, group_may_read=True)
            )

        if allowed:
            opened()
        else:
            with pytest.raises(UnusablePathError, match="by others"):
                opened()


def test_what_was_checked_is_what_is_opened(tmp_path: Path) -> None:
    """A name that another process swaps for a link or a FIFO is never opened through the link."""
    target, name, stop = tmp_path / "target", tmp_path / "name", threading.Event()
    target.touch(0o600)

    def swap() -> None:
        other = tmp_path / "other"
        while not stop.is_set():
            for make in (
                lambda: other.symlink_to(target),
                lambda: os.mkfifo(other, 0o600),
                lambda: other.touch(0o600),
            ):
                make()
                other.replace(name)

    thread = threading.Thread(target=swap)
    thread.start()
    inode = target.stat().st_ino
    try:
        for _ in range(3000):
            try:
                descriptor = paths.open_file(name, os.O_RDWR | os.O_CREAT)
            except UnusablePathError:
                continue
            found = os.fstat(descriptor)
            os.close(descriptor)
            assert stat.S_ISREG(found.st_mode)
            assert found.st_ino != inode
    finally:
        stop.set()
        thread.join(60)


@pytest.mark.parametrize("name", ["x" * 256, "a\0b", "x/" * 3000])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    for use in (
        lambda: paths.folder(tmp_path / name, make=False),
        lambda: paths.open_file(tmp_path / name, os.O_RDONLY),
    ):
        with pytest.raises(UnusablePathError):
            use()
