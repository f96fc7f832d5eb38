# SPDX-License-Identifier: Apache-2.0
"""A tracer's session: attach, drain until stopped, detach.

Importing this module loads numpy and Arrow, which is most of a start's cost; a tracer does it
before it has a request.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

from app.columns.plan import Plan
from app.errors import ProbedeckError
from app.filters.kernel_filter import KernelFilter
from app.kernel.hints import why_off
from app.kernel.plain_loads import find_cast
from app.link.frames import Outbox, TracerRequest, send_maps
from app.presets.deletions.own_functions import own_functions
from app.presets.deletions.programs import Programs
from app.tracer.attached_programs import AttachedPrograms
from app.tracer.decode_plan import PlanEncoder
from app.tracer.drain import Drain
from app.tracer.group_reports import GroupReports
from app.tracer.groups import GroupEncoder
from app.tracer.loop import Loop
from app.tracer.object_cache import get_template
from app.tracer.plan_programs import PlanPrograms
from app.tracer.sight import Sight


def prepare() -> None:
    """Do what does not depend on the request."""
    find_cast()
    own_functions()


def trace(request: TracerRequest, sock: socket.socket, outbox: Outbox) -> None:
    """Attach and drain until stopped. Raises ProbedeckError when the kernel or BCC refuses."""
    if off := why_off(request.mode):
        raise _unavailable(request.mode, *off)
    plan = Plan.from_json(request.plan)
    programs, encoder = _loaded(request, plan)
    with programs, Drain(programs, outbox, encoder, programs.slots) as drain:
        # Before the first event, so that the service can count events however this process ends.
        send_maps(sock, *programs.account())
        sight = Sight(request.mode, programs.unseen)
        if silence := sight.check_attached():
            raise _unavailable(request.mode, *silence)
        programs.set_filter(request.filter)
        outbox.message({"type": "attached", "function": request.function})
        with ExitStack() as stack:
            groups = None
            if plan.aggregate is not None:
                counted = GroupEncoder(request.probe, request.run, plan)
                groups = stack.enter_context(GroupReports(programs, counted, outbox))
            Loop(request, sock, outbox, programs, sight, groups=groups).run(drain)
    outbox.flush()


def _loaded(
    request: TracerRequest, plan: Plan
) -> tuple[AttachedPrograms | PlanPrograms, PlanEncoder]:
    """Return a request's programs, attached, and what encodes their records."""
    btf_path, cache_dir = Path(request.btf_path), Path(request.cache_dir)
    compiled = get_template(plan.template, btf_path, cache_dir)
    where = KernelFilter() if request.where is None else KernelFilter.from_json(request.where)
    encoder = PlanEncoder(request.probe, request.run, plan)
    if plan.has_own_programs:
        return Programs(plan, request.function, compiled, request.ring_bytes, where), encoder
    return PlanPrograms(plan, compiled, request.ring_bytes, where), encoder


def _unavailable(mode: str, reason: str, hint: str) -> ProbedeckError:
    return ProbedeckError(501, "unavailable", f"{mode}: {reason}", reason=reason, hint=hint)
