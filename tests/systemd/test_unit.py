# SPDX-License-Identifier: Apache-2.0
"""The unit under a real systemd: hardened as it is, it traces, survives, and leaves nothing.

In the order of this file: under emulation each start, of a probe or of the service, takes seconds.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.linux.capabilities import KEPT
from app.presets.deletions.sources import TEMPLATE_OF
from tests.support import kernel
from tests.support.figures import figure
from tests.support.fixtures import skip, start_all
from tests.support.recording import mark, wait_until_shown
from tests.support.waiting import wait_until
from tests.systemd.conftest import PROJECT, UNIT, Installed

MOST_EXPOSED = 3.5  # systemd-analyze's figure, 0 (all is shut) to 10 (nothing is)
NOBODY = 65534
ELSEWHERE = "192.0.2.1"  # RFC 5737: not assigned
# A machine where others work would fill the service's memory with their deletions.
COMM = "pd-systemd"
OWN = {"filter": {"comm": COMM}}
HOG = """
import os, sys
open("/proc/self/oom_score_adj", "w").write("1000")
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
kept = []
while True:
    kept.append(b"x" * (1 << 20))
"""


@pytest.fixture(scope="module", autouse=True)
def own_name() -> None:
    """Return the name of the thread that deletes in these tests."""
    Path("/proc/self/comm").write_text(COMM)


def proc_status(pid: int) -> dict[str, str]:
    """proc_pid_status(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def pids(installed: Installed) -> set[int]:
    return {process.pid for process in installed.processes()}


def lasting(installed: Installed) -> set[int]:
    """Those that do not end by themselves, as the compiler and what asks the kernel do."""
    passing = {"app.tracer.compile", "app.kernel", "app.kernel.functions_cache"}
    return {each.pid for each in installed.processes() if not passing & set(each.command)}


def test_programs_are_compiled_ahead(installed: Installed, offered: tuple[str, ...]) -> None:
    """Which takes a call that changes priorities; what fails there is told in the journal."""
    cache = Path(f"/proc/{installed.processes()[0].pid}/root/var/cache/probedeck")
    for mode in offered:
        wait_until(
            lambda mode=mode: list(cache.glob(f"template-{TEMPLATE_OF[mode]}-*")),
            f"{mode} to be compiled",
        )
    wait_until(
        lambda: not [p for p in installed.processes() if "app.tracer.compile" in p.command],
        "the compiler to end",
    )
    assert "precompil" not in installed.journal()


def test_every_mode_sees_a_real_deletion(installed: Installed, offered: tuple[str, ...]) -> None:
    start_all(installed, offered, **OWN)
    cursor = installed.cursor()
    wait_until_shown(installed, cursor, offered, mark())
    figure("modes that trace under the systemd unit", ", ".join(offered))


def test_its_processes_have_what_the_unit_leaves_them(
    installed: Installed, offered: tuple[str, ...]
) -> None:
    """The unit takes away nothing that app/linux/capabilities.py keeps."""
    own = int(proc_status(os.getpid())["CapEff"], 16)
    kept = sum(1 << number for number in KEPT.values())
    for process in installed.processes():
        status = proc_status(process.pid)
        assert int(status["CapEff"], 16) == kept & own, (process.command, status)
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"  # filtered


def test_systemd_finds_it_little_exposed(installed: Installed) -> None:
    said = installed.systemd.run("systemd-analyze", "security", "--no-pager", UNIT)
    exposure = float(re.findall(r"exposure level for \S+: ([0-9.]+)", said)[0])
    figure("exposure by systemd-analyze security (10 is worst)", f"{exposure}")
    assert exposure <= MOST_EXPOSED


def test_the_journal_holds_no_token(installed: Installed, offered: tuple[str, ...]) -> None:
    """The journal can be read by users other than root."""
    journal = installed.journal()
    assert "Probedeck on http://localhost:" in journal
    assert "./run token rotate" in journal
    assert "pd_" not in journal


def test_it_sees_and_changes_no_more_than_it_needs(installed: Installed) -> None:
    """Checked from inside the unit, for folders that root can otherwise write to here."""
    installed.systemd.run("mkdir", "/home/other", "/tmp/other")
    script = """
        for folder in . /etc/systemd/system /home /run /var/lib /var/cache /var/log; do
            touch "$folder/new" 2>/dev/null && echo "$folder can be changed"
        done
        for folder in /run/probedeck /var/*/probedeck /tmp /var/tmp /dev/shm; do
            cp /bin/true "$folder/" || echo "$folder cannot be changed"
            "$folder/true" 2>/dev/null && echo "$folder/true can be executed"
            rm "$folder/true"
        done
        ls /home /root /tmp
    """
    inside = ["nsenter", f"--target={installed.processes()[0].pid}", "--mount"]
    seen = subprocess.run(
        [*inside, "sh", "-c", 'cd "$1" || exit; ' + script, "sh", str(PROJECT)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert seen.stdout == "/home:\nsome body\n\n/root:\n\n/tmp:\n"


def test_it_sends_nothing_to_other_machines(installed: Installed) -> None:
    """Checked in its control group: a packet to elsewhere, and one to this machine."""
    script = """
import socket, sys
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.sendto(b"", (sys.argv[2], 9))
"""
    if kernel.in_test_machine():  # which has no network: an address to send to
        subprocess.run(["busybox", "ip", "addr", "add", ELSEWHERE, "dev", "lo"], check=True)

    def send(address: str) -> str:
        group = f"/sys/fs/cgroup{installed.show('ControlGroup')}"
        command = installed.systemd.command(sys.executable, "-c", script, group, address)
        return subprocess.run(command, check=False, capture_output=True, text=True).stderr

    assert send("127.0.0.1") == ""
    assert "PermissionError" in send(ELSEWHERE)


def test_memory_that_runs_out_ends_one_process_and_not_the_unit(installed: Installed) -> None:
    """The OOM killer ends a process in the unit's control group, as it would a tracer."""
    systemd = installed.systemd
    group = f"/sys/fs/cgroup{installed.show('ControlGroup')}"
    if systemd.run("sh", "-c", f"test -e {group}/memory.max || echo no"):
        skip("this machine's cgroup2 has no memory controller")
    before = lasting(installed)
    limit = int(installed.show("MemoryCurrent")) + (64 << 20)
    systemd.run("systemctl", "set-property", "--runtime", UNIT, f"MemoryMax={limit}")
    done = subprocess.run(systemd.command(sys.executable, "-c", HOG, group), check=False)
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: "OOM killer" in installed.journal(), "systemd to have noticed")
    systemd.run("systemctl", "set-property", "--runtime", UNIT, "MemoryMax=infinity")
    assert installed.show("ActiveState") == "active"
    assert before <= pids(installed)


def test_a_killed_worker_is_replaced(installed: Installed, offered: tuple[str, ...]) -> None:
    """gunicorn replaces its worker; systemd does nothing."""
    first = installed.processes()[0]
    worker = kernel.worker_of(first.pid)
    held = installed.bpf_objects()
    os.kill(worker.pid, signal.SIGKILL)
    wait_until(lambda: not held & kernel.bpf_objects(), "its BPF objects to be gone")
    installed.wait_until_ready()
    assert installed.processes()[0].pid == first.pid
    assert kernel.worker_of(first.pid).pid != worker.pid
    assert installed.show("NRestarts") == "0"


def test_a_killed_service_is_started_again(installed: Installed, offered: tuple[str, ...]) -> None:
    """By systemd, with nothing left of the first one, and with the tokens that there were."""
    tokens = installed.systemd.run("cat", "/run/probedeck/tokens.json")
    installed.start(offered[-1], **OWN)
    first, main = pids(installed), installed.processes()[0].pid
    held = installed.bpf_objects()
    assert {kind for kind, _ in held} >= {"prog", "map"}
    os.kill(main, signal.SIGKILL)
    wait_until(lambda: installed.show("NRestarts") == "1", "systemd to start it again")
    installed.wait_until_ready()
    wait_until(lambda: not held & kernel.bpf_objects(), "its BPF objects to be gone")
    assert not first & pids(installed)
    assert installed.systemd.run("cat", "/run/probedeck/tokens.json") == tokens
    cursor = installed.cursor()
    installed.start(offered[-1], **OWN)
    wait_until_shown(installed, cursor, [offered[-1]], mark())


def test_it_stops_in_order_and_leaves_nothing(
    installed: Installed, offered: tuple[str, ...]
) -> None:
    processes = pids(installed)
    held = installed.bpf_objects()
    assert held
    installed.systemd.run("systemctl", "stop", UNIT)
    assert installed.show("Result") == "success"
    assert installed.show("ActiveState") == "inactive"
    assert not processes & {p.pid for p in kernel.processes()}
    wait_until(lambda: not held & kernel.bpf_objects(), "its BPF objects to be gone")


def test_the_user_who_installed_it_is_let_in(installed: Installed) -> None:
    """The owner is sudo's user, whom systemd does not know: the unit names the uid."""
    assert f"programs of user {NOBODY}" in installed.install(SUDO_UID=str(NOBODY))

    def status(user: int) -> str:
        command = ["curl", "--silent", "--noproxy", "*", "--output", "/dev/null", "--retry", "99"]
        command += ["--write-out", "%{http_code}", f"http://localhost:{installed.port}/probes"]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, user=user, cwd="/"
        ).stdout

    assert [status(NOBODY), status(0)] == ["200", "403"]


def test_it_is_removed_without_a_trace(installed: Installed) -> None:
    assert installed.systemd.run("systemctl", "is-enabled", UNIT) == "enabled\n"
    assert "Removed /etc/systemd/system/" in installed.command("remove")
    assert installed.show("LoadState") == "not-found"
    assert not installed.systemd.run("find", "/etc/systemd/system", "-name", "*probedeck*")
    assert "no service" in installed.command("remove")


@pytest.mark.parametrize("options", [["--run-dir=/r"], ["--listen=0.0.0.0"]])
def test_what_cannot_be_served_is_not_installed(installed: Installed, options: list[str]) -> None:
    with pytest.raises(AssertionError):
        installed.command("install", *options)
    assert installed.show("LoadState") == "not-found"
