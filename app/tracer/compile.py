# SPDX-License-Identifier: Apache-2.0
"""Compile a template.

    python -m app.tracer.compile [--precompile] TEMPLATE BTF_PATH CACHE_DIR
    python -m app.tracer.compile --missing CACHE_DIR TEMPLATE...

Compile C to byte code, print the object and write it to the cache folder. This is the only user of
BCC, and a process of its own, so that LLVM's memory is freed with it. It attaches nothing; the maps
that BCC creates end with the process.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from app.errors import ProbedeckError
from app.kernel import tree_cache
from app.kernel.bcc_headers import find_headers
from app.link.compiler import COMPILED, MISSING, NOT_CACHED, PRECOMPILE, REFUSED
from app.linux import bpf
from app.linux.process import end_with_parent, set_process_name
from app.presets.deletions.sources import BY_SYSCALL
from app.tracer.causes import log_and_describe
from app.tracer.compiled_object import CompiledObject, MapSpec, ObjectError, ProgramSpec, symbolic
from app.tracer.loop_edges import with_jumps_in_loops
from app.tracer.object_cache import FILE, find_object, template_key
from app.tracer.template_source import template_flags, template_source

# Maps that can be created from sizes and flags alone: no map of maps, nothing that needs BTF.
PLAIN_MAPS = {
    bpf.MAP_TYPE_HASH,
    bpf.MAP_TYPE_ARRAY,
    bpf.MAP_TYPE_PROG_ARRAY,
    bpf.MAP_TYPE_PERCPU_HASH,
    bpf.MAP_TYPE_PERCPU_ARRAY,
    bpf.MAP_TYPE_LRU_HASH,
    bpf.MAP_TYPE_RINGBUF,
}


def compile_template(template: str) -> CompiledObject:
    """Compile a template; see `_compile`. Tracing programs get their type from the plan."""
    is_function = template not in ("syscall", "tracepoint", *BY_SYSCALL)
    mode = "kprobe" if is_function else "tracepoint"
    return _compile(template_source(template), template_flags(template), mode)


def _compile(text: str, flags: list[str], mode: str) -> CompiledObject:
    """Compile against the headers that the environment names (HeaderSource.apply).

    Raises ObjectError for what a compiled object cannot represent, and what BCC raises.
    """
    from bcc import BPF  # noqa: PLC0415 - loads LLVM, which is for this process only
    from bcc.libbcc import lib  # noqa: PLC0415

    class Compiler(BPF):  # type: ignore[misc] # bcc has no types
        def _trace_autoload(self) -> None:
            """Do nothing: BCC would load and attach here."""

    lib.bpf_num_tables.restype = ctypes.c_size_t
    lib.bpf_num_tables.argtypes = [ctypes.c_void_p]
    lib.bpf_table_name.restype = ctypes.c_char_p
    lib.bpf_table_name.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    # No program keeps debug information, which LLVM would carry through each of its passes.
    compiler = Compiler(text=text, cflags=[*flags, "-g0"])
    module = compiler.module
    if lib.bpf_module_license(module) != b"GPL":
        raise ObjectError("the programs do not declare the licence GPL, with which they are loaded")
    tables = [lib.bpf_table_name(module, i) for i in range(lib.bpf_num_tables(module))]
    descriptors = [lib.bpf_table_fd(module, name) for name in tables]
    indexes = {fd: index for index, fd in enumerate(descriptors)}
    functions = [lib.bpf_function_name(module, i) for i in range(lib.bpf_num_functions(module))]
    return CompiledObject(
        tuple(_map_spec(name.decode(), fd) for name, fd in zip(tables, descriptors, strict=True)),
        tuple(
            _program_spec(
                mode,
                name.decode(),
                symbolic(with_jumps_in_loops(compiler.dump_func(name)), indexes),
            )
            for name in functions
        ),
    )


def _map_spec(name: str, fd: int) -> MapSpec:
    info = bpf.map_info(fd)
    if info.type not in PLAIN_MAPS:
        raise ObjectError(f"the map {name} is of type {info.type}, which is not supported")
    return MapSpec(name, info.type, info.key_size, info.value_size, info.max_entries, info.flags)


def _program_spec(mode: str, name: str, instructions: bytes) -> ProgramSpec:
    if name.startswith("raw_tracepoint__"):
        return ProgramSpec(name, bpf.PROG_TYPE_RAW_TRACEPOINT, 0, 0, instructions)
    kind = bpf.PROG_TYPE_TRACEPOINT if mode == "tracepoint" else bpf.PROG_TYPE_KPROBE
    return ProgramSpec(name, kind, 0, 0, instructions)


def load_or_compile_template(
    template: str, btf_path: Path, cache_dir: Path
) -> tuple[str, OSError | None]:
    """Return a template's text, and the error if it could not be cached. Raises ProbedeckError."""
    return _cached(template_key(template), lambda: compile_template(template), btf_path, cache_dir)


def _cached(
    key: str, compiled: Callable[[], CompiledObject], btf_path: Path, cache_dir: Path
) -> tuple[str, OSError | None]:
    if cached := find_object(cache_dir, key):
        return cached.encode(), None
    find_headers(btf_path, cache_dir).apply()
    try:
        text = compiled().encode()
    except Exception as error:
        cause = log_and_describe(error)
        raise ProbedeckError(502, "tracer_failed", f"BCC could not compile: {cause}") from error
    try:
        tree_cache.ensure(cache_dir, key, lambda: {FILE: text})
    except OSError as error:
        return text, error
    return text, None


def print_missing(cache_dir: Path, templates: Iterable[str]) -> None:
    """Print the templates that are not in the cache folder, or not intact."""
    for each in templates:
        if find_object(cache_dir, template_key(each)) is None:
            sys.stdout.write(f"{each}\n")


def main(argv: list[str]) -> int:
    """Return an exit status of app.link.compiler."""
    end_with_parent()
    set_process_name("pd:compile")
    if argv[0] == MISSING:
        print_missing(Path(argv[1]), argv[2:])
        return COMPILED
    if argv[0] == PRECOMPILE:
        os.nice(19)
        argv = argv[1:]
    try:
        what, btf_path, cache_dir = argv
        text, cache_error = load_or_compile_template(what, Path(btf_path), Path(cache_dir))
    except ProbedeckError as error:
        refusal = {"status": error.status, "code": error.code, "detail": error.detail}
        json.dump({**error.extra, "error": refusal}, sys.stdout)
        return REFUSED
    sys.stdout.write(text)
    if cache_error:
        sys.stderr.write(f"cannot cache the compiled programs of {what}: {cache_error}\n")
        return NOT_CACHED
    return COMPILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
