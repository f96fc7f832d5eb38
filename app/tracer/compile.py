# SPDX-License-Identifier: Apache-2.0
"""`python -m app.tracer.compile [--ahead] MODE FUNCTION RING_BYTES BTF_PATH CACHE_DIR`.

From C to byte code. The one place that uses BCC, in a process of its own: LLVM's memory goes with
it. Prints the compiled object and keeps it in the cache folder. Attaches nothing; BCC makes the
maps, which end with the process.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from functools import lru_cache
from pathlib import Path

from app.btf.format import Kind
from app.btf.reader import Btf
from app.errors import ProbedeckError
from app.kernel import tree_cache
from app.kernel.bcc_headers import BTF_PATH, find_headers
from app.kernel.renames import find_rename_function
from app.kernel.traced_calls import RENAME_FUNCTIONS
from app.link.compiler import AHEAD, COMPILED, NOT_KEPT, REFUSED
from app.linux import bpf
from app.linux.syscalls import end_with_parent, set_process_name
from app.tracer.causes import log_and_tell
from app.tracer.compiled_object import CompiledObject, MapSpec, ObjectError, ProgramSpec, symbolic
from app.tracer.object_cache import FILE, find_object, object_key
from app.tracer.source import compiler_flags, source

# What can be made again from its sizes and flags alone: no map of maps, nothing that needs BTF.
PLAIN_MAPS = {
    bpf.MAP_TYPE_HASH,
    bpf.MAP_TYPE_ARRAY,
    bpf.MAP_TYPE_PERCPU_HASH,
    bpf.MAP_TYPE_PERCPU_ARRAY,
    bpf.MAP_TYPE_LRU_HASH,
    bpf.MAP_TYPE_RINGBUF,
}
# BCC's names of tracing programs: these, and then the function.
_TRACING = {"kfunc__": bpf.ATTACH_TRACE_FENTRY, "kretfunc__": bpf.ATTACH_TRACE_FEXIT}


def compile_object(
    mode: str, function: str, ring_bytes: int, rename_function: str | None = None
) -> CompiledObject:
    """Compile against what the environment names (HeaderSource.apply).

    Raises ObjectError for what cannot be kept, and what BCC raises.
    """
    from bcc import BPF  # noqa: PLC0415 - LLVM's memory, for this process alone
    from bcc.libbcc import lib  # noqa: PLC0415

    class Compiler(BPF):  # type: ignore[misc] # bcc has no types
        def _trace_autoload(self) -> None:
            """BCC would load and attach here."""

    lib.bpf_num_tables.restype = ctypes.c_size_t
    lib.bpf_num_tables.argtypes = [ctypes.c_void_p]
    lib.bpf_table_name.restype = ctypes.c_char_p
    lib.bpf_table_name.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    flags = compiler_flags(mode, function, ring_bytes, rename_function)
    compiler = Compiler(text=source(mode), cflags=flags)
    module = compiler.module
    if lib.bpf_module_license(module) != b"GPL":
        raise ObjectError("the programs are not under the licence that they are loaded with")
    tables = [lib.bpf_table_name(module, i) for i in range(lib.bpf_num_tables(module))]
    descriptors = [lib.bpf_table_fd(module, name) for name in tables]
    places = {fd: place for place, fd in enumerate(descriptors)}
    functions = [lib.bpf_function_name(module, i) for i in range(lib.bpf_num_functions(module))]
    return CompiledObject(
        tuple(_map_spec(name.decode(), fd) for name, fd in zip(tables, descriptors, strict=True)),
        tuple(
            _program_spec(mode, name.decode(), symbolic(compiler.dump_func(name), places))
            for name in functions
        ),
    )


def _map_spec(name: str, fd: int) -> MapSpec:
    info = bpf.map_info(fd)
    if info.type not in PLAIN_MAPS:
        raise ObjectError(f"the map {name} is of type {info.type}, which is not known here")
    return MapSpec(name, info.type, info.key_size, info.value_size, info.max_entries, info.flags)


def _program_spec(mode: str, name: str, instructions: bytes) -> ProgramSpec:
    for prefix, attach_type in _TRACING.items():
        if name.startswith(prefix):
            function = name.removeprefix(prefix)
            number = _function_number(function)
            return ProgramSpec(name, bpf.PROG_TYPE_TRACING, attach_type, number, instructions)
    if name.startswith("raw_tracepoint__"):
        return ProgramSpec(name, bpf.PROG_TYPE_RAW_TRACEPOINT, 0, 0, instructions)
    kind = bpf.PROG_TYPE_TRACEPOINT if mode == "tracepoint" else bpf.PROG_TYPE_KPROBE
    return ProgramSpec(name, kind, 0, 0, instructions)


@lru_cache
def _function_number(function: str) -> int:
    # In the kernel's own BTF, whatever the types were taken from: there it looks itself.
    number = Btf.load(BTF_PATH).find(Kind.FUNC, function)
    if number is None:
        raise ObjectError(f"the kernel's BTF has no function {function}")
    return number


def kept_or_compiled(
    mode: str, function: str, ring_bytes: int, btf_path: Path, cache_dir: Path
) -> tuple[str, OSError | None]:
    """An object's text, and why it could not be kept. Raises ProbedeckError."""
    key = object_key(mode, function, ring_bytes, btf_path)
    if kept := find_object(cache_dir, key):
        return kept.encode(), None
    find_headers(btf_path, cache_dir).apply()
    try:
        # The kernel decides that, so the kernel's identity stands for it in the object's key.
        renames = find_rename_function(RENAME_FUNCTIONS, btf_path)
        text = compile_object(mode, function, ring_bytes, renames).encode()
    except Exception as error:
        cause = log_and_tell(error)
        raise ProbedeckError(502, "tracer_failed", f"BCC could not compile: {cause}") from error
    try:
        tree_cache.ensure(cache_dir, key, lambda: {FILE: text})
    except OSError as error:
        return text, error
    return text, None


def main(argv: list[str]) -> int:
    """The exit status is one of app.link.compiler's."""
    end_with_parent()
    set_process_name("pd:compile")
    if argv[0] == AHEAD:
        os.nice(19)
        argv = argv[1:]
    mode, function, ring_bytes, btf_path, cache_dir = argv
    try:
        text, trouble = kept_or_compiled(
            mode, function, int(ring_bytes), Path(btf_path), Path(cache_dir)
        )
    except ProbedeckError as error:
        what = {"status": error.status, "code": error.code, "detail": error.detail}
        json.dump({**error.extra, "error": what}, sys.stdout)
        return REFUSED
    sys.stdout.write(text)
    if trouble:
        sys.stderr.write(f"the compiled programs of {mode} could not be kept: {trouble}\n")
        return NOT_KEPT
    return COMPILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
