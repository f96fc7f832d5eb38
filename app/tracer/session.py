# SPDX-License-Identifier: Apache-2.0
"""A tracer's session: attach, drain until stopped, detach.

Importing this module loads numpy and Arrow, which is most of a start's cost; a tracer does it
before it has a request.
"""

from __future__ import annotations

import socket
from pathlib import Path

from app.columns.plan import Plan
from app.errors import ProbedeckError
from app.filters.kernel_filter import KernelFilter
from app.kernel.bcc_headers import BTF_PATH
from app.kernel.hints import why_off
from app.link.frames import Outbox, TracerRequest, send_maps
from app.probes.modes import MODES
from app.tracer import any_records
from app.tracer.canary import Sight
from app.tracer.decode import Encoder
from app.tracer.decode_plan import PlanEncoder
from app.tracer.drain import Drain
from app.tracer.loop import Loop
from app.tracer.object_cache import get_object, get_template, kernel_identity
from app.tracer.plan_programs import PlanPrograms
from app.tracer.programs import Programs
from app.tracer.records import NAME_BYTES
from app.tracer.rings import slot_dtype


def prepare() -> None:
    """Do what does not depend on the request."""
    kernel_identity(BTF_PATH)


def trace(request: TracerRequest, sock: socket.socket, outbox: Outbox) -> None:
    """Attach and drain until stopped. Raises ProbedeckError when the kernel or BCC refuses."""
    if off := why_off(request.mode):
        raise _unavailable(request.mode, *off)
    if request.plan is None:
        _trace_deletions(request, sock, outbox)
    else:
        _trace_plan(request, Plan.from_json(request.plan), sock, outbox)
    outbox.flush()


def _trace_deletions(request: TracerRequest, sock: socket.socket, outbox: Outbox) -> None:
    compiled = get_object(
        request.mode,
        request.function,
        request.ring_bytes,
        Path(request.btf_path),
        Path(request.cache_dir),
    )
    columns = MODES[request.mode].columns
    encoder = Encoder(request.probe, request.mode, request.run, columns)
    slots = {ring: slot_dtype(size) for ring, size in NAME_BYTES.items()}
    with (
        Programs(request.mode, request.function, compiled) as programs,
        Drain(programs, outbox, encoder, slots) as drain,
    ):
        # Before the first event, so that the service can count events however this process ends.
        send_maps(sock, *programs.account())
        sight = Sight(request.mode, programs.send_canaries)
        if silence := sight.check_attached():
            raise _unavailable(request.mode, *silence)
        programs.set_filter(request.filter)
        outbox.message({"type": "attached", "function": request.function})
        Loop(request, sock, outbox, programs, sight).run(drain)


def _trace_plan(request: TracerRequest, plan: Plan, sock: socket.socket, outbox: Outbox) -> None:
    compiled = get_template(plan.template, Path(request.btf_path), Path(request.cache_dir))
    where = KernelFilter() if request.where is None else KernelFilter.from_json(request.where)
    encoder = PlanEncoder(request.probe, request.run, plan)
    with (
        PlanPrograms(plan, compiled, request.ring_bytes, where) as programs,
        Drain(programs, outbox, encoder, any_records.slots(plan)) as drain,
    ):
        send_maps(sock, *programs.account())
        sight = Sight(request.mode, programs.silent_hooks)
        programs.set_filter(request.filter)
        outbox.message({"type": "attached", "function": request.function})
        Loop(request, sock, outbox, programs, sight).run(drain)


def _unavailable(mode: str, reason: str, hint: str) -> ProbedeckError:
    return ProbedeckError(501, "unavailable", f"{mode}: {reason}", reason=reason, hint=hint)
