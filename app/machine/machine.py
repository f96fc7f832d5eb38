# SPDX-License-Identifier: Apache-2.0
"""A machine: a Debian kernel under QEMU, on the host's own root file system, read-only.

    with Machine(kernel, share, ["/usr/bin/python3", "-c", "print('hello')"]) as machine:
        status = machine.wait()

One machine runs one command, as root, and ends with it. `share` is the only folder that both
sides can write; the guest sees it as /run/vm/share. The command's output arrives line by line while
it runs. When the machine ends without reporting the command's end, that is a `LostMachineError`,
never an exit status.

The machine ends with this process, however that ends: QEMU and virtiofsd die with the thread that
started them (so start a machine in a thread that lasts), their mounts are private to virtiofsd,
and their sockets have no name.
"""

from __future__ import annotations

import math
import os
import selectors
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from app import ROOT
from app.machine import child, newer_qemu, qemu
from app.machine.kernels import Kernel

SHARE = "/run/vm/share"
INIT = Path(__file__).resolve().with_name("init")
BOOT_TIMEOUT_S = 180.0
END_TIMEOUT_S = 20.0
CONSOLE_LINES = 60


class LostMachineError(Exception):
    """The machine ended, or exceeded its time, without reporting how the command ended.

    `started`: the command had been started; `timed_out`: it took longer than allowed.
    `console`: the last lines of the kernel's console, of QEMU and of virtiofsd.
    """

    def __init__(
        self, reason: str, started: bool, console: Sequence[str], timed_out: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.started = started
        self.timed_out = timed_out
        self.console = list(console)

    def __str__(self) -> str:
        return "\n".join([f"lost the machine: {self.reason}", *self.console])


class Lines:
    """Splits bytes into lines; buffers at most `longest_bytes` of an unfinished line."""

    def __init__(self, take: Callable[[str], None], longest_bytes: int = 65536) -> None:
        self._take = take
        self._longest_bytes = longest_bytes
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Pass on the lines that `data` completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._emit(line)
        if len(self._rest) > self._longest_bytes:
            self.end()

    def end(self) -> None:
        """Pass on the unfinished line."""
        rest, self._rest = self._rest, b""
        if rest:
            self._emit(rest)

    def _emit(self, line: bytes) -> None:
        self._take(line.rstrip(b"\r").decode("utf-8", errors="replace"))


class Machine:
    """One boot and one command; use as a context manager. See the module's docstring.

    `ports` are further named ports of the guest, `terminal` its second serial line: sockets whose
    other end the caller keeps. `network` is a namespace (see namespaces.new_network) in which
    QEMU forwards `hardware.forwarded_port` to the guest. `visible` are folders that the command
    needs, and that may be in /tmp, /root, /run or other folders that the guest has its own of.
    """

    def __init__(
        self,
        kernel: Kernel,
        share: Path,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        output: Callable[[str], None] = print,
        hardware: qemu.Hardware | None = None,
        host: qemu.Host | None = None,
        network: int | None = None,
        ports: Mapping[str, socket.socket] | None = None,
        terminal: socket.socket | None = None,
        visible: Sequence[Path] = (),
        folder: Path = ROOT,
    ) -> None:
        self.release: str | None = None
        self._kernel = kernel
        self._share = share.resolve()
        self._argv = list(argv)
        self._environment = dict(environment or {})
        self._hardware = hardware or qemu.hardware()
        self._host = host
        self._network = network
        self._ports = dict(ports or {})
        self._terminal = terminal
        self._visible = [ROOT, folder, *visible, Path(sys.prefix), Path(sys.base_prefix)]
        self._folder = folder
        self._status: int | None = None
        self._heard_s = 0.0  # when the command printed something last, of time.monotonic
        self._console: deque[str] = deque(maxlen=CONSOLE_LINES)
        self._selector = selectors.DefaultSelector()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._resources = ExitStack()
        self._readers = {
            "control": Lines(self._control),
            "output": Lines(output),
            "console": Lines(self._console.append),
            "qemu": Lines(lambda line: self._console.append(f"qemu: {line}")),
            "virtiofsd": Lines(lambda line: self._console.append(f"virtiofsd: {line}")),
        }

    def __enter__(self) -> Machine:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def wait(
        self,
        timeout_s: float | None = None,
        boot_timeout_s: float = BOOT_TIMEOUT_S,
        ready: Callable[[], None] = lambda: None,
        silence_s: float = math.inf,
    ) -> int:
        """Return the command's exit status; call `ready` at its start. Raises LostMachineError.

        The machine is lost if the command is not done within `timeout_s`, or prints nothing for
        `silence_s`, as where the guest's kernel hangs.
        """
        deadline = time.monotonic() + boot_timeout_s
        started = False
        while self._status is None:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                what = "the command did not end" if started else "the kernel did not start"
                limit_s = timeout_s if started else boot_timeout_s
                raise self._lost(f"{what} within {limit_s:g} s", timed_out=True)
            if started and time.monotonic() - self._heard_s > silence_s:
                raise self._lost(f"the command has printed nothing for {silence_s:g} s")
            alive = self._read(min(left_s, silence_s, 3600.0))
            while not alive and self._selector.select(0):
                self._read(0)  # data that was sent before the end, in other sockets
            # Before the check for the end: both may have arrived at once.
            if self.release and not started:
                started = True
                self._heard_s = time.monotonic()
                deadline = time.monotonic() + (float("inf") if timeout_s is None else timeout_s)
                ready()
            if not alive:
                break
        if self._status is None:
            raise self._lost("it ended before the command did")
        self._drain()
        return self._status

    def close(self) -> None:
        """Kill the machine and release its resources."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        self._processes.clear()
        self._selector.close()
        self._resources.close()

    def _start(self) -> None:
        host = self._host or qemu.detect()
        self._write_command()
        sockets = {name: self._socketpair(name) for name in ("control", "output", "console")}
        with tempfile.TemporaryDirectory(prefix="probedeck-vm-") as folder:
            # Named only until we have connected, in a private folder: no file remains.
            path = str(Path(folder, "root"))
            listening = self._resources.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(path)
            listening.listen(1)
            root = self._resources.enter_context(socket.socket(socket.AF_UNIX))
            root.connect(path)
        share = child.Share(str(INIT), str(self._kernel.folder), str(self._share))
        self._spawn(
            "virtiofsd",
            qemu.virtiofsd_command(host, child.GUEST_ROOT, listening.fileno()),
            [listening],
            share=share,
        )
        ports = {"vm.control": sockets["control"], "vm.output": sockets["output"], **self._ports}
        hardware = replace(
            self._hardware,
            ports={name: end.fileno() for name, end in ports.items()},
            terminal=self._terminal.fileno() if self._terminal else None,
        )
        self._spawn(
            "qemu",
            qemu.qemu_command(
                host, self._kernel, hardware, root.fileno(), sockets["console"].fileno()
            ),
            [
                *ports.values(),
                root,
                sockets["console"],
                *([self._terminal] if self._terminal else []),
            ],
            network=self._network,
        )
        # Only the children hold these ends now, so that we see end of file when they exit.
        for end in (listening, root, *sockets.values()):
            end.close()

    def _write_command(self) -> None:
        """Write the init script's input: folders to keep visible, and the command as a script."""
        visible = "".join(f"{path.resolve()}\n" for path in dict.fromkeys(self._visible))
        (self._share / "visible").write_text(visible, encoding="utf-8")
        lines = [
            *(f"export {name}={shlex.quote(text)}" for name, text in self._environment.items()),
            f"cd {shlex.quote(str(self._folder.resolve()))} || exit 125",
            f"exec {shlex.join(self._argv)}",
        ]
        (self._share / "command").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _socketpair(self, name: str) -> socket.socket:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            self._resources.enter_context(end)
        self._selector.register(ours, selectors.EVENT_READ, name)
        return theirs

    def _spawn(
        self,
        name: str,
        argv: list[str],
        inherited: Sequence[socket.socket],
        network: int | None = None,
        share: child.Share | None = None,
    ) -> None:
        process = child.start(argv, [end.fileno() for end in inherited], network, share)
        self._processes.append(process)
        assert process.stdout is not None
        self._resources.enter_context(process.stdout)
        self._selector.register(process.stdout, selectors.EVENT_READ, name)

    def _read(self, timeout_s: float) -> bool:
        """Read what has arrived; return False once QEMU or virtiofsd has ended."""
        alive = True
        for key, _ in self._selector.select(timeout_s):
            data = os.read(key.fd, 65536)
            if data:
                if key.data == "output":
                    self._heard_s = time.monotonic()
                self._readers[key.data].feed(data)
                continue
            self._readers[key.data].end()
            self._selector.unregister(key.fileobj)
            alive = False
        return alive

    def _drain(self) -> None:
        """Read until power-off, so that the end of the output is not lost."""
        deadline = time.monotonic() + END_TIMEOUT_S
        while self._selector.get_map() and (left_s := deadline - time.monotonic()) > 0:
            self._read(left_s)

    def _control(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "ready":
            self.release = rest.split()[0]
        elif word == "exit":
            self._status = int(rest)
        else:
            raise ValueError(f"unexpected message from the guest's init: {line!r}")

    def _lost(self, reason: str, timed_out: bool = False) -> LostMachineError:
        deadline = time.monotonic() + 1.0
        while self._selector.get_map() and time.monotonic() < deadline:
            if not self._selector.select(0.2):
                break
            self._read(0)
        for reader in self._readers.values():
            reader.end()
        return LostMachineError(reason, self.release is not None, self._console, timed_out)


def with_second_try(
    boot: Callable[[qemu.Host], int],
    say: Callable[[str], None],
    again_when_started: bool = True,
) -> int:
    """Return the result of `boot`, which runs one machine; report a lost one and retry once.

    The second machine is always emulated, as virtualisation may be what failed. A command that
    timed out is not retried, nor is any started command unless `again_when_started`.
    Raises LostMachineError, and MissingProgramError.
    """
    host = newer_qemu.sound(qemu.detect(), say)
    try:
        return boot(host)
    except LostMachineError as lost:
        if lost.started and (lost.timed_out or not again_when_started):
            raise
        say(f"{lost}\nTrying once more.")
    return boot(replace(host, kvm=False))
