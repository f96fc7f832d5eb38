# SPDX-License-Identifier: Apache-2.0
"""The cache of compiled templates, keyed by what they are made of."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from app.errors import ProbedeckError
from app.kernel import tree_cache
from app.kernel.bcc_presence import bcc_version
from app.link.compiler import COMPILED, NOT_CACHED, REFUSED, template_command
from app.tracer.causes import public_text
from app.tracer.compiled_object import FORMAT, CompiledObject, ObjectError
from app.tracer.template_source import template_flags, template_source

FILE = "object.json"


def template_key(template: str) -> str:
    """Return a template's name in the cache folder.

    It does not depend on the kernel: whatever does is a slot, or the layout of `struct pt_regs`,
    which programs of any kernel may rely on.
    """
    parts = (
        FORMAT,
        template_source(template),
        template_flags(template),
        bcc_version(),
        os.uname().machine,
    )
    return f"template-{template}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:40]}"


def find_object(cache_dir: Path, key: str) -> CompiledObject | None:
    """Return the cached object, or None if there is none that is intact, safe and readable."""
    try:
        files = tree_cache.load(cache_dir, key)
        return CompiledObject.decode(files[FILE].decode()) if files else None
    except (OSError, ValueError, KeyError):  # also for an unsafe folder: then nothing is cached
        return None


def get_template(template: str, btf_path: Path, cache_dir: Path) -> CompiledObject:
    """Return the cached template, or compile it in a separate process; raises ProbedeckError."""
    return find_object(cache_dir, template_key(template)) or _compile(
        template_command(template, btf_path, cache_dir)
    )


def _compile(command: list[str]) -> CompiledObject:
    # No timeout: the start of the probe has one, and the compiler ends with this process.
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    sys.stderr.write(done.stderr)  # all of it goes to the service's log
    said = public_text(done.stderr)
    try:
        if done.returncode == REFUSED:
            refusal = json.loads(done.stdout)
            error = refusal.pop("error")
            raise ProbedeckError(**error, **{"reason": said or error["detail"], **refusal})
        if done.returncode in (COMPILED, NOT_CACHED):
            return CompiledObject.decode(done.stdout)
        what = f"the compiler exited with status {done.returncode}"
    except (ObjectError, json.JSONDecodeError) as error:
        what = str(error)
    raise ProbedeckError(
        502,
        "tracer_failed",
        f"BCC could not compile: {said.splitlines()[-1] if said else what}",
        reason=said or what,
    )
