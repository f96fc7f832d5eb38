"""Starting, changing and ending a probe, and what the kernel holds meanwhile and afterwards."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.fixtures import MODES
from tests.support.recording import Recording, check_nothing_lost, mark, names_since
from tests.support.service import Service
from tests.support.waiting import wait_until


def test_attached_when_answered_and_drained_when_stopped(service: Service, mode: str) -> None:
    """A deletion right after the start, and one right before the stop, are both shown."""
    cursor = service.cursor()
    answer = service.request("POST", f"/probes/{mode}")
    first = mark()
    last = mark()
    stopped = service.stop(mode)
    assert answer.status == 201
    assert answer.headers["Location"].endswith(f"/probes/{mode}")
    assert answer.json["state"] == "running"
    assert answer.json["started_at"]
    assert stopped["state"] == "stopped"
    assert stopped["ended"]["code"] == "requested"
    check_nothing_lost(stopped)
    names = names_since(service, cursor, mode)
    assert names.count(first) == names.count(last) == 1
    assert stopped["counters"]["delivered"] == len(names)


def test_nothing_is_left_in_the_kernel_after_stop(service: Service, mode: str) -> None:
    service.wait_until_gone_from_kernel()
    service.start(mode)
    assert service.bpf_objects()
    assert service.tracers()
    service.stop(mode)
    service.wait_until_gone_from_kernel()
    wait_until(lambda: not service.tracers(), "the tracer to end")


def test_nothing_is_shown_after_stop(service: Service, mode: str) -> None:
    service.start(mode)
    service.stop(mode)
    cursor = service.cursor()
    unseen = mark()
    service.start(mode)
    recording = Recording(service, [mode])
    recording.rows()
    assert unseen not in names_since(service, cursor, mode)


def test_same_start_again_is_harmless(service: Service, mode: str) -> None:
    spec = {"filter": {"uid": 4242}, "duration_s": 3600}
    started = service.expect(201, "POST", f"/probes/{mode}", spec)
    programs = service.programs()
    assert programs
    again = service.expect(200, "POST", f"/probes/{mode}", spec)
    assert again["started_at"] == started["started_at"]
    assert service.programs() == programs


def test_same_start_at_the_same_moment_is_one_start(service: Service, mode: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: service.request("POST", f"/probes/{mode}"), range(8)))
    assert sorted(answer.status for answer in answers) == [200] * 7 + [201]
    assert len({answer.json["started_at"] for answer in answers}) == 1
    assert {answer.json["state"] for answer in answers} == {"running"}
    assert len(service.tracers()) == 1


@pytest.mark.parametrize(
    "other", [{"filter": {"pid": 1}}, {"duration_s": 60}, {"filter": {"comm": "other"}}]
)
def test_other_start_is_refused(service: Service, modes: tuple[str, ...], other: object) -> None:
    mode = modes[0]
    service.start(mode, filter={"uid": 4242})
    problem = service.expect(409, "POST", f"/probes/{mode}", other)
    assert problem["code"] == "running_differently"
    assert problem["running"]["filter"]["uid"] == 4242
    assert service.probe(mode)["state"] == "running"


def test_ends_by_itself_after_its_duration(service: Service, mode: str) -> None:
    service.start(mode, duration_s=0.5)
    wait_until(lambda: service.probe(mode)["state"] == "stopped", "the probe to end by itself")
    probe = service.probe(mode)
    assert probe["ended"]["code"] == "duration"
    check_nothing_lost(probe)
    service.wait_until_gone_from_kernel()
    assert service.expect(404, "DELETE", f"/probes/{mode}")["code"] == "not_running"


def test_probes_are_independent(service: Service, modes: tuple[str, ...]) -> None:
    """Stopping one of several leaves the others as they are."""
    if len(modes) < 2:
        pytest.skip("only one mode is available")
    for mode in modes:
        service.start(mode)
    for number, mode in enumerate(modes[:-1], start=1):
        service.stop(mode)
        recording = Recording(service, modes[number:])
        name = mark()
        rows = recording.rows()
        for other in modes[number:]:
            assert [row["filename"] for row in rows[other]].count(name) == 1


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_what_does_not_run_cannot_be_changed(
    service: Service, modes: tuple[str, ...], method: str
) -> None:
    body = {"filter": {"pid": 1}} if method == "PATCH" else None
    problem = service.expect(404, method, f"/probes/{modes[0]}", body)
    assert problem["code"] == "not_running"
    assert service.expect(404, method, "/probes/nonsense", body)["code"] == "unknown_probe"


def test_stopping_twice(service: Service, mode: str) -> None:
    service.start(mode)
    service.stop(mode)
    assert service.expect(404, "DELETE", f"/probes/{mode}")["code"] == "not_running"


@pytest.mark.parametrize("probe", ["nonsense", "FENTRY", "fentry2"])
def test_unknown_probe(service: Service, probe: str) -> None:
    assert probe not in MODES
    for method in ("GET", "POST", "DELETE"):
        assert service.expect(404, method, f"/probes/{probe}")["code"] == "unknown_probe"
