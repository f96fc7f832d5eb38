# SPDX-License-Identifier: Apache-2.0
"""The cache of compiled objects, keyed by what they are made of."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from app.errors import ProbedeckError
from app.kernel import tree_cache
from app.kernel.bcc_headers import BTF_PATH, MODULES
from app.kernel.bcc_presence import bcc_version
from app.kernel.build import running_build_id
from app.link.compiler import (
    COMPILED,
    NOT_CACHED,
    REFUSED,
    compile_command,
    template_command,
)
from app.linux import paths
from app.tracer.bpf_source import compiler_flags, source
from app.tracer.causes import public_text
from app.tracer.compiled_object import FORMAT, CompiledObject, ObjectError
from app.tracer.template_source import template_flags, template_source

FILE = "object.json"


@lru_cache
def kernel_identity(btf_path: Path) -> str:
    """Return a hash of the running kernel's build and of all its types, as hex.

    A compiled object contains numbers of functions (attach_btf_id) and offsets in structs from the
    BTF. So the hash covers all of the BTF, and an object is never loaded into another kernel.
    Reading and hashing 5 MB takes 10 ms; a tracer does it while it waits for its request.
    """
    system = os.uname()
    digest = hashlib.sha256(
        f"{running_build_id()} {system.release} {system.version} {system.machine}\n".encode()
    )
    for path in sorted({btf_path, BTF_PATH}):
        digest.update(f"{path}\n".encode())
        try:
            with os.fdopen(paths.open_file(path, os.O_RDONLY), "rb") as file:
                while block := file.read(1 << 16):
                    digest.update(block)
        except OSError as error:  # without BTF it is compiled against installed headers
            digest.update(f"{error.errno} {_stamp(MODULES / system.release / 'build')}\n".encode())
    return digest.hexdigest()


def _stamp(folder: Path) -> str:
    """Return a text that changes when the content of this folder is installed again."""
    try:
        status = folder.stat()
    except OSError:
        return "absent"
    return f"{folder.resolve()} {status.st_ino} {status.st_mtime_ns}"


def object_key(mode: str, function: str, ring_bytes: int, btf_path: Path) -> str:
    """Return an object's name in the cache folder: a hash of everything that it depends on."""
    parts = (
        FORMAT,
        mode,
        source(mode, follows_renames=True),  # whether it does depends on the kernel alone
        compiler_flags(mode, function, ring_bytes),
        bcc_version(),
        kernel_identity(btf_path),
    )
    return f"object-{mode}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:40]}"


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


def get_object(
    mode: str, function: str, ring_bytes: int, btf_path: Path, cache_dir: Path
) -> CompiledObject:
    """Return the cached object, or compile one in a separate process; raises ProbedeckError."""
    key = object_key(mode, function, ring_bytes, btf_path)
    return find_object(cache_dir, key) or _compile(
        compile_command(mode, function, ring_bytes, btf_path, cache_dir)
    )


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
