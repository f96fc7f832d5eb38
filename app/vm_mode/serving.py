# SPDX-License-Identifier: Apache-2.0
"""Boot a machine that serves, and what serves for it on this side."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from app.linux import namespaces
from app.linux.sock_diag import has_sock_diag, open_diag
from app.linux.socket_owner import PROC_NET
from app.linux.standard_streams import say
from app.machine import kernels, qemu, templates
from app.machine.machine import SHARE, Machine, with_second_try
from app.vm_mode.commands import address
from app.vm_mode.host_side import HostSide
from app.vm_mode.relay import Relay
from app.vm_mode.terminal import Terminal

# In QEMU's user network, every forwarded connection comes from this address.
RELAY_SEEN_BY_GUEST = "10.0.2.2"
TEMPLATES = "templates"  # in the folder shared with the machine
# Compiling a probe takes 10 s and more in emulation, and several times that on a busy host.
EMULATED_START_TIMEOUT_S = 300


@dataclass(frozen=True)
class Serving:
    """What outlives a machine that has to be booted again: its kernel and its listeners.

    `arguments` are those of the service in the machine.
    """

    port: int
    owner_uid: int
    arguments: Sequence[str]
    kernel: kernels.Kernel
    listener: socket.socket
    commands: socket.socket

    def boot(self, host: qemu.Host) -> int:
        """Boot one machine and return the service's exit status; raises LostMachineError."""
        how = "with KVM" if host.kvm else "in emulation, which takes a while"
        say(f"Booting Linux {self.kernel.release} {how}")
        with ExitStack() as stack:
            network = namespaces.new_network()
            stack.callback(os.close, network)
            share = stack.enter_context(tempfile.TemporaryDirectory(prefix="probedeck-vm-"))
            templates.compile_into(Path(share, TEMPLATES), say)
            agent, agent_inside = (stack.enter_context(end) for end in socket.socketpair())
            line, line_inside = (stack.enter_context(end) for end in socket.socketpair())
            on_terminal = sys.stdin.isatty() and sys.stdout.isatty()
            host_side = HostSide(
                relay=Relay(
                    ("127.0.0.1", self.port),
                    self.owner_uid,
                    diag=stack.enter_context(open_diag()) if has_sock_diag() else None,
                    proc_net=None if has_sock_diag() else PROC_NET,
                ),
                network=network,
                listener=self.listener.dup(),
                commands=self.commands.dup(),
                agent=agent,
                terminal=stack.enter_context(Terminal(line)) if on_terminal else None,
                announcement=f"Probedeck serves on http://localhost:{self.port}"
                f" from Linux {self.kernel.release}",
                say=say,
            )
            thread = threading.Thread(target=host_side.run, daemon=True)
            try:
                with Machine(
                    self.kernel,
                    Path(share),
                    self._command(host),
                    environment={"PYTHONUNBUFFERED": "1"},
                    output=say,
                    hardware=qemu.hardware(forwarded_port=self.port),
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
                if host_side.failure:
                    raise host_side.failure

    def _command(self, host: qemu.Host) -> list[str]:
        python = [sys.executable, "-m"]
        # First, so that the user's own options win.
        patience = []
        if not host.kvm:
            patience = ["--start-timeout-s", str(EMULATED_START_TIMEOUT_S)]
            patience += ["--tracer-silence-s", str(EMULATED_START_TIMEOUT_S)]
        cache = ["--cache-dir", f"{SHARE}/{TEMPLATES}"]  # with what the host has compiled
        service = [*python, "app", *patience, *cache, *self.arguments, "--listen", "0.0.0.0"]
        return [*python, "app.vm_mode.guest", *service, "--trusted-peer", RELAY_SEEN_BY_GUEST]


def serve(suite: str, port: int, owner_uid: int, arguments: Sequence[str]) -> int:
    """Serve until the service or the shell ends; return the exit status.

    `arguments` are those of the service in the machine. Raises KernelError, LostMachineError,
    MissingProgramError, and OSError (EADDRINUSE) when the port is in use.
    """
    with ExitStack() as stack:
        # First, as fetching a kernel takes time: bind the port and the name.
        listener = stack.enter_context(socket.create_server(("127.0.0.1", port)))
        commands = stack.enter_context(socket.socket(socket.AF_UNIX))
        commands.bind(address(port))
        commands.listen(16)
        kernel = kernels.newest(suite, say=say)
        serving = Serving(port, owner_uid, arguments, kernel, listener, commands)
        return with_second_try(serving.boot, say, again_when_started=False)
