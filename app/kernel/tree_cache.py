# SPDX-License-Identifier: Apache-2.0
"""Folders of files that root compiles: made whole, checked before use, nobody else's to write.

What lies in such a folder becomes a program in the kernel. So each folder on the way to it
must belong to root or to us and be closed to others' writing; and a tree that is not
exactly what was once written (a full disk, a lost machine, a curious hand) is made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

DIGEST = "DIGEST"
_TEMPORARY = ".new-"


class UnsafeDirectoryError(PermissionError):
    """Others than root and us could change what lies in the folder; the message says who."""


def ensure(cache_dir: Path, key: str, make: Callable[[], Mapping[str, str]]) -> Path:
    """The folder `cache_dir/key` with the files `make` returns (text by relative path).

    Makes it when it is not there or not whole, at once or not at all, also when several
    processes ask. Raises UnsafeDirectoryError, OSError, and what `make` raises.
    """
    cache_dir = secure_directory(cache_dir)
    tree = cache_dir / key
    if is_whole(tree):
        return tree
    files = make()
    with _locked(cache_dir):
        for leftover in cache_dir.glob(
            _TEMPORARY + "*"
        ):  # of one that was killed; we hold the lock
            shutil.rmtree(leftover)
        if is_whole(tree):  # another process was faster
            return tree
        new = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=cache_dir))
        _write(new / "tree", files)
        if tree.is_symlink() or tree.exists():
            tree.rename(new / "damaged")
        (new / "tree").rename(tree)
        shutil.rmtree(new)
    return tree


def load(cache_dir: Path, key: str) -> dict[str, bytes] | None:
    """The files of `cache_dir/key` by relative path; None when it is not there or not whole.

    Raises UnsafeDirectoryError, OSError.
    """
    return _whole(secure_directory(cache_dir) / key)


def is_whole(tree: Path) -> bool:
    """Whether the tree is as it was written, and only root or we can have written it."""
    return _whole(tree) is not None


def _whole(tree: Path) -> dict[str, bytes] | None:
    try:
        expected = (tree / DIGEST).read_text()
        content = _read(tree)
    except (OSError, ValueError):  # missing, unreadable, not text, or not ours
        return None
    return content if _digest(content) == expected else None


def secure_directory(path: Path) -> Path:
    """Make the folder if needed; its real path, once every folder on the way is found safe.

    Raises UnsafeDirectoryError when somebody else than root and us can write to one of them or
    swap it for another; a sticky folder such as /tmp may stand on the way.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - no symbolic link may be followed yet
    _check_way(path)
    for folder in (*reversed(path.parents), path):
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        folder.chmod(0o755)  # whatever the umask says
    real = path.resolve(strict=True)
    _check_way(real)
    _check(real, sticky_allowed=False)
    return real


def _check_way(path: Path) -> None:
    for folder in (*reversed(path.parents), path):
        if not folder.exists() and not folder.is_symlink():
            return
        _check(folder, sticky_allowed=True)


def _check(path: Path, sticky_allowed: bool) -> None:
    status = path.lstat()
    if status.st_uid not in (0, os.geteuid()):
        raise UnsafeDirectoryError(f"{path} belongs to user {status.st_uid}")
    if stat.S_ISLNK(status.st_mode):
        return  # whose modes mean nothing; where it leads is checked by itself
    open_to_others = status.st_mode & 0o022
    if open_to_others and not (sticky_allowed and status.st_mode & stat.S_ISVTX):
        raise UnsafeDirectoryError(f"{path} can be written by others (mode {status.st_mode:o})")


@contextmanager
def _locked(cache_dir: Path) -> Iterator[None]:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    lock = os.open(cache_dir / ".lock", flags, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _write(tree: Path, files: Mapping[str, str]) -> None:
    content = {path: text.encode() for path, text in files.items()}
    for path, data in {**content, DIGEST: _digest(content).encode()}.items():
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.chmod(0o644)
    for folder in (tree, *(p for p in tree.rglob("*") if p.is_dir())):
        folder.chmod(0o755)


def _read(tree: Path) -> dict[str, bytes]:
    """Content by relative path; raises ValueError for what none of ours would be."""
    content = {}
    for path in (tree, *tree.rglob("*")):
        status = path.lstat()
        if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
            raise ValueError(f"{path} could be written by others")
        if stat.S_ISREG(status.st_mode):
            content[path.relative_to(tree).as_posix()] = path.read_bytes()
        elif not stat.S_ISDIR(status.st_mode):
            raise ValueError(f"{path} is neither file nor folder")
    content.pop(DIGEST, None)
    return content


def _digest(content: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for path in sorted(content):
        digest.update(f"{path}\0{len(content[path])}\0".encode())
        digest.update(content[path])
    return digest.hexdigest() + "\n"
