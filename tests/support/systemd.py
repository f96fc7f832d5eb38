# SPDX-License-Identifier: Apache-2.0
"""A real systemd as process 1 of namespaces of its own: its pids, mounts and control groups.

It shares this machine's kernel, network and files, the latter read-only; /etc/systemd/system, /run,
/tmp and the changing parts of /var are memory. Of the machine's own units it has the journal's
alone. It ends, with all it started, when its context or this process does; only SIGKILL of this
process leaves something, an empty control group.

    with running_systemd() as systemd:
        systemd.run("systemctl", "start", "something")

This module is also the program that becomes process 1: `python -m tests.support.systemd CGROUP`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app import ROOT
from app.linux import namespaces
from app.linux.namespaces import MS_BIND, MS_PRIVATE, MS_REC
from tests.support import kernel
from tests.support.waiting import PATIENCE_S, wait_until

CLONE_NEWCGROUP = 0x02000000
SYSTEMD = Path("/lib/systemd/systemd")
UNITS = Path("/lib/systemd/system")
CGROUPS = Path("/sys/fs/cgroup")
MEMORY = ("/home", "/etc/systemd/system", "/tmp", "/var/tmp", "/var/lib", "/var/cache", "/var/log")
JOURNAL = ("systemd-journald.service", "systemd-journald.socket")
TARGETS = ("basic", "multi-user", "network", "shutdown", "sysinit")


@dataclass(frozen=True)
class Systemd:
    """One that runs. `pid` is its process 1, as seen from here."""

    pid: int

    def command(self, *argv: str) -> list[str]:
        """A command line that runs a program where systemd and its services are."""
        inside = ["nsenter", f"--target={self.pid}", "--pid", "--mount", "--cgroup", "--wd"]
        return [*inside, *argv]

    def run(self, *argv: str, status: int | None = 0) -> str:
        """What a program says in there; AssertionError for another exit status than this."""
        done = subprocess.run(
            self.command(*argv),
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=PATIENCE_S,
        )
        said = done.stdout + done.stderr
        assert status is None or done.returncode == status, f"{argv}: {done.returncode}\n{said}"
        return done.stdout


@contextmanager
def running_systemd(log: Path) -> Iterator[Systemd]:
    """A systemd that has booted; nothing of it is left afterwards. `log` takes what it says."""
    cgroup = f"probedeck-test-{os.getpid()}"
    command = ["setpriv", "--pdeathsig=KILL", "unshare", "--pid", "--fork", "--kill-child"]
    command += ["--mount", sys.executable, "-m", "tests.support.systemd", cgroup]
    with log.open("wb") as output:
        # A session of its own: Ctrl-C in the tests' terminal is not for it.
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield _booted(process, log)
    finally:
        for child in kernel.descendants(process.pid)[:1]:
            os.kill(child.pid, signal.SIGKILL)  # process 1: the kernel ends all others with it
        process.wait(PATIENCE_S)
        _remove(cgroup)


def _booted(process: subprocess.Popen[bytes], log: Path) -> Systemd:
    def up() -> Systemd | None:
        assert process.poll() is None, f"systemd ended:\n{log.read_text(errors='replace')}"
        below = kernel.descendants(process.pid)
        if not below or below[0].command[:1] != (str(SYSTEMD),):
            return None
        systemd = Systemd(below[0].pid)
        said = systemd.run("systemctl", "is-active", "multi-user.target", status=None)
        return systemd if said == "active\n" else None

    return wait_until(up, "systemd to boot")


def _remove(cgroup: str) -> None:
    """The control groups it made, which outlive it."""
    # In a mount namespace of its own: they need not be mounted here.
    script = """
        mount -t cgroup2 none /mnt && cd /mnt || exit
        [ ! -d "$1" ] || find "$1" -depth -type d -exec rmdir {} +
    """
    wait_until(
        lambda: (
            subprocess.run(
                ["unshare", "--mount", "sh", "-c", script, "sh", cgroup], check=False
            ).returncode
            == 0
        ),
        "control groups to be empty",
    )


def become_systemd(cgroup: str) -> None:
    """Process 1 of a new pid and mount namespace: build the rest, then be systemd."""
    namespaces.mount("none", "/", flags=MS_REC | MS_PRIVATE)
    kept = [ROOT, Path(sys.prefix), Path(sys.base_prefix), UNITS]
    held = {path: os.open(path, os.O_PATH) for path in kept}
    namespaces.unmount("/proc")
    namespaces.mount("proc", "/proc", "proc")
    if os.path.ismount(CGROUPS):
        namespaces.unmount(str(CGROUPS))
    _enter_cgroup(cgroup)
    namespaces.make_read_only("/")
    namespaces.make_writable("/proc")
    for folder in ("/run", *MEMORY):
        mode = "1777" if folder.endswith("tmp") else "0755"
        namespaces.mount("tmpfs", folder, "tmpfs", data=f"mode={mode}")
    namespaces.mount("shm", "/dev/shm", "tmpfs", data="mode=1777")
    for path in kept[:-1]:
        if not path.exists():  # it is in a folder that is memory now
            path.mkdir(parents=True)
            namespaces.mount(f"/proc/self/fd/{held[path]}", str(path), flags=MS_BIND)
    namespaces.mount("/proc/sys", "/proc/sys", flags=MS_BIND)
    namespaces.make_read_only("/proc/sys")  # the machine's settings are not its own
    namespaces.mount("cgroup2", str(CGROUPS), "cgroup2")
    _reduce_units(Path(f"/proc/self/fd/{held[UNITS]}"))
    settings = Path("/run/systemd/system.conf.d/patience.conf")
    settings.parent.mkdir(parents=True)
    settings.write_text(f"[Manager]\nDefaultTimeoutStartSec={PATIENCE_S:.0f}\n")
    for descriptor in held.values():
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(PATH=os.defpath + ":/usr/sbin:/sbin", container="probedeck-test")
    options = ["--system", "--unit=multi-user.target", "--log-target=journal"]
    os.execv(SYSTEMD, [str(SYSTEMD), *options, "--log-level=info", "--show-status=no"])


def _enter_cgroup(name: str) -> None:
    """A control group of its own that is the root of what systemd sees, with what there is."""
    namespaces.mount("cgroup2", str(CGROUPS), "cgroup2")
    if kernel.in_test_machine():  # elsewhere what is on for control groups is not ours to change
        for controller in (CGROUPS / "cgroup.controllers").read_text().split():
            (CGROUPS / "cgroup.subtree_control").write_text(f"+{controller}")
    own = CGROUPS / name
    own.mkdir(exist_ok=True)
    (own / "cgroup.procs").write_text("0")
    namespaces.unmount(str(CGROUPS))
    namespaces.unshare(CLONE_NEWCGROUP)


def _reduce_units(units: Path) -> None:
    """Leave the journal, and targets without what they pull in on a whole machine."""
    for folder in (UNITS, Path("/lib/systemd/system-generators")):
        namespaces.mount("tmpfs", str(folder), "tmpfs", data="mode=0755")
    for name in JOURNAL:
        shutil.copyfile(units / name, UNITS / name)
    for name in TARGETS:
        lines = ["[Unit]", f"Description={name}", "DefaultDependencies=no"]
        (UNITS / f"{name}.target").write_text("\n".join(lines) + "\n")
    pulled_in = UNITS / "multi-user.target.requires"
    pulled_in.mkdir()
    (pulled_in / JOURNAL[0]).symlink_to(UNITS / JOURNAL[0])


if __name__ == "__main__":
    become_systemd(sys.argv[1])
