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
from app.tracer.several_functions import attached
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
        outbox.message({"type": "attached", "function": _traced(request, programs)})
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
    where = KernelFilter() if request.where is None else KernelFilter.from_json(request.where)
    encoder = PlanEncoder(request.probe, request.run, plan)

    def load(wanted: Plan) -> AttachedPrograms | PlanPrograms:
        compiled = get_template(wanted.template, btf_path, cache_dir)
        if wanted.has_own_programs:
            return Programs(wanted, request.function, compiled, request.ring_bytes, where)
        return PlanPrograms(wanted, compiled, request.ring_bytes, where)

    return attached(plan, load), encoder


def _traced(request: TracerRequest, programs: AttachedPrograms | PlanPrograms) -> str:
    """Return what is traced, in words."""
    if isinstance(programs, PlanPrograms) and (way := programs.plan.hook.way):
        return f"{len(programs.plan.hook.functions)} functions, by {way}"
    return request.function


def _unavailable(mode: str, reason: str, hint: str) -> ProbedeckError:
    return ProbedeckError(501, "unavailable", f"{mode}: {reason}", reason=reason, hint=hint)
