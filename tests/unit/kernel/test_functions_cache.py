# SPDX-License-Identifier: Apache-2.0
"""The index in the cache folder: made once for a kernel, and evicted."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app import ROOT
from app.kernel import functions_cache
from app.kernel.functions import FUNCTION, FunctionIndex
from app.kernel.functions_cache import MOST_KEPT, PREFIX, ensure, make
from app.link.indexer import functions_command
from tests.support.function_index import kernel_btf
from tests.support.waiting import PATIENCE_S

RUNNING = Path("/sys/kernel/btf/vmlinux")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A file with the BTF of a small kernel."""
    path = tmp_path / "btf"
    path.write_bytes(kernel_btf().build())
    return path


def test_made_once(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    folder = ensure(small, cache)
    assert FunctionIndex(folder).lookup(FUNCTION, "inlined") is not None

    def forbidden(_blobs: object) -> dict[str, bytes]:
        pytest.fail("it is in the cache")

    monkeypatch.setattr(functions_cache, "make", forbidden)
    assert ensure(small, cache) == folder


def test_made_once_by_two_at_the_same_time(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()
    made = []

    def slow(blobs: dict[str, bytes | str]) -> dict[str, bytes]:
        begun.set()
        assert may_end.wait(PATIENCE_S)
        made.append(make(blobs))
        return made[-1]

    monkeypatch.setattr(functions_cache, "make", slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ensure, small, tmp_path / "cache")
        assert begun.wait(PATIENCE_S)
        second = pool.submit(ensure, small, tmp_path / "cache")
        may_end.set()
        assert first.result() == second.result()
    assert len(made) == 1


def test_made_again_for_other_types(small: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = ensure(small, cache)
    builder = kernel_btf()
    builder.function("one_more", 0, [])
    small.write_bytes(builder.build())
    second = ensure(small, cache)
    assert second != first
    assert FunctionIndex(first).lookup(FUNCTION, "one_more") is None
    assert FunctionIndex(second).lookup(FUNCTION, "one_more") is not None


def test_made_again_if_it_is_damaged(small: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    folder = ensure(small, cache)
    names = (folder / "names").read_bytes()
    (folder / "names").write_bytes(b"damaged\n")
    assert ensure(small, cache) == folder
    assert (folder / "names").read_bytes() == names


def test_only_the_indexes_used_last_are_kept(small: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "object-x").mkdir(parents=True)
    for number in range(MOST_KEPT + 3):
        old = cache / f"{PREFIX}{number}"
        old.mkdir()
        os.utime(old, ns=(number, number))
    folder = ensure(small, cache)
    kept = {path.name for path in cache.glob(f"{PREFIX}*")}
    last = {f"{PREFIX}{number}" for number in range(4, MOST_KEPT + 3)}
    assert kept == {folder.name, *last}
    assert len(kept) == MOST_KEPT
    assert (cache / "object-x").is_dir()


def test_without_btf_and_with_broken_btf(tmp_path: Path) -> None:
    """Functions are still known by their symbols."""
    missing = FunctionIndex(ensure(tmp_path / "missing", tmp_path / "cache"))
    assert missing.sources.btf is not None
    assert missing.lookup(FUNCTION, "vfs_read") is not None
    about = json.loads(make({"": b"not BTF"})["about.json"])
    assert "magic number" in about["sources"]["btf"]


@pytest.mark.skipif(not RUNNING.exists(), reason="this kernel offers no BTF")
def test_as_a_process(tmp_path: Path) -> None:
    done = subprocess.run(
        functions_command(RUNNING, tmp_path / "cache", os.getpid()),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    index = FunctionIndex(Path(json.loads(done.stdout)["folder"]))
    assert len(index) > 20_000
    read = index.lookup(FUNCTION, "vfs_read")
    assert read is not None
    assert read.signature is not None


def test_an_orphan_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        functions_command(RUNNING, tmp_path / "cache", os.getppid()),
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0
    assert not (tmp_path / "cache").exists()
