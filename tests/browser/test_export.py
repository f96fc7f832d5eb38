# SPDX-License-Identifier: Apache-2.0
"""What the page saves, opened by other programs and compared with what was sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.presets.deletions.columns import columns_of
from app.web.api.rows import rfc3339
from tests.browser.console_page import expect_counts, filter_box
from tests.browser.exported import TYPED, Row, export, read_csv, read_ndjson
from tests.browser.fake_service import FakeService, plausible

TITLES = ("CSV", "NDJSON", "Arrow", "Parquet")
FILE_NAME = re.compile(
    r"probedeck-fake-host-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\.(csv|ndjson|arrow|parquet)"
)
EXTREME: dict[str, Any] = {
    "time": [1_795_341_600_123_456_789, 1_795_341_600_123_456_790, 1_795_341_601_000_000_000],
    "pid": [1, 4_194_304, 4_294_967_295],
    "tid": [1, 2, 3],
    "uid": [0, 65_534, 4_294_967_295],
    "process": ["größe 🗑".encode(), b"", b"rm"],
    "comm": [b"rm", "größe 🗑".encode(), b""],
    "dfd": [-100, 2**31 - 1, -(2**31)],
    "filename": [b'a "b", c\nd', None, '=HYPERLINK("//x")\u202e'.encode()],
    "replaced": [None, b"yes", b"unknown"],
    "ret": [0, -(2**63), 2**63 - 1],
    "errno": [None, b"EPERM", None],
    "latency_ns": [0, 2**53 + 1, 2**64 - 1],
}


def sent(mode: str, values: dict[str, Any]) -> list[Row]:
    """The rows of a batch as they are to come out, in the order of the stream's members."""
    rows = []
    for i in range(len(values["pid"])):
        row: Row = {}
        for column in columns_of(mode):
            value = values[column.name][i]
            row[column.name] = value.decode() if isinstance(value, bytes) else value
            if column.name == "time":
                row |= {"probe": mode, "mode": mode}
        rows.append(row)
    return rows


def in_json(row: Row) -> Row:
    return {**row, "time": rfc3339([row["time"]])[0]}


@pytest.fixture
def held(page: Page, fake: FakeService) -> list[Row]:
    """Two probes with different columns; the page holds what is returned."""
    entry = {**EXTREME, "pid": [7, 8, 9]}
    fake.start("fexit")
    fake.start("fentry")
    fake.emit("fexit", EXTREME)
    fake.gap("fexit", "kernel", 12)
    fake.emit("fentry", {name: entry[name] for name in names("fentry")})
    expect_counts(page, "6", "6")
    return sent("fexit", EXTREME) + sent("fentry", entry)


def names(mode: str) -> list[str]:
    return [column.name for column in columns_of(mode)]


def test_csv(page: Page, held: list[Row], tmp_path: Path) -> None:
    path = export(page, "CSV", "held", tmp_path)
    assert FILE_NAME.fullmatch(path.name)
    rows = read_csv(path)
    assert list(rows[0]) == ["time", "probe", "mode", *names("fexit")[1:]]
    for row, truth in zip(rows, held, strict=True):
        expected = {name: in_json(truth).get(name) for name in row}
        if (expected["filename"] or "").startswith("="):
            expected["filename"] = "'" + expected["filename"]
        assert row == {k: "" if v is None else str(v) for k, v in expected.items()}


def test_ndjson(page: Page, held: list[Row], tmp_path: Path) -> None:
    rows = read_ndjson(export(page, "NDJSON", "held", tmp_path))
    gap = {"type": "gap", "probe": "fexit", "where": "kernel", "rows": 12}
    assert rows == [*map(in_json, held[:3]), gap, *map(in_json, held[3:])]
    assert [list(row) for row in rows if "type" not in row] == [list(row) for row in held]


@pytest.mark.parametrize("title", TYPED)
def test_typed_formats(page: Page, held: list[Row], tmp_path: Path, title: str) -> None:
    types, rows = TYPED[title](export(page, title, "held", tmp_path))
    declared = {column.name: column.type for column in columns_of("fexit")}
    assert types == {**declared, "probe": "text", "mode": "text"}
    assert rows == [{name: row.get(name) for name in types} for row in held]


@pytest.mark.parametrize("title", TYPED)
def test_a_column_of_nothing_but_null(
    page: Page, fake: FakeService, tmp_path: Path, title: str
) -> None:
    fake.start("fexit")
    fake.emit("fexit", {"filename": [None] * 9, "errno": [None] * 9, "comm": [b""] * 9})
    expect_counts(page, "9", "9")
    _, rows = TYPED[title](export(page, title, "held", tmp_path))
    found = [(row["filename"], row["errno"], row["comm"]) for row in rows]
    assert found == [(None, None, "")] * 9


def test_the_dialog_tells_of_losses(page: Page, held: list[Row]) -> None:
    page.get_by_role("button", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog", name="Export events")
    expect(dialog).to_contain_text("Events are missing in 1 place; NDJSON records where.")


@pytest.mark.parametrize("title", TITLES)
def test_what_the_filter_shows(page: Page, fake: FakeService, tmp_path: Path, title: str) -> None:
    fake.start("fexit")
    values = plausible(20_000)
    for first in range(0, 20_000, 5000):
        fake.emit("fexit", {name: column[first : first + 5000] for name, column in values.items()})
    filter_box(page, "Result").fill("ENOENT")
    expect_counts(page, "20,000", "2,857")
    path = export(page, title, "shown", tmp_path)
    truth = [f"/var/tmp/build/stage-{n % 9}/file-{n}.o" for n in range(20_000) if n % 7 == 6]
    if title in TYPED:
        found = [row["filename"] for row in TYPED[title](path)[1]]
    else:
        found = [row["filename"] for row in (read_csv if title == "CSV" else read_ndjson)(path)]
    assert found == truth


@pytest.mark.parametrize("title", TYPED)
def test_many_rows_in_many_pieces(
    page: Page, fake: FakeService, tmp_path: Path, title: str
) -> None:
    fake.start("fexit")
    for first in range(0, 150_000, 10_000):
        fake.emit("fexit", plausible(10_000, first))
    expect_counts(page, "150,000", "150,000")
    _, rows = TYPED[title](export(page, title, "held", tmp_path))
    assert [row["filename"].rpartition("-")[2] for row in rows] == [
        f"{n}.o" for n in range(150_000)
    ]
    assert [row["latency_ns"] for row in rows] == plausible(150_000)["latency_ns"].tolist()


def test_the_page_lives_while_it_writes_and_can_be_told_to_stop(
    page: Page, fake: FakeService
) -> None:
    fake.start("fexit")
    for first in range(0, 150_000, 10_000):
        fake.emit("fexit", plausible(10_000, first))
    expect_counts(page, "150,000", "150,000")
    names_saved: list[str] = []
    page.on("download", lambda download: names_saved.append(download.suggested_filename))
    page.get_by_role("button", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog", name="Export events")
    dialog.get_by_label("NDJSON").check()
    # Pressed by the page itself in the first frame with progress: had the writing held the
    # page, there would be no such frame.
    page.evaluate(
        """() => {
            const [progress] = document.querySelectorAll("#export progress");
            const close = [...document.querySelectorAll("#export button")]
                .find(({ type }) => type === "button");
            (function look() {
                if (progress.value > 0 && progress.value < 1) {
                    window.stoppedAt = progress.value;
                    window.closeWords = close.textContent;
                    close.click();
                } else requestAnimationFrame(look);
            })();
        }"""
    )
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    assert 0 < page.evaluate("window.stoppedAt") < 1
    assert page.evaluate("window.closeWords") == "Cancel"
    page.get_by_role("button", name="Export", exact=True).click()
    expect(dialog.get_by_role("button", name="Save")).to_be_enabled()
    expect(dialog.locator("progress")).to_be_hidden()
    with page.expect_download():
        dialog.get_by_role("button", name="Save").click()
    assert len(names_saved) == 1, "nothing was saved of what was stopped"


def test_what_comes_or_goes_after_opening_changes_nothing(
    page: Page, fake: FakeService, tmp_path: Path
) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(30))
    expect_counts(page, "30", "30")
    page.get_by_role("button", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog", name="Export events")
    expect(dialog).to_contain_text("All events in memory: 30 events")
    fake.emit("fexit", plausible(5))
    expect_counts(page, "35", "35")
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Save").click()
    path = tmp_path / "export.csv"
    download.value.save_as(path)
    assert len(read_csv(path)) == 30


def test_with_no_event_there_is_nothing_to_save(page: Page) -> None:
    page.get_by_role("button", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog", name="Export events")
    expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
