# SPDX-License-Identifier: Apache-2.0
"""Compiled objects, kept in the cache folder: found by what they depend on, else made anew."""

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
from app.kernel.version import running_build_id
from app.link.compiler import COMPILED, NOT_KEPT, REFUSED, compile_command
from app.linux import paths
from app.tracer.causes import words_without_paths
from app.tracer.compiled_object import FORMAT, CompiledObject, ObjectError
from app.tracer.source import compiler_flags, source

FILE = "object.json"


@lru_cache
def kernel_identity(btf_path: Path) -> str:
    """What the running kernel is to a compiled object, as hex: its build and all of its types.

    The numbers of functions are taken from the BTF (attach_btf_id), and offsets in its structs
    too, so its whole content is in here: an object cannot be taken for another kernel. Reading
    and hashing 5 MB takes 10 ms; a tracer does it while it waits for its request.
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
        except OSError as error:  # no BTF: then it is compiled against installed headers
            digest.update(f"{error.errno} {_stamp(MODULES / system.release / 'build')}\n".encode())
    return digest.hexdigest()


def _stamp(folder: Path) -> str:
    """Changes when what is at this path was installed anew."""
    try:
        status = folder.stat()
    except OSError:
        return "absent"
    return f"{folder.resolve()} {status.st_ino} {status.st_mtime_ns}"


def object_key(mode: str, function: str, ring_bytes: int, btf_path: Path) -> str:
    """The name of an object in the cache folder: a hash of all that it is made of."""
    parts = (
        FORMAT,
        mode,
        source(mode, follows_renames=True),  # whether it does depends on the kernel alone
        compiler_flags(mode, function, ring_bytes),
        bcc_version(),
        kernel_identity(btf_path),
    )
    return f"object-{mode}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:40]}"


def find_object(cache_dir: Path, key: str) -> CompiledObject | None:
    """The kept object; None when there is none, or none that is whole, safe and of our format."""
    try:
        files = tree_cache.load(cache_dir, key)
        return CompiledObject.decode(files[FILE].decode()) if files else None
    except (OSError, ValueError, KeyError):  # an unsafe folder too: then nothing can be kept
        return None


def get_object(
    mode: str, function: str, ring_bytes: int, btf_path: Path, cache_dir: Path
) -> CompiledObject:
    """The kept object, else one compiled now in a process of its own. Raises ProbedeckError."""
    key = object_key(mode, function, ring_bytes, btf_path)
    return find_object(cache_dir, key) or _compile(
        compile_command(mode, function, ring_bytes, btf_path, cache_dir)
    )


def _compile(command: list[str]) -> CompiledObject:
    # No time-out: the start has one, and this process's end is the compiler's too.
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    sys.stderr.write(done.stderr)  # all of it to the service's log
    said = words_without_paths(done.stderr)
    try:
        if done.returncode == REFUSED:
            refusal = json.loads(done.stdout)
            error = refusal.pop("error")
            raise ProbedeckError(**error, **{"reason": said or error["detail"], **refusal})
        if done.returncode in (COMPILED, NOT_KEPT):
            return CompiledObject.decode(done.stdout)
        what = f"the compiler ended with status {done.returncode}"
    except (ObjectError, json.JSONDecodeError) as error:
        what = str(error)
    raise ProbedeckError(
        502,
        "tracer_failed",
        f"BCC could not compile: {said.splitlines()[-1] if said else what}",
        reason=said or what,
    )
