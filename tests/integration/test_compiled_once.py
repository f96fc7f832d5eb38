# SPDX-License-Identifier: Apache-2.0
"""Programs are compiled once, in advance where possible; tracers do not load LLVM."""

from __future__ import annotations

from pathlib import Path

from app.presets.deletions.sources import TEMPLATE_OF
from tests.support import kernel
from tests.support.recording import mark, wait_until_shown
from tests.support.service import running_service
from tests.support.waiting import wait_until

OBJECT = "object.json"


def objects(cache: Path, mode: str) -> list[Path]:
    return list(cache.glob(f"template-{TEMPLATE_OF[mode]}-*/{OBJECT}"))


def test_ahead_of_need(tmp_path: Path, modes: tuple[str, ...]) -> None:
    """Every available mode is compiled in advance; its first start then compiles nothing."""
    cache = tmp_path / "cache"
    with running_service(tmp_path, cache) as service:
        for mode in modes:
            wait_until(lambda mode=mode: objects(cache, mode), f"{mode} to be compiled")
        wait_until(lambda: not compilers(service.worker().pid), "the compiler to end")
        before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
        cursor = service.cursor()
        for mode in modes:
            service.start(mode)
        wait_until_shown(service, cursor, modes, mark())
        tracers = service.tracers()
        assert len(tracers) == len(modes)
        for process in (*tracers, service.worker()):
            mapped = Path(f"/proc/{process.pid}/maps").read_text()
            assert "libbcc" not in mapped
            assert "libLLVM" not in mapped
        assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before
        for mode in modes:
            service.stop(mode)


def compilers(worker: int) -> list[kernel.Process]:
    return [p for p in kernel.descendants(worker) if "app.tracer.compile" in p.command]


def test_damaged_objects_are_made_anew(tmp_path: Path, modes: tuple[str, ...]) -> None:
    mode, cache = modes[-1], tmp_path / "cache"
    with running_service(tmp_path, cache) as service:
        wait_until(lambda: objects(cache, mode), f"{mode} to be compiled")
        (kept,) = objects(cache, mode)
        whole = kept.read_bytes()
        for damaged in (b"", whole[: len(whole) // 2], whole.replace(b"AAAA", b"BBBB", 1)):
            kept.write_bytes(damaged)
            cursor = service.cursor()
            service.start(mode)
            wait_until_shown(service, cursor, {mode}, mark())
            service.stop(mode)
            assert kept.read_bytes() == whole


def test_a_start_while_compiling(tmp_path: Path, modes: tuple[str, ...]) -> None:
    """A start compiles by itself, only once, and caches the result."""
    cache = tmp_path / "cache"
    with running_service(tmp_path, cache) as service:
        (ahead,) = wait_until(lambda: compilers(service.worker().pid), "the compiler to run")
        (mode,) = (mode for mode in modes if TEMPLATE_OF[mode] in ahead.command)
        cursor = service.cursor()
        service.start(mode)
        wait_until_shown(service, cursor, {mode}, mark())
        assert len(objects(cache, mode)) == 1
        assert ahead.pid not in {p.pid for p in kernel.processes() if p.alive}
        assert "precompil" not in service.log.read_text()
        service.stop(mode)


def test_an_end_while_compiling(tmp_path: Path, modes: tuple[str, ...]) -> None:
    """The service neither waits for the compiler when it ends nor leaves it running."""
    with running_service(tmp_path, tmp_path / "cache") as service:
        wait_until(lambda: compilers(service.worker().pid), "the compiler to run")
        service.processes()  # remembered, so that what is left of them is seen
        service.terminate()
        assert "precompil" not in service.log.read_text()
