# SPDX-License-Identifier: Apache-2.0
"""A machine with stand-ins for QEMU and virtiofsd: real processes, sockets and mounts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from app import ROOT
from app.machine import qemu
from app.machine.kernels import Kernel
from app.machine.machine import LostMachineError, Machine
from tests.support.waiting import PATIENCE_S, wait_until

root = pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace needs root")

# To a shell a command, to Python a text: a first line with the interpreter takes no spaces.
QEMU = """\
#!/bin/sh
"exec" "{python}" "$0" "$@"
import os, re, sys, time
line = " ".join(sys.argv)
control = int(re.search(r"port1,fd=(\\d+)", line).group(1))
output = int(re.search(r"port2,fd=(\\d+)", line).group(1))
console = int(re.search(r"id=console,fd=(\\d+)", line).group(1))
{body}
"""
VIRTIOFSD = """\
#!/bin/sh
"exec" "{python}" "$0" "$@"
import os, time
{body}
time.sleep(600)
"""


@pytest.fixture
def share(tmp_path: Path) -> Path:
    folder = tmp_path / "share"
    folder.mkdir()
    return folder


@pytest.fixture
def programs(tmp_path: Path) -> Callable[..., qemu.Host]:
    """Create a QEMU that runs `body`, and a virtiofsd that runs its own and waits."""

    def make(body: str, virtiofsd: str = "") -> qemu.Host:
        for name, text, what in (("qemu", QEMU, body), ("virtiofsd", VIRTIOFSD, virtiofsd)):
            path = tmp_path / name
            path.write_text(text.format(python=sys.executable, body=textwrap.dedent(what)))
            path.chmod(0o755)
        return qemu.Host(str(tmp_path / "qemu"), tmp_path / "virtiofsd", kvm=False, threads=True)

    return make


@pytest.fixture
def boot(programs: Callable[..., qemu.Host], share: Path, tmp_path: Path) -> Callable[..., Machine]:
    """Return a machine with those programs, not yet entered."""

    def make(
        body: str, virtiofsd: str = "", argv: Sequence[str] = ("true",), **options: Any
    ) -> Machine:
        kernel = Kernel("trixie", "6.12.1", "6.12.1-1", tmp_path / "kernel")
        kernel.folder.mkdir()
        return Machine(kernel, share, argv, host=programs(body, virtiofsd), **options)

    return make


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    wait_until(lambda: not running(tmp_path), "every process of the machine has ended")


def running(folder: Path) -> list[str]:
    """Return the running processes of programs in this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        if any(f"{folder}/{name}\0" in command for name in ("qemu", "virtiofsd")):
            found.append(command)
    return found


@root
def test_output_comes_line_by_line_and_the_status_last(boot: Callable[..., Machine]) -> None:
    body = r"""
        os.write(control, b"ready 6.12.1 2.5\n")
        os.write(output, b"one\r\ntwo \xff\nthr")
        os.write(output, b"ee")
        os.write(control, b"exit 7\n")
    """
    lines: list[str] = []
    ready: list[str] = []
    with boot(body, output=lines.append) as booted:
        assert booted.wait(ready=lambda: ready.append("ready")) == 7
    assert lines == ["one", "two \N{REPLACEMENT CHARACTER}", "three"]
    assert ready == ["ready"]
    assert booted.release == "6.12.1"


@root
def test_a_machine_that_ends_without_a_status_is_lost(boot: Callable[..., Machine]) -> None:
    body = r"""
        os.write(control, b"ready 6.12.1 2.5\n")
        os.write(console, b"Kernel panic - not syncing\n")
    """
    with (
        pytest.raises(LostMachineError, match="ended before the command did") as lost,
        boot(body) as booted,
    ):
        booted.wait()
    assert lost.value.started
    assert "Kernel panic - not syncing" in lost.value.console
    assert "Kernel panic" in str(lost.value)


@root
def test_a_machine_that_cannot_start_says_what_qemu_said(boot: Callable[..., Machine]) -> None:
    body = """sys.exit("cannot allocate memory")"""
    with (
        pytest.raises(LostMachineError) as lost,
        boot(body) as booted,
    ):
        booted.wait()
    assert not lost.value.started
    assert "qemu: cannot allocate memory" in lost.value.console


@root
def test_a_lost_file_system_is_a_lost_machine(boot: Callable[..., Machine]) -> None:
    body = """time.sleep(600)"""
    with (
        pytest.raises(LostMachineError),
        boot(body, "os._exit(1)") as booted,
    ):
        booted.wait()


@root
@pytest.mark.parametrize(
    ("said", "limits", "reason"),
    [
        ("", {"boot_timeout_s": 0.2}, "the kernel did not start within 0.2 s"),
        (r"ready 6.12.1 1\n", {"timeout_s": 0.2}, "the command did not end within 0.2 s"),
    ],
    ids=["boot", "command"],
)
def test_silence_is_a_lost_machine(
    boot: Callable[..., Machine], said: str, limits: dict[str, float], reason: str
) -> None:
    body = f"""
        os.write(control, b"{said}")
        time.sleep(600)
    """
    with (
        pytest.raises(LostMachineError, match=reason) as lost,
        boot(body) as booted,
    ):
        booted.wait(**limits)
    assert lost.value.timed_out


@root
def test_a_command_that_falls_silent_is_tried_again(boot: Callable[..., Machine]) -> None:
    """What prints goes on; what no longer does, as in a guest that hangs, is lost."""
    body = r"""
        os.write(control, b"ready 6.12.1 1\n")
        for number in range(10):
            time.sleep(0.5)
            os.write(output, b"%d\n" % number)
        time.sleep(600)
    """
    lines: list[str] = []
    with (
        pytest.raises(LostMachineError, match="has printed nothing for 4 s") as lost,
        boot(body, output=lines.append) as booted,
    ):
        booted.wait(silence_s=4)
    assert lost.value.started
    assert not lost.value.timed_out
    assert lines == list("0123456789")


@root
def test_an_exception_ends_the_machine(boot: Callable[..., Machine]) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        boot("time.sleep(600)"),
    ):
        raise KeyboardInterrupt
    # Every test checks at its end that nothing is left.


PARENT = """\
import sys
from pathlib import Path
from app.machine import qemu
from app.machine.kernels import Kernel
from app.machine.machine import Machine
folder = Path(sys.argv[1])
host = qemu.Host(str(folder / "qemu"), folder / "virtiofsd", kvm=False, threads=True)
kernel = Kernel("trixie", "6.12.1", "6.12.1-1", folder / "kernel")
with Machine(kernel, folder / "share", ["true"], host=host) as machine:
    machine.wait(ready=lambda: print("ready", flush=True))
"""


@root
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_whatever_ends_the_parent_ends_the_machine(
    programs: Callable[..., qemu.Host], share: Path, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "kernel").mkdir()
    programs(r"""
        os.write(control, b"ready 6.12.1 2.5\n")
        time.sleep(600)
    """)
    mounts = Path("/proc/self/mountinfo").read_text()
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"ready\n"
            wait_until(lambda: len(running(tmp_path)) == 2, "QEMU and virtiofsd run")
            parent.send_signal(number)
            assert parent.wait(PATIENCE_S) == -number
        finally:
            parent.kill()
    wait_until(lambda: not running(tmp_path), "QEMU and virtiofsd have ended")
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert [path.name for path in tmp_path.rglob("*") if path.is_socket()] == []


@root
def test_only_the_shared_folder_can_be_written(boot: Callable[..., Machine], share: Path) -> None:
    """virtiofsd serves the root of its own mount namespace."""
    seen = share / "seen"
    virtiofsd = f"""
        import json
        def try_to_write(folder):
            try:
                open("/run/root" + folder + "/written", "w").close()
            except OSError as error:
                return type(error).__name__ + str(error.errno)
            return "written"
        tried = [try_to_write(f) for f in ("/", "{share.parent}", "/run/vm/kernel", "/run", "/tmp")]
        shown = [bool(os.listdir("/run/root/" + f)) for f in ("proc", "sys", "dev")]
        open("/run/root/run/vm/share/seen.new", "w").write(json.dumps((tried, shown)))
        os.rename("/run/root/run/vm/share/seen.new", "/run/root/run/vm/share/seen")
    """
    with boot("time.sleep(600)", virtiofsd):
        wait_until(seen.exists, "virtiofsd has looked around")
    tried, shown = json.loads(seen.read_text())
    assert tried == ["OSError30"] * 5  # EROFS
    assert not any(shown[:2])  # /dev may have nodes in the root file system itself
    assert sorted(path.name for path in share.iterdir()) == ["command", "seen", "visible"]


@root
def test_the_command_reaches_the_guest_as_it_is(
    boot: Callable[..., Machine], share: Path, tmp_path: Path
) -> None:
    argv = [sys.executable, "-c", "import os, sys; print(sys.argv[1:], os.environ['A'])"]
    with boot(
        "time.sleep(600)",
        argv=[*argv, "it's", "$HOME", "a  b", ""],
        environment={"A": 'x "y" $z'},
        folder=tmp_path,
    ):
        done = subprocess.run(
            ["sh", str(share / "command")], capture_output=True, encoding="utf-8", check=True
        )
    assert done.stdout == "[\"it's\", '$HOME', 'a  b', ''] x \"y\" $z\n"
    assert str(tmp_path) in (share / "visible").read_text().splitlines()
