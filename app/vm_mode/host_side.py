# SPDX-License-Identifier: Apache-2.0
"""The host side of the machine of `./run --vm`: relay, commands and terminal, in one thread."""

from __future__ import annotations

import _thread
import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from app.linux import namespaces
from app.vm_mode.commands import Broker
from app.vm_mode.relay import Relay
from app.vm_mode.terminal import Terminal, size


@dataclass
class HostSide:
    """The tasks that serve a machine from its host, in one event loop.

    `network` is the machine's network namespace, which the thread enters. `listener` and
    `commands`, which listen in the host's namespace, take connections to the service and
    commands; `agent` is the host's end of the machine's port for commands.
    """

    relay: Relay
    network: int
    listener: socket.socket
    commands: socket.socket
    agent: socket.socket
    terminal: Terminal | None
    announcement: str
    say: Callable[[str], None]
    broker: Broker = field(default_factory=Broker)
    failure: BaseException | None = None

    def run(self) -> None:
        """Serve until the machine ends, as the body of a thread; end the machine on a failure."""
        try:
            namespaces.enter(self.network)
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - the main thread raises it, interrupted here
            self.failure = error
            _thread.interrupt_main()

    async def _serve(self) -> None:
        commands = asyncio.ensure_future(self.broker.serve(self.agent, self.commands))
        relay = asyncio.ensure_future(self.relay.serve(self.listener))
        ready = asyncio.ensure_future(self._announce())
        # These two end only when they fail, or when the machine has ended and closed its port.
        await asyncio.wait([commands, relay], return_when=asyncio.FIRST_COMPLETED)
        for task in (commands, relay, ready):
            if task.done():
                task.result()

    async def _announce(self) -> None:
        while not await self.relay.answers():
            await asyncio.sleep(0.5)
        self.say(self.announcement)
        if self.terminal:
            self.say("This is a root shell in the machine; `exit` or Ctrl-D ends both.")
            self.terminal.open()
            with suppress(ConnectionError):  # the machine has just ended, which others report
                await self.broker.tell({"shell": size()})
