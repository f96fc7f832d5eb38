# SPDX-License-Identifier: Apache-2.0
"""The folder whose content root compiles: whole or made anew, and nobody else's to write."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.kernel.tree_cache import (
    DIGEST,
    ensure,
    is_whole,
    load,
)
from app.linux.paths import UnusablePathError, folder

FILES = {"include/a.h": "#define A 1\n", "include/linux/b.h": "", "include/ü.h": "/* ü */"}
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def forbidden() -> dict[str, str]:
    pytest.fail("made again, though it is there")


def test_makes_the_files_once(tmp_path: Path) -> None:
    tree = ensure(tmp_path / "new" / "cache", "key", lambda: FILES)
    assert {p: (tree / p).read_text() for p in FILES} == FILES
    assert is_whole(tree)
    assert ensure(tmp_path / "new" / "cache", "key", forbidden) == tree
    assert [p.name for p in tree.parent.iterdir() if not p.name.startswith(".lock")] == ["key"]


def test_loads_what_is_whole(tmp_path: Path) -> None:
    assert load(tmp_path, "key") is None
    tree = ensure(tmp_path, "key", lambda: FILES)
    assert load(tmp_path, "key") == {path: text.encode() for path, text in FILES.items()}
    shorten(tree)
    assert load(tmp_path, "key") is None
    tmp_path.chmod(0o777)
    with pytest.raises(UnusablePathError):
        load(tmp_path, "key")


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        tree = ensure(tmp_path / "new" / "cache", "key", lambda: FILES)
    finally:
        os.umask(before)
    for path in (tree.parent.parent, tree.parent, tree, *tree.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def remove(tree: Path) -> None:
    (tree / "include/a.h").unlink()


def shorten(tree: Path) -> None:
    (tree / "include/a.h").write_text("")


def add(tree: Path) -> None:
    (tree / "include/c.h").write_text("int x;")


def lose_digest(tree: Path) -> None:
    (tree / DIGEST).unlink()


def open_file(tree: Path) -> None:
    (tree / "include/a.h").chmod(0o666)


def open_folder(tree: Path) -> None:
    (tree / "include").chmod(0o777)


def link(tree: Path) -> None:
    (tree / "include/a.h").rename(tree.parent / "elsewhere.h")
    (tree / "include/a.h").symlink_to(tree.parent / "elsewhere.h")


def link_tree(tree: Path) -> None:
    tree.rename(tree.parent / "elsewhere")
    tree.symlink_to(tree.parent / "elsewhere")


def make_file(tree: Path) -> None:
    tree.rename(tree.parent / "elsewhere")
    tree.write_text("")


@pytest.mark.parametrize(
    "damage",
    [
        remove,
        shorten,
        add,
        lose_digest,
        open_file,
        open_folder,
        link,
        link_tree,
        make_file,
        pytest.param(lambda tree: os.chown(tree / DIGEST, 1000, 1000), marks=root_only),
    ],
)
def test_a_damaged_tree_is_made_anew(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    tree = ensure(tmp_path / "cache", "key", lambda: FILES)
    damage(tree)
    assert not is_whole(tree) or tree.is_symlink()
    assert ensure(tmp_path / "cache", "key", lambda: FILES) == tree
    assert is_whole(tree)
    assert not tree.is_symlink()
    assert {p.relative_to(tree).as_posix() for p in tree.rglob("*") if p.is_file()} == {
        *FILES,
        DIGEST,
    }


def test_a_failed_making_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        ensure(tmp_path / "cache", "key", lambda: {"a": str(1 // 0)})
    assert not (tmp_path / "cache" / "key").exists()


def test_a_killed_makers_leftover_is_removed(tmp_path: Path) -> None:
    (tmp_path / "cache" / ".new-abc" / "tree").mkdir(parents=True)
    ensure(tmp_path / "cache", "key", lambda: FILES)
    assert not (tmp_path / "cache" / ".new-abc").exists()


def make(cache: Path, barrier: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    tree = ensure(cache, "key", lambda: FILES)
    os._exit(0 if is_whole(tree) else 1)


def test_processes_at_the_same_moment_agree(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    makers = [context.Process(target=make, args=(tmp_path / "cache", barrier)) for _ in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert [maker.exitcode for maker in makers] == [0] * 4
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == [".lock", "key"]


def test_refuses_a_folder_that_others_can_write(tmp_path: Path) -> None:
    for mode in (0o777, 0o775, 0o1777):
        cache = tmp_path / f"cache-{mode:o}"
        cache.mkdir()
        cache.chmod(mode)
        with pytest.raises(UnusablePathError, match="written by others"):
            ensure(cache, "key", forbidden)


def test_refuses_a_way_that_others_can_change(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "cache").mkdir(mode=0o755)
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(UnusablePathError, match="open can be written"):
        folder(tmp_path / "open" / "cache")
    with pytest.raises(UnusablePathError, match="open can be written"):
        folder(tmp_path / "open" / "new" / "cache")
    assert not (tmp_path / "open" / "new").exists()
    (tmp_path / "link").symlink_to(tmp_path / "open")
    with pytest.raises(UnusablePathError, match="open can be written"):
        folder(tmp_path / "link" / "cache")


def test_a_sticky_folder_may_stand_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    assert folder(tmp_path / "tmp" / "cache") == tmp_path / "tmp" / "cache"


@root_only
def test_refuses_what_belongs_to_others(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 1000, 1000)
    for path in (tmp_path / "theirs", tmp_path / "theirs" / "cache"):
        with pytest.raises(UnusablePathError, match="belongs to user 1000"):
            folder(path)
    (tmp_path / "link").symlink_to(tmp_path)
    os.chown(tmp_path / "link", 1000, 1000, follow_symlinks=False)
    with pytest.raises(UnusablePathError, match="belongs to user 1000"):
        folder(tmp_path / "link" / "cache")


def test_a_dangling_link_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError):
        folder(tmp_path / "link")
