# SPDX-License-Identifier: Apache-2.0
"""`./run --vm` and `./run --vm-exec`: the service in a machine, reached as if it ran here."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from app import config
from app.linux import namespaces, signals
from app.linux.sock_diag import has_sock_diag, open_diag
from app.linux.socket_owner import PROC_NET
from app.linux.standard_streams import keep_standard_streams, say
from app.machine import kernels, qemu
from app.machine.machine import LostMachineError, Machine, with_second_try
from app.vm_mode import options
from app.vm_mode.commands import NoMachineError, address, execute
from app.vm_mode.host_side import Outside
from app.vm_mode.relay import Relay
from app.vm_mode.terminal import Terminal

# QEMU's user network: the guest sees every forwarded connection come from here.
RELAY_SEEN_BY_GUEST = "10.0.2.2"
NO_MACHINE = 125
# Compiling a probe takes 10 s and more in emulation, several times that on a busy computer.
EMULATED_START_TIMEOUT_S = 300


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Our options, and the service's own, which are checked here rather than after the boot."""
    parser = argparse.ArgumentParser(prog="./run", allow_abbrev=False)
    options.add_arguments(parser)
    ours, rest = parser.parse_known_args(argv)
    service = argparse.ArgumentParser(prog="./run", allow_abbrev=False)
    settings = config.parse_arguments(service, rest)
    if settings.tls or settings.listen != config.Settings.listen or settings.trusted_peer:
        service.error("--vm serves this machine only: --listen and --tls-* are not for it")
    ours.port, ours.owner_uid = settings.port, settings.owner_uid
    return ours, rest


@dataclass(frozen=True)
class Serving:
    """What stays when a machine has to be booted again: the kernel, and what listens for it."""

    ours: argparse.Namespace
    rest: list[str]
    kernel: kernels.Kernel
    door: socket.socket
    commands: socket.socket

    def boot(self, host: qemu.Host) -> int:
        """One machine, from boot to end; the service's exit status; raises LostMachineError."""
        how = "with KVM" if host.kvm else "in emulation, which takes a while"
        say(f"Booting Linux {self.kernel.release} {how}")
        with ExitStack() as stack:
            network = namespaces.new_network()
            stack.callback(os.close, network)
            share = stack.enter_context(tempfile.TemporaryDirectory(prefix="probedeck-vm-"))
            agent, agent_inside = (stack.enter_context(end) for end in socket.socketpair())
            line, line_inside = (stack.enter_context(end) for end in socket.socketpair())
            on_terminal = sys.stdin.isatty() and sys.stdout.isatty()
            outside = Outside(
                relay=Relay(
                    ("127.0.0.1", self.ours.port),
                    self.ours.owner_uid,
                    diag=stack.enter_context(open_diag()) if has_sock_diag() else None,
                    proc_net=None if has_sock_diag() else PROC_NET,
                ),
                network=network,
                door=self.door.dup(),
                commands=self.commands.dup(),
                agent=agent,
                terminal=stack.enter_context(Terminal(line)) if on_terminal else None,
                announcement=f"Probedeck serves on http://localhost:{self.ours.port}"
                f" from Linux {self.kernel.release}",
                say=say,
            )
            thread = threading.Thread(target=outside.run, daemon=True)
            try:
                with Machine(
                    self.kernel,
                    Path(share),
                    self._command(host),
                    environment={"PYTHONUNBUFFERED": "1"},
                    output=say,
                    hardware=qemu.hardware(forwarded_port=self.ours.port),
                    host=host,
                    network=network,
                    ports={"vm.exec": agent_inside},
                    terminal=line_inside,
                ) as machine:
                    agent_inside.close()
                    line_inside.close()
                    thread.start()
                    return machine.wait(ready=lambda: say("The kernel is up; starting the service"))
            finally:
                if thread.ident:
                    thread.join(5.0)
                if outside.failure:
                    raise outside.failure

    def _command(self, host: qemu.Host) -> list[str]:
        python = [sys.executable, "-m"]
        # Before the person's own options, which win.
        patience = []
        if not host.kvm:
            patience = ["--start-timeout-s", str(EMULATED_START_TIMEOUT_S)]
            patience += ["--tracer-silence-s", str(EMULATED_START_TIMEOUT_S)]
        service = [*python, "app", *patience, *self.rest, "--listen", "0.0.0.0"]
        return [*python, "app.vm_mode.guest", *service, "--trusted-peer", RELAY_SEEN_BY_GUEST]


def serve(ours: argparse.Namespace, rest: list[str]) -> int:
    """Serve until the service or the shell ends; the exit status."""
    with ExitStack() as stack:
        # Before anything that takes time: whether the port and the name are free.
        door = stack.enter_context(socket.create_server(("127.0.0.1", ours.port)))
        commands = stack.enter_context(socket.socket(socket.AF_UNIX))
        commands.bind(address(ours.port))
        commands.listen(16)
        kernel = kernels.newest(ours.suite, say=say)
        serving = Serving(ours, rest, kernel, door, commands)
        return with_second_try(serving.boot, say, again_when_started=False)


def main(argv: Sequence[str]) -> int:
    """The command line of `./run` when it holds --vm or --vm-exec; returns the exit status."""
    ours, rest = parse(argv)
    if os.geteuid() != 0:
        sys.stderr.write("A machine needs root: it reads this machine's whole file system\n")
        return 1
    try:
        if ours.vm_exec is not None:
            return execute(ours.port, ours.vm_exec)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _end)
        return serve(ours, rest)
    except NoMachineError as error:
        sys.stderr.write(f"{error}\n")
        return NO_MACHINE
    except (LostMachineError, kernels.KernelError, qemu.MissingProgramError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        sys.stderr.write(f"Port {ours.port} is in use; choose another with --port\n")
        return 1


def _end(*_: object) -> None:
    """The first of these signals ends the machine in order; further ones do not disturb that."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(0)


if __name__ == "__main__":
    keep_standard_streams()
    signals.restore()
    sys.exit(main(sys.argv[1:]))
