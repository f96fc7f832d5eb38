# SPDX-License-Identifier: Apache-2.0
"""One rule for every folder and file that an option names: type, owner, mode, and the path to it.

Root reads keys and tokens from these places, compiles files, and appends to files. So every folder
on the path must belong to root or to us and not be writable by others (a sticky one, such as
/tmp, may be on the path), every symbolic link must belong to root or to us, and the last component
must be a folder or a regular file, never a link, device, FIFO or socket. A file that is only read
(a certificate) may be reached through links, and may belong to the user who started the service.

The path is walked one component at a time, each relative to the descriptor of the one before and
without following links (openat(2), O_PATH, O_NOFOLLOW), so the file that was checked is the one
that is opened. As no other user can change a path that passed, its real path may be used later.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

MOST_LINKS = 40  # the kernel's own limit (path_resolution(7))
ROOM_BYTES = 16 * 1024  # free space that a folder needs for the service to start
# Of one kernel: the index of functions (5 MB), the include tree and compiled objects (150 KiB).
CACHE_ROOM_BYTES = 8 * 1024 * 1024
MISSING = f"is missing: {os.strerror(errno.ENOENT)}"
WRITABLE_BY_OTHERS = 0o022
OPEN_TO_OTHERS = 0o077
FIRST_USER_GROUP = 1000  # below it: system groups (login.defs(5), SYS_GID_MAX)


class UnusablePathError(OSError):
    """A folder or file cannot be used. Its text is a sentence without the full stop.

    `strerror` is the part of the sentence that follows the path.
    """

    def __init__(self, number: int | None, path: Path, what: str) -> None:
        super().__init__(number or errno.EPERM, what, str(path))

    def __str__(self) -> str:
        return f"{self.filename} {self.strerror}"

    @property
    def is_missing(self) -> bool:
        """Whether the file, or a folder on the path to it, does not exist."""
        return self.errno == errno.ENOENT


def folder(path: Path, *, mode: int = 0o755, make: bool = True) -> Path:
    """Return the real path of a folder that only root and we can write to.

    Creates it with `mode`, and missing parents with 0755, whatever the umask. Raises
    UnusablePathError.
    """
    with ExitStack() as stack:
        found = _find(path, _Way(0o755 if make else None), stack)
        if found.entry is None:
            if not make:
                raise UnusablePathError(errno.ENOENT, found.path, MISSING)
            found = _Found(found.parent, found.name, found.path, _make(found, mode, stack))
        assert found.entry is not None
        status = os.fstat(found.entry)
        if not stat.S_ISDIR(status.st_mode):
            raise UnusablePathError(errno.ENOTDIR, found.path, "is not a folder")
        _check_owner(found.path, status)
        _check_mode(found.path, status, WRITABLE_BY_OTHERS)
        return found.path


def check_room(path: Path, room_bytes: int = ROOM_BYTES) -> None:
    """Check that a file of that size fits into the folder; raises UnusablePathError."""
    try:
        with tempfile.TemporaryFile(dir=path, buffering=0) as file:
            file.write(bytes(room_bytes))
            os.fsync(file.fileno())
            if os.fstat(file.fileno()).st_size != room_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise UnusablePathError(
            error.errno, path, f"cannot be written to: {os.strerror(error.errno or errno.EIO)}"
        ) from error


def open_file(
    path: Path,
    flags: int,
    *,
    mode: int = 0o600,
    folder_mode: int | None = None,
    owners: Collection[int] = (),
    follow: bool = True,
    secret: bool = False,
    group_may_read: bool = False,
    system_groups: bool = False,
) -> int:
    """Open a regular file that only root and we, or `owners`, can write to.

    With O_CREAT, it is created with `mode`, and missing folders with `folder_mode` if that is
    given.
    `secret`: no other user can read it either, except its group if the file is root's and
    `group_may_read`.
    `system_groups`: folders on the path may be writable by a system group.
    A file that is only read may be reached through links, unless `follow` is false. Raises
    UnusablePathError.
    """
    writes = flags & os.O_ACCMODE != os.O_RDONLY
    way = _Way(
        folder_mode,
        frozenset(owners),
        follow_last=follow and not writes,
        system_groups=system_groups,
    )
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NOCTTY
    while True:
        with ExitStack() as stack:
            found = _find(path, way, stack)
            try:
                if found.entry is None:
                    if not flags & os.O_CREAT:
                        raise UnusablePathError(errno.ENOENT, found.path, MISSING)
                    return os.open(found.name, flags | os.O_EXCL, mode, dir_fd=found.parent)
                _check_file(found.path, os.fstat(found.entry), way, writes)
                if secret:
                    _check_secret(found.path, os.fstat(found.entry), group_may_read)
                again = flags & ~(os.O_CREAT | os.O_NOFOLLOW)  # the file that was checked
                return os.open(f"/proc/self/fd/{found.entry}", again)
            except FileExistsError:
                continue  # another process has just created it: check that one
            except UnusablePathError:
                raise
            except OSError as error:
                raise UnusablePathError(
                    error.errno, found.path, f"cannot be opened: {error.strerror}"
                ) from error


def read_bytes(path: Path, *, owners: Collection[int] = (), secret: bool = False) -> bytes:
    """Return the contents of a file that `open_file` opens; raises OSError."""
    with os.fdopen(open_file(path, os.O_RDONLY, owners=owners, secret=secret), "rb") as file:
        return file.read()


@dataclass(frozen=True)
class _Way:
    """How to walk a path: `make` is the mode of folders to create; None creates none."""

    make: int | None = None
    owners: frozenset[int] = frozenset()
    follow_last: bool = False
    system_groups: bool = False


@dataclass(frozen=True)
class _Found:
    """The end of a path: `entry` is None if `parent` has no such name."""

    parent: int
    name: str
    path: Path
    entry: int | None


def _find(path: Path, way: _Way, stack: ExitStack) -> _Found:
    """Walk to the end of `path`; the descriptors belong to `stack`. Raises UnusablePathError."""
    real = Path("/")
    try:
        parts = (Path.cwd() / path).parts
        parent = here = _open("/", None, stack)
        _check_folder(real, os.fstat(here), way)
        todo, links = [*reversed(parts[1:])], 0
        while todo:
            name, last = todo.pop(), not todo
            if name == "..":
                parent = here = _open("..", here, stack)
                real = real.parent
                continue
            try:
                entry = _open(name, here, stack)
            except FileNotFoundError:
                if last:
                    return _Found(here, name, real / name, None)
                if way.make is None:
                    raise
                real /= name
                parent, here = here, _make(_Found(here, name, real, None), way.make, stack)
                _check_folder(real, os.fstat(here), way)
                continue
            status = os.fstat(entry)
            if stat.S_ISLNK(status.st_mode):
                if last and not way.follow_last:
                    raise UnusablePathError(errno.ELOOP, real / name, "is a symbolic link")
                _check_owner(real / name, status, way.owners)
                links += 1
                if links > MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = Path(os.readlink("", dir_fd=entry))
                todo += [part for part in reversed(target.parts) if part != target.anchor]
                if target.is_absolute():
                    here, real = _open("/", None, stack), Path("/")
                continue
            if last:
                return _Found(here, name, real / name, entry)
            real /= name
            _check_folder(real, status, way)
            parent, here = here, entry
        return _Found(parent, ".", real, here)  # the path ends with `/` or `..`
    except UnusablePathError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null byte
        number = error.errno if isinstance(error, OSError) else errno.EINVAL
        what = os.strerror(number or errno.EIO)
        raise UnusablePathError(number, Path(path), f"cannot be used: {what}") from error


def _open(name: str, folder: int | None, stack: ExitStack) -> int:
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    stack.callback(os.close, descriptor)
    return descriptor


def _make(found: _Found, mode: int, stack: ExitStack) -> int:
    """Create a missing folder, unless another process has just done so, and open it."""
    try:
        try:
            os.mkdir(found.name, mode, dir_fd=found.parent)
            made = True
        except FileExistsError:
            made = False
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(found.name, flags, dir_fd=found.parent)
        stack.callback(os.close, descriptor)
        if made:
            os.fchmod(descriptor, mode)
    except OSError as error:
        raise UnusablePathError(
            error.errno, found.path, f"cannot be made: {error.strerror}"
        ) from error
    return descriptor


def _check_folder(path: Path, status: os.stat_result, way: _Way) -> None:
    """Check a folder on the path."""
    if not stat.S_ISDIR(status.st_mode):
        raise UnusablePathError(errno.ENOTDIR, path, "is not a folder")
    _check_owner(path, status, way.owners)
    if status.st_mode & stat.S_ISVTX:
        return  # sticky: others can add files, but neither remove nor rename those of another user
    # Ubuntu's /var/log is root:syslog 0775; the files in it must still belong to root.
    of_system = way.system_groups and 0 < status.st_gid < FIRST_USER_GROUP
    _check_mode(path, status, 0o002 if of_system else WRITABLE_BY_OTHERS)


def _check_file(path: Path, status: os.stat_result, way: _Way, writes: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnusablePathError(errno.EINVAL, path, "is not a regular file")
    _check_owner(path, status, way.owners)
    _check_mode(path, status, WRITABLE_BY_OTHERS)
    if writes and status.st_nlink > 1:
        raise UnusablePathError(errno.EMLINK, path, "has another name too (a hard link)")


def _check_secret(path: Path, status: os.stat_result, group_may_read: bool) -> None:
    # As Debian's group ssl-cert, and as PostgreSQL requires it.
    of_group = group_may_read and status.st_uid == 0
    _check_mode(path, status, 0o037 if of_group else OPEN_TO_OTHERS)


def _check_owner(path: Path, status: os.stat_result, owners: Collection[int] = ()) -> None:
    if status.st_uid not in {0, os.geteuid(), *owners}:
        raise UnusablePathError(errno.EPERM, path, f"belongs to user {status.st_uid}")


def _check_mode(path: Path, status: os.stat_result, forbidden: int) -> None:
    found = stat.S_IMODE(status.st_mode)
    if found & forbidden:
        what = "written" if found & forbidden & WRITABLE_BY_OTHERS else "read"
        raise UnusablePathError(errno.EPERM, path, f"can be {what} by others (mode {found:o})")
