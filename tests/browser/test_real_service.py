# SPDX-License-Identifier: Apache-2.0
"""The page against the real service on this machine's own kernel: a start by clicking, real
deletions, their rows and a filter seen, a stop by clicking.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.presets.deletions.columns import PATH, columns_of
from tests.browser.console_page import card, expect_connected, filter_box, row, rows
from tests.support.fixtures import skip
from tests.support.service import Service, running_service
from tests.support.waiting import PATIENCE_S

LATENCY = re.compile(r"\d[\d.,]* (ns|µs|ms|s)")


@pytest.fixture
def console(open_page: Callable[..., Page], idle: Service) -> Page:
    page = open_page(f"http://localhost:{idle.port}/")
    expect_connected(page)
    return page


def delete(file: Path) -> int:
    """Delete an existing file by rm; returns the process id it had."""
    file.touch()
    process = subprocess.Popen(["rm", str(file)])
    assert process.wait(PATIENCE_S) == 0
    return process.pid


def start_tracepoint(page: Page, modes: tuple[str, ...]) -> None:
    """By its button, and until it is attached."""
    if "tracepoint" not in modes:
        skip("this kernel refuses tracepoint mode")
    page.get_by_role("button", name="Start tracepoint", exact=True).click()
    expect(card(page, "tracepoint").locator(".state")).to_have_text("running")


def test_deletions_are_watched_from_start_to_stop(
    console: Page, modes: tuple[str, ...], tmp_path: Path, results: Path
) -> None:
    if "tracepoint" not in modes:
        skip("this kernel refuses tracepoint mode")
    page = console
    tracepoint = card(page, "tracepoint")
    page.get_by_role("button", name="Start tracepoint", exact=True).click()
    expect(tracepoint.locator(".state")).to_have_text("running")

    existing, missing = tmp_path / "existing", tmp_path / "missing"
    pid = delete(existing)
    with pytest.raises(FileNotFoundError):
        missing.unlink()

    # Other processes of this machine delete files too: the text filter leaves these two.
    page.get_by_label("Filter", exact=True).fill(str(tmp_path))
    expect(row(page, "/existing")).to_be_visible()
    expect(row(page, "/missing")).to_be_visible()
    page.screenshot(path=results / "console-real.png")
    deleted, failed = rows(page)
    assert (
        deleted.items()
        >= {
            "Probe": "tracepoint",
            "PID": str(pid),
            "User": "root",
            "Process": "rm",
            "File": str(existing),
            "Result": "0",
        }.items()
    )
    assert LATENCY.fullmatch(deleted["Latency"])
    own_name = Path("/proc/self/comm").read_text().rstrip("\n")
    assert (
        failed.items()
        >= {
            "PID": str(os.getpid()),
            "Process": own_name,
            "File": str(missing),
            "Result": "ENOENT",
        }.items()
    )

    filter_box(page, "Result").fill("<0")
    expect(page.locator("#count-shown")).to_have_text("1")
    assert [it["File"] for it in rows(page)] == [str(missing)]
    filter_box(page, "Result").fill("")
    expect(page.locator("#count-shown")).to_have_text("2")

    page.get_by_role("button", name="Stop tracepoint").click()
    expect(tracepoint.locator(".state")).to_have_text("stopped")
    delete(tmp_path / "unseen")

    # Rows come in order: had the deletion after the stop been seen, its row would stand
    # before that of the one after the next start.
    page.get_by_role("button", name="Start tracepoint", exact=True).click()
    expect(tracepoint.locator(".state")).to_have_text("running")
    delete(tmp_path / "seen-again")
    expect(row(page, "/seen-again")).to_be_visible()
    names = [Path(it["File"]).name for it in rows(page)]
    assert names == ["existing", "missing", "seen-again"]
    page.get_by_role("button", name="Stop tracepoint").click()
    expect(tracepoint.locator(".state")).to_have_text("stopped")


def test_pause_sort_detail_and_address_with_real_events(
    console: Page, open_page: Callable[..., Page], modes: tuple[str, ...], tmp_path: Path
) -> None:
    page = console
    start_tracepoint(page, modes)
    page.get_by_label("Filter", exact=True).fill(f"filename~{tmp_path}/* and comm=rm")
    for name in ("b", "c", "a"):
        delete(tmp_path / name)
    expect(page.locator("#count-shown")).to_have_text("3")

    page.locator("#pause").click()
    pid = delete(tmp_path / "d")
    expect(page.locator("#newest")).to_contain_text(re.compile(r"Paused · [1-9]\d* new event"))
    expect(page.locator("#count-shown")).to_have_text("3")
    page.locator("#pause").click()
    expect(page.locator("#count-shown")).to_have_text("4")

    page.get_by_role("columnheader", name="File").get_by_role("button").click()
    expect(page.locator("[aria-sort=ascending]")).to_have_text("File")
    expect(row(page, f"{tmp_path}/d")).to_be_visible()
    assert [Path(it["File"]).name for it in rows(page)] == ["a", "b", "c", "d"]

    row(page, f"{tmp_path}/d").dblclick()
    detail = page.locator("#detail")
    expect(detail).to_contain_text(f"{tmp_path}/d")
    expect(detail).to_contain_text(re.compile(r"\d{4}-\d\d-\d\dT[\d:]+\.\d{9}Z"))
    detail.get_by_role("button", name="This process").click()
    expect(page.locator("#count-shown")).to_have_text("1")
    assert [it["PID"] for it in rows(page)] == [str(pid)]

    # The same view for a colleague who gets the address.
    page.wait_for_function("(pid) => location.hash.includes(`pid=${pid}`)", arg=pid)
    page.wait_for_function("() => location.hash.includes('sort=filename')")
    other = open_page(page.url)
    expect(other.locator("#count-shown")).to_have_text("1")
    expect(other.locator("[aria-sort=ascending]")).to_have_text("File")


def test_the_best_available_mode_is_started_by_the_main_button(
    console: Page, idle: Service, modes: tuple[str, ...], tmp_path: Path
) -> None:
    page = console
    best = next(
        mode for mode in ("fexit", "kretprobe", "tracepoint", "fentry", "kprobe") if mode in modes
    )
    page.get_by_role("button", name="Watch deletions").click()
    expect(card(page, best).locator(".state")).to_have_text("running")
    assert idle.probes()[best]["state"] == "running"
    file = tmp_path / "watched"
    delete(file)
    page.get_by_label("Filter", exact=True).fill(str(file))
    expect(row(page, "/watched")).to_be_visible()
    page.get_by_role("button", name="Stop watching").click()
    expect(card(page, best).locator(".state")).to_have_text("stopped")
    assert idle.probes()[best]["state"] == "stopped"


def test_a_filter_given_at_the_start_holds_in_the_kernel(
    console: Page, modes: tuple[str, ...], tmp_path: Path
) -> None:
    if "tracepoint" not in modes:
        skip("this kernel refuses tracepoint mode")
    page = console
    page.get_by_role("button", name="Start tracepoint with options").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Process ID").fill(str(os.getpid()))
    dialog.get_by_label("Failed calls only").check()
    dialog.get_by_role("button", name="Start").click()
    expect(card(page, "tracepoint")).to_contain_text(f"pid {os.getpid()} · failures only")
    delete(tmp_path / "by another")
    (tmp_path / "succeeds").touch()
    (tmp_path / "succeeds").unlink()
    with pytest.raises(FileNotFoundError):
        (tmp_path / "fails").unlink()
    page.get_by_label("Filter", exact=True).fill(str(tmp_path))
    expect(row(page, "/fails")).to_be_visible()
    assert [Path(it["File"]).name for it in rows(page)] == ["fails"]


def test_paths_are_asked_for_at_the_start(
    console: Page, idle: Service, modes: tuple[str, ...], tmp_path: Path, results: Path
) -> None:
    if "tracepoint" not in modes:
        skip("this kernel refuses tracepoint mode")
    page = console
    opener = page.get_by_role("button", name="Start tracepoint with options")
    opener.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Process ID").fill("")  # the filter of the last run is offered again
    dialog.get_by_label("Failed calls only").uncheck()
    dialog.get_by_label("Absolute paths").check()
    dialog.get_by_role("button", name="Start").click()
    expect(card(page, "tracepoint").locator(".state")).to_have_text("running")
    described = idle.probes()["tracepoint"]
    columns = {column["name"] for column in described["columns"]}
    assert columns == {column.name for column in (*columns_of("tracepoint"), *PATH)}
    subprocess.run(["sh", "-c", "touch relative && rm relative"], cwd=tmp_path, check=True)
    page.get_by_label("Filter", exact=True).fill(f"path={tmp_path}/relative")
    expect(row(page, "relative")).to_be_visible()
    assert [(it["File"], it["Path"]) for it in rows(page)] == [("relative", f"{tmp_path}/relative")]
    page.screenshot(path=results / "paths-of-deletions.png")
    idle.stop("tracepoint")
    expect(card(page, "tracepoint").locator(".state")).to_have_text("stopped")
    opener.click()
    expect(page.get_by_role("dialog").get_by_label("Absolute paths")).to_be_checked()


def test_a_filter_is_moved_into_the_kernel_and_taken_out_again(
    console: Page, idle: Service, modes: tuple[str, ...], tmp_path: Path
) -> None:
    page = console
    start_tracepoint(page, modes)
    page.get_by_role("combobox", name="Filter", exact=True).fill(
        f"comm=rm uid={os.getuid()} {tmp_path}"
    )
    page.get_by_role("button", name="Apply in the kernel").click()
    expect(page.locator(".chip--kernel")).to_have_count(2)
    expect(page.get_by_role("combobox", name="Filter", exact=True)).to_have_value(str(tmp_path))
    asked = idle.probes()["tracepoint"]["filter"]
    assert (asked["comm"], asked["uid"], asked["pid"]) == ("rm", os.getuid(), None)
    (tmp_path / "by python").touch()
    (tmp_path / "by python").unlink()
    delete(tmp_path / "by rm")
    expect(row(page, "/by rm")).to_be_visible()
    assert [Path(it["File"]).name for it in rows(page)] == ["by rm"]
    page.get_by_role("button", name="Remove comm=rm, in the kernel").click()
    expect(page.locator(".chip--kernel")).to_have_count(1)
    assert idle.probes()["tracepoint"]["filter"]["comm"] is None


def test_tests_move_into_where_and_back(
    console: Page, idle: Service, modes: tuple[str, ...], tmp_path: Path, results: Path
) -> None:
    if "tracepoint" not in modes:
        skip("this kernel refuses tracepoint mode")
    page = console
    first, second, other = tmp_path / "first", tmp_path / "second", tmp_path / "other"
    for path in (first, second, other):
        path.touch()
    idle.start("opens", syscall="openat", columns=["filename"], where="ret>=0")
    expect(card(page, "opens").locator(".state")).to_have_text("running")
    subprocess.run(["cat", str(first)], check=True)
    bar = page.get_by_role("combobox", name="Filter", exact=True)
    bar.fill(f"comm=cat filename={tmp_path}/* {tmp_path.name}")
    expect(row(page, str(first))).to_be_visible()
    page.get_by_role("button", name="Apply in the kernel").click()
    expect(bar).to_have_value(tmp_path.name)
    asked = idle.probes()["opens"]
    where = f"ret>=0 and comm=cat and filename={tmp_path}/*"
    assert (asked["where"], asked["where_in_service"]) == (where, None)
    expect(page.locator("#news")).to_contain_text("Applied in the kernel for everyone")
    page.screenshot(path=results / "moved-real.png")

    cursor = idle.cursor()
    other.read_bytes()
    subprocess.run(["cat", str(second)], check=True)
    expect(row(page, str(second))).to_be_visible()
    events, _ = idle.events_after(cursor)
    assert [(it["comm"], it["filename"]) for it in events] == [("cat", str(second))]

    page.locator("#news").get_by_role("button", name="Undo").click()
    expect(bar).to_have_value(f"comm=cat filename={tmp_path}/* {tmp_path.name}")
    expect(page.locator(".chip--kernel .chip__text")).to_have_text("ret>=0")
    assert idle.probes()["opens"]["where"] == "ret>=0"


def test_each_refused_mode_shows_the_kernels_reason(console: Page, idle: Service) -> None:
    probes = idle.probes()
    if 0 < sum(not probe["available"] for probe in probes.values()) < len(probes):
        console.get_by_role("button", name=re.compile("unavailable mode")).click()
    for name, probe in probes.items():
        shown = card(console, name)
        if probe["available"]:
            expect(shown.get_by_role("button", name=f"Start {name}", exact=True)).to_be_enabled()
        else:
            reason = probe["reason"]
            expect(shown.locator(".card__reason")).to_have_text(re.compile(re.escape(reason), re.I))
            expect(shown.get_by_role("button")).to_have_count(0)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_the_service_ends_and_is_started_again(
    open_page: Callable[..., Page],
    modes: tuple[str, ...],
    cache: Path,
    tmp_path: Path,
    end: signal.Signals,
) -> None:
    """What was seen stays, where events may be missing is marked, and then it goes on.

    A probe of one's own, which the new service does not know, is missed too.
    """
    if "tracepoint" not in modes:
        skip("this kernel refuses tracepoint mode")
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    with running_service(tmp_path / "first", cache) as service:
        page = open_page(f"http://localhost:{service.port}/")
        start_tracepoint(page, modes)
        delete(tmp_path / "before")
        expect(row(page, str(tmp_path / "before"))).to_be_visible()
        renames = {"syscall": "rename", "columns": ["oldname"]}
        service.expect(201, "POST", "/probes/renames", renames)
        expect(card(page, "renames").locator(".state")).to_have_text("running")
        service.process.send_signal(end)
        service.process.wait(PATIENCE_S)
        expect(page.locator("#connection-text")).to_contain_text("Connection lost")
        service.check_nothing_left()
    with running_service(tmp_path / "second", cache, port=service.port):
        expect_connected(page)
        expect(card(page, "tracepoint").locator(".state")).to_have_text("stopped")
        expect(row(page, "not watching from").first).to_be_visible()
        for probe in ("tracepoint", "renames"):
            told = page.locator(".incident", has_text=f"{probe} is not watching")
            expect(told).to_contain_text("The service was restarted")
        expect(page).to_have_title(re.compile("Not watching"))
        page.get_by_role("button", name="Restart renames").click()
        page.get_by_role("dialog").get_by_role("button", name="Start", exact=True).click()
        expect(card(page, "renames").locator(".state")).to_have_text("running")
        start_tracepoint(page, modes)
        expect(page.locator(".incident")).to_have_count(0)
        delete(tmp_path / "after")
        expect(row(page, str(tmp_path / "after"))).to_be_visible()
        shown = [it["File"] for it in rows(page) if it["File"].startswith(str(tmp_path))]
        assert shown == [str(tmp_path / "before"), str(tmp_path / "after")]
