# SPDX-License-Identifier: Apache-2.0
"""What the routes work on: settings, hub, probe manager and the stream limit."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from functools import cached_property

from flask import current_app

from app.access.audit_log import AuditLog
from app.compare.comparison import Comparison
from app.config import Settings
from app.hub import Hub
from app.kernel.bcc_headers import BTF_PATH
from app.kernel.kernel_types import KernelTypes
from app.presets.kernel_names import PresetNames
from app.probes.manager import ProbeManager
from app.web.stream_limit import StreamLimit

MIB = 1024 * 1024


@dataclass(frozen=True)
class Service:
    """The state of one worker process; there is one worker (docs/architecture.md)."""

    settings: Settings
    hub: Hub
    manager: ProbeManager
    stream_limit: StreamLimit
    kernel_types: KernelTypes = field(default_factory=lambda: KernelTypes(BTF_PATH))
    preset_names: PresetNames = field(default_factory=lambda: PresetNames(BTF_PATH))
    run_id: str = field(default_factory=lambda: secrets.token_hex(4))
    _closing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def create(cls, settings: Settings) -> Service:
        """Make a service whose probes are not checked yet; see `ProbeManager.start_service`."""
        hub = Hub(settings.recent_mib * MIB, settings.client_queue_mib * MIB)
        types = KernelTypes(settings.btf_path)
        names = PresetNames(settings.btf_path)
        manager = ProbeManager(settings, hub, types=types, preset_names=names)
        limit = StreamLimit(settings.max_websockets)
        return cls(settings, hub, manager, limit, kernel_types=types, preset_names=names)

    @cached_property
    def comparison(self) -> Comparison:
        """What compares modes."""
        return Comparison(self.manager, self.hub)

    @cached_property
    def audit(self) -> AuditLog:
        """The log of all changes."""
        return AuditLog(self.settings.audit_log)

    def close(self) -> None:
        """Stop all probes, then end the streams, which have the last rows by then. Once only."""
        if self._closing.acquire(blocking=False):
            try:
                self.manager.close()
            finally:
                self.hub.close()


def current_service() -> Service:
    """Return the service of the application that handles this request."""
    service: Service = current_app.extensions["probedeck"]
    return service
