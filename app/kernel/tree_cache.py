# SPDX-License-Identifier: Apache-2.0
"""Cached folders of files that root compiles: written atomically, verified before use.

The content of such a folder becomes a program in the kernel. So the folder and the path to it are
checked (app.linux.paths), and a tree that differs from what was written (a full disk, a crash,
an edit) is made again.
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

from app.linux import paths

DIGEST = "DIGEST"
_TEMPORARY = ".new-"


Files = Mapping[str, str | bytes]  # by relative path


def ensure(cache_dir: Path, key: str, make: Callable[[], Files]) -> Path:
    """Return the folder `cache_dir/key` with the files that `make` returns.

    Creates it atomically if it is missing or damaged, also when several processes ask. Raises
    OSError (paths.UnusablePathError), and what `make` raises.
    """
    cache_dir = paths.folder(cache_dir)
    tree = cache_dir / key
    if is_whole(tree):
        return tree
    files = make()
    try:
        with _locked(cache_dir):
            if not is_whole(tree):  # unless another process was faster
                _put(cache_dir, tree, files)
    except paths.UnusablePathError:
        raise
    except OSError as error:
        what = f"cannot be written to: {error.strerror or error}"
        raise paths.UnusablePathError(error.errno, cache_dir, what) from error
    return tree


def _put(cache_dir: Path, tree: Path, files: Files) -> None:
    """Write the tree to a temporary folder and move it into place; the caller holds the lock."""
    for leftover in cache_dir.glob(_TEMPORARY + "*"):  # of a process that was killed
        shutil.rmtree(leftover)
    new = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=cache_dir))
    try:
        _write(new / "tree", files)
        if tree.is_symlink() or tree.exists():
            tree.rename(new / "damaged")
        (new / "tree").rename(tree)
    finally:
        shutil.rmtree(new)


def load(cache_dir: Path, key: str) -> dict[str, bytes] | None:
    """Return the files of `cache_dir/key` by relative path; None if it is missing or damaged.

    Raises OSError (paths.UnusablePathError).
    """
    return _whole(paths.folder(cache_dir) / key)


def is_whole(tree: Path) -> bool:
    """Return whether the tree is as it was written, and only root or we can have written it."""
    return _whole(tree) is not None


def _whole(tree: Path) -> dict[str, bytes] | None:
    try:
        expected = (tree / DIGEST).read_text()
        content = _read(tree)
    except (OSError, ValueError):  # missing, unreadable, not text, or not ours
        return None
    return content if _digest(content) == expected else None


@contextmanager
def _locked(cache_dir: Path) -> Iterator[None]:
    lock = paths.open_file(cache_dir / ".lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _write(tree: Path, files: Files) -> None:
    content = {
        path: text.encode() if isinstance(text, str) else text for path, text in files.items()
    }
    for path, data in {**content, DIGEST: _digest(content).encode()}.items():
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.chmod(0o644)
    for folder in (tree, *(p for p in tree.rglob("*") if p.is_dir())):
        folder.chmod(0o755)


def _read(tree: Path) -> dict[str, bytes]:
    """Return the content by relative path; raises ValueError for anything not written by us."""
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
