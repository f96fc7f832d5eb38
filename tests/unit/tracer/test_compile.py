# SPDX-License-Identifier: Apache-2.0
"""BCC itself: what it compiles, and what is refused because an object cannot represent it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from app import ROOT
from app.kernel.bcc_headers import BTF_PATH
from app.kernel.bcc_presence import bcc_problem
from app.kernel.hints import may_trace
from app.link.compiler import template_command
from app.tracer.compiled_object import CompiledObject
from app.tracer.loader import LoadedObject
from app.tracer.object_cache import find_object, template_key
from app.tracer.template import completed

needs_bcc = pytest.mark.skipif(
    bcc_problem() is not None or not may_trace() or not BTF_PATH.exists(),
    reason="needs BCC, a kernel with BTF, and the capabilities to use BPF",
)


@needs_bcc
def test_compiled_once_and_loaded_without_bcc(tmp_path: Path) -> None:
    command = template_command("deletions-tracepoint", BTF_PATH, tmp_path / "cache")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    compiled = CompiledObject.decode(done.stdout)
    assert find_object(tmp_path / "cache", template_key("deletions-tracepoint")) == compiled
    assert [program.name for program in compiled.programs] == [
        "on_enter_rename",
        "on_enter_renameat",
        "on_enter_renameat2",
        "on_enter_rmdir",
        "on_enter_unlink",
        "on_enter_unlinkat",
        "on_entered",
        "on_exit",
        "raw_tracepoint__sched_process_exit",
    ]
    assert "bcc" not in sys.modules
    with LoadedObject(compiled, lambda code: completed(code, {})) as loaded:
        assert set(loaded.infos()) == {program.name for program in compiled.programs}


def test_nothing_else_imports_bcc() -> None:
    importers = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "app").rglob("*.py")
        if re.search(r"^\s*(from|import) bcc\b", file.read_text(), re.MULTILINE)
    }
    assert importers == {"app/tracer/compile.py"}


REFUSED = {
    "something other than a map": """
        int variable;
        int on_entry(void *ctx) { return variable; }""",
    "is of type 4": """
        BPF_PERF_OUTPUT(events);
        int on_entry(void *ctx) { int n = 0; return events.perf_submit(ctx, &n, sizeof(n)); }""",
}


@needs_bcc
@pytest.mark.parametrize("why", REFUSED)
def test_what_could_not_be_kept_is_refused(tmp_path: Path, why: str) -> None:
    script = """
import sys
from pathlib import Path
from app.kernel.bcc_headers import find_headers, BTF_PATH
from app.tracer import compile
find_headers(BTF_PATH, Path(sys.argv[1])).apply()
compile.template_source = lambda template: sys.argv[2]
compile.compile_template("tracepoint")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "cache"), REFUSED[why]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ObjectError" in done.stderr
    assert why in done.stderr
