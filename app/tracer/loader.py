# SPDX-License-Identifier: Apache-2.0
"""Load a compiled object into the kernel: create maps, load and attach programs by bpf(2).

It knows no map or program by name. Whatever is opened here is closed here; the kernel detaches a
program with the last descriptor.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread

from app.kernel import kretprobe
from app.kernel.build import running_version_code
from app.linux import bpf, perf_events
from app.linux.bpf import ProgInfo
from app.linux.tracefs import tracepoint_id
from app.tracer.compiled_object import CompiledObject, MapSpec, ProgramSpec, relocated


@dataclass(frozen=True)
class LoadedMap:
    """A map and its descriptor, open while the object is loaded."""

    fd: int
    spec: MapSpec

    def set(self, key: bytes, value: bytes) -> None:
        """Set one value; raises OSError."""
        self._check(key, value)
        bpf.map_update(self.fd, key, value)

    def get(self, key: bytes) -> bytes:
        """Return one value; raises ValueError if there is none, OSError."""
        self._check(key, bytes(self.spec.value_size))
        value = bpf.map_lookup(self.fd, key, self.spec.value_size)
        if value is None:
            raise ValueError(f"{self.spec.name} has no value for {key!r}")
        return value

    def sum(self, key: bytes) -> int:
        """Return a per-CPU map's 64-bit counter, summed over all CPUs; raises OSError."""
        self._check(key, bytes(8))
        return bpf.map_sum(self.fd, key)

    def _check(self, key: bytes, value: bytes) -> None:
        # The kernel reads and writes as many bytes as the map has, whatever the buffers' size.
        if (len(key), len(value)) != (self.spec.key_size, self.spec.value_size):
            raise ValueError(
                f"{self.spec.name} has keys of {self.spec.key_size} and values of "
                f"{self.spec.value_size} bytes, not {len(key)} and {len(value)}"
            )


def _load(program: ProgramSpec, code: bytes, btf_fd: int) -> int:
    """Load a program and return its descriptor; raises OSError."""
    return bpf.load_program(
        program.type,
        code,
        name=program.name,
        kernel_version=running_version_code(),
        attach_type=program.attach_type,
        attach_btf_id=program.attach_btf_id,
        attach_btf_fd=btf_fd if program.attach_btf_id else 0,
    )


def _at_once(jobs: Sequence[Callable[[], int]]) -> list[Future[int]]:
    """Do jobs at the same time, as far as there are threads, and return what each came to.

    Verifying a large program takes the kernel 10 ms and more.
    """
    results: list[Future[int]] = [Future() for _ in jobs]
    threads = []
    first, *others = zip(jobs, results, strict=True)
    for job, result in others:
        thread = Thread(target=_do, args=(job, result))
        try:
            thread.start()
        except RuntimeError:  # no memory for its stack
            _do(job, result)
        else:
            threads.append(thread)
    _do(*first)
    for thread in threads:
        thread.join()
    return results


def _do(job: Callable[[], int], result: Future[int]) -> None:
    try:
        result.set_result(job())
    except BaseException as error:  # noqa: BLE001 - of whatever kind, for the caller
        result.set_exception(error)


class LoadedObject:
    """Maps and programs of a compiled object. A context manager that unloads all on exit.

    `finish` makes the last change to each program's instructions; tracing programs' functions are
    of `module`, or of the kernel itself. Raises OSError (bpf.ProgramRefusedError for a program) if
    the kernel refuses.
    """

    def __init__(
        self,
        compiled: CompiledObject,
        finish: Callable[[bytes], bytes] | None = None,
        module: str | None = None,
    ) -> None:
        self._programs: dict[str, tuple[int, ProgramSpec]] = {}
        self.maps: dict[str, LoadedMap] = {}
        with ExitStack() as stack:
            self._attachments = stack.enter_context(ExitStack())
            bpf.allow_locked_memory()
            for spec in compiled.maps:
                fd = bpf.create_map(
                    spec.type,
                    spec.key_size,
                    spec.value_size,
                    spec.max_entries,
                    spec.name,
                    flags=spec.flags,
                )
                stack.callback(os.close, fd)
                self.maps[spec.name] = LoadedMap(fd, spec)
            descriptors = [self.maps[spec.name].fd for spec in compiled.maps]
            # It is open while programs are loaded, which then hold the module themselves.
            btf_fd = 0 if module is None else stack.enter_context(bpf.module_btf(module))
            code = [relocated(program.instructions, descriptors) for program in compiled.programs]
            if finish:
                code = [finish(instructions) for instructions in code]
            loads = _at_once(
                [
                    partial(_load, program, instructions, btf_fd)
                    for program, instructions in zip(compiled.programs, code, strict=True)
                ]
            )
            for load, program in zip(loads, compiled.programs, strict=True):
                if not load.exception():
                    stack.callback(os.close, load.result())
                    self._programs[program.name] = load.result(), program
            for load in loads:
                load.result()
            self._stack = stack.pop_all()

    def __enter__(self) -> LoadedObject:
        return self

    def __exit__(self, *exc: object) -> None:
        self.detach()
        self._stack.close()

    def attach_tracepoint(self, name: str, tracefs: Path, category: str, tracepoint: str) -> None:
        """Run a program at a tracepoint; raises OSError."""
        event_id = tracepoint_id(tracefs, category, tracepoint)
        event = self._attachments.enter_context(perf_events.tracepoint_event(event_id))
        perf_events.attach_program(event, self._programs[name][0])

    def attach_kprobe(self, name: str, function: str, *, at_return: bool) -> None:
        """Run a program at a function's entry or return; raises OSError."""
        event = self._attachments.enter_context(perf_events.kprobe_event(function, at_return))
        perf_events.attach_program(event, self._programs[name][0])

    def attach_kretprobes(self, returns: Sequence[tuple[str, str]], tracefs: Path) -> None:
        """Run programs at functions' returns: of each, the program and the function.

        They follow as many concurrent calls as the kernel allows. Raises OSError.
        """
        events = kretprobe.events([function for _, function in returns], tracefs)
        opened = self._attachments.enter_context(events)
        for (name, _), event in zip(returns, opened, strict=True):
            perf_events.attach_program(event, self._programs[name][0])

    def attach_functions(
        self, name: str, functions: Sequence[str], attach_type: int, *, at_return: bool = False
    ) -> None:
        """Run a program at many functions at once, as `bpf.link_functions`; raises OSError."""
        program = self._programs[name][0]
        link = bpf.link_functions(program, attach_type, functions, at_return=at_return)
        self._attachments.callback(os.close, link)

    def attach_raw_tracepoint(self, name: str, tracepoint: str) -> None:
        """Run a program at a raw tracepoint; raises OSError."""
        fd = bpf.open_raw_tracepoint(self._programs[name][0], tracepoint)
        self._attachments.callback(os.close, fd)

    def attach_tracing(self, name: str) -> None:
        """Run a tracing program at the function for which it was loaded; raises OSError."""
        self._attachments.callback(os.close, bpf.open_raw_tracepoint(self._programs[name][0]))

    def program_names(self) -> list[str]:
        """Return the programs' names, in source order."""
        return list(self._programs)

    def detach(self) -> None:
        """Detach all programs; they and the maps stay."""
        self._attachments.close()

    def programs(self) -> dict[str, int]:
        """Return the descriptor of each program, by name."""
        return {name: fd for name, (fd, _) in self._programs.items()}

    def infos(self) -> dict[str, ProgInfo]:
        """Return the kernel's information on each program, by name."""
        return {name: bpf.prog_info(fd) for name, (fd, _) in self._programs.items()}
