# SPDX-License-Identifier: Apache-2.0
"""tests/unit mirrors the tree: a test file is named after a module, and every module has a test.

`app/web/guard.py` is tested by `tests/unit/web/test_guard.py`; `test_guard_property.py` and other
`test_guard_*.py` may stand beside it. Tests about the whole tree are in `tests/unit/tree`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from app import ROOT

UNIT = ROOT / "tests/unit"
TREE = UNIT / "tree"
# Folders of tests/unit whose modules are not in app/.
ELSEWHERE = {
    "benchmarks": ROOT / "benchmarks",
    "runner": ROOT / "tests/runner",
    "support": ROOT / "tests/support",
}

# Modules of app/ without a unit test file of their own, and the test that runs them. Most talk to
# the kernel, to a process or to a socket; the others are data.
RUN_BY = {
    "access/caller.py": "tests/unit/web/test_guard.py",
    "btf/c_text.py": "tests/unit/btf/test_declarations.py",
    "btf/format.py": "tests/unit/btf/test_reader.py",
    "btf/prototypes.py": "tests/unit/btf/test_declarations.py",
    "cli/serve.py": "tests/integration/test_service.py",
    "cli/vm.py": "tests/processes/test_machine.py",
    "cli/vm_exec.py": "tests/unit/vm_mode/test_commands.py",
    "columns/column.py": "tests/unit/presets/deletions/test_columns.py",
    "columns/kernel_offsets.py": "tests/unit/columns/test_planner.py",
    "columns/plan.py": "tests/unit/columns/test_planner.py",
    "columns/record_types.py": "tests/unit/columns/test_types.py",
    "columns/rendering.py": "tests/unit/columns/test_types.py",
    "columns/subject.py": "tests/unit/columns/test_planner.py",
    "columns/trace_target.py": "tests/unit/columns/test_planner.py",
    "errors.py": "tests/unit/web/api/test_problem.py",
    "filters/fault.py": "tests/unit/filters/test_grammar.py",
    "filters/globs.py": "tests/unit/filters/test_row_filter.py",
    "filters/intervals.py": "tests/unit/filters/test_row_filter.py",
    "filters/kernel_filter.py": "tests/unit/filters/test_split.py",
    "filters/kernel_tests.py": "tests/unit/filters/test_split.py",
    "filters/lexer.py": "tests/unit/filters/test_grammar.py",
    "filters/operators.py": "tests/unit/filters/test_row_filter.py",
    "filters/terms.py": "tests/unit/filters/test_row_filter.py",
    "filters/tree.py": "tests/unit/filters/test_row_filter.py",
    "filters/value_names.py": "tests/unit/filters/test_row_filter.py",
    "hub/items.py": "tests/unit/hub/test_log.py",
    "kernel/__main__.py": "tests/kernels/test_modes.py",
    "kernel/availability.py": "tests/unit/kernel/test_features.py",
    "kernel/feature_probes.py": "tests/unit/kernel/test_features.py",
    "kernel/include_tree.py": "tests/unit/kernel/test_bcc_headers.py",
    "kernel/kretprobe.py": "tests/kernels/test_kretprobes.py",
    "kernel/kprobe_event_remover.py": "tests/kernels/test_kretprobes.py",
    "link/compiler.py": "tests/unit/tracer/test_object_cache.py",
    "link/indexer.py": "tests/unit/kernel/test_functions_cache.py",
    "link/fork_answers.py": "tests/unit/probes/test_tracer_forker.py",
    "linux/allocator.py": "tests/integration/test_hostile_load.py",
    "linux/bpf_attr.py": "tests/unit/linux/test_bpf.py",
    "linux/capabilities.py": "tests/kernels/test_privileges.py",
    "linux/namespaces.py": "tests/processes/test_machine.py",
    "linux/perf_events.py": "tests/unit/kernel/test_features.py",
    "linux/signals.py": "tests/integration/test_inherited.py",
    "linux/sibling.py": "tests/unit/probes/test_tracer_forker.py",
    "linux/sock_diag.py": "tests/unit/linux/test_socket_owner.py",
    "linux/syscalls.py": "tests/unit/kernel/test_features.py",
    "linux/tracefs.py": "tests/unit/linux/test_bpf.py",
    "machine/child.py": "tests/processes/test_machine.py",
    "presets/deletions/hooks.py": "tests/unit/presets/deletions/test_columns.py",
    "presets/deletions/offsets.py": "tests/kernels/test_renames.py",
    "presets/deletions/own_functions.py": "tests/kernels/test_renames.py",
    "presets/deletions/deleting.py": "tests/unit/presets/deletions/test_own_calls.py",
    "presets/deletions/sources.py": "tests/unit/tracer/test_template.py",
    "presets/preset.py": "tests/unit/presets/test_table.py",
    "probes/early_index.py": "tests/integration/test_service.py",
    "probes/json_shapes.py": "tests/unit/web/api/test_responses.py",
    "server/arbiter.py": "tests/web_server/test_real_life.py",
    "server/exchange.py": "tests/web_server/test_real_http.py",
    "server/instance.py": "tests/integration/test_service.py",
    "server/pending.py": "tests/web_server/test_real_http.py",
    "server/server_log.py": "tests/unit/server/test_announce.py",
    "server/start.py": "tests/web_server/test_real_life.py",
    "server/worker.py": "tests/web_server/test_real_http.py",
    "tracer/__main__.py": "tests/integration/test_tracer_talk.py",
    "tracer/attached_programs.py": "tests/unit/presets/deletions/test_programs.py",
    "tracer/forks.py": "tests/unit/probes/test_tracer_forker.py",
    "tracer/group_layout.py": "tests/unit/tracer/test_groups.py",
    "tracer/group_reports.py": "tests/kernels/test_aggregates.py",
    "tracer/double_buffer.py": "tests/unit/tracer/test_filter_tests.py",
    "tracer/read_counts.py": "tests/kernels/test_aggregates.py",
    "tracer/records.py": "tests/unit/presets/deletions/test_columns.py",
    "tracer/template_source.py": "tests/unit/tracer/test_template.py",
    "tracer/session.py": "tests/integration/test_runs.py",
    "version.py": "tests/unit/web/api/test_openapi.py",
    "vm_mode/guest.py": "tests/unit/vm_mode/test_commands.py",
    "vm_mode/host_side.py": "tests/unit/vm_mode/test_relay.py",
    "vm_mode/serving.py": "tests/processes/test_machine.py",
    "vm_mode/terminal.py": "tests/kernels/test_machine.py",
    "web/api/blueprint.py": "tests/unit/web/api/test_openapi.py",
    "web/api/function_schemas.py": "tests/unit/web/routes/test_traceable.py",
    "web/api/requests.py": "tests/unit/web/routes/test_probes.py",
    "web/context.py": "tests/integration/test_service.py",
    "web/routes/pages.py": "tests/web_server/test_real_http.py",
    "web/routes/stream.py": "tests/integration/test_streams.py",
    "web/routes/ws.py": "tests/web_server/test_real_ws.py",
}


def modules(folder: Path) -> list[str]:
    """Return the modules below a folder but `__init__.py`, relative to it."""
    files = (path.relative_to(folder) for path in sorted(folder.rglob("*.py")))
    return [str(path) for path in files if path.name != "__init__.py"]


def named_modules(test: Path) -> list[Path]:
    """Return the modules that a test file's name stands for, whether they exist or not.

    `test_a_b.py` may be about `a_b.py`, or about a part of `a.py`.
    """
    below = test.relative_to(UNIT).parent.parts
    root = ELSEWHERE.get(below[0]) if below else None
    folder = root.joinpath(*below[1:]) if root else ROOT.joinpath("app", *below)
    words = test.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:length]) for length in range(len(words), 0, -1)]
    if names[-1] == "main":
        names.append("__main__")
    return [folder / f"{name}.py" for name in names]


def test_every_unit_test_is_named_after_a_module() -> None:
    tests = [path for path in sorted(UNIT.rglob("test_*.py")) if TREE not in path.parents]
    assert len(tests) > 60
    strays = [
        str(path.relative_to(ROOT))
        for path in tests
        if not any(module.exists() for module in named_modules(path))
    ]
    assert strays == []


def test_every_module_has_a_test() -> None:
    """Of its own, or one that is named here; no line here is out of date."""
    tested = {
        str(module.relative_to(ROOT / "app"))
        for path in UNIT.rglob("test_*.py")
        if TREE not in path.parents
        for module in named_modules(path)[:1] + named_modules(path)[-1:]
        if module.is_relative_to(ROOT / "app")
    }
    found = modules(ROOT / "app")
    assert len(found) > 100
    assert [module for module in found if module not in tested and module not in RUN_BY] == []
    assert [module for module in RUN_BY if module not in found] == []
    assert [module for module in RUN_BY if module in tested] == []


@pytest.mark.parametrize("test", sorted(set(RUN_BY.values())))
def test_the_named_tests_exist(test: str) -> None:
    assert (ROOT / test).is_file()


def test_every_folder_of_unit_tests_is_a_package() -> None:
    """Else pytest would take two test files of one name for the same module."""
    folders = {path.parent for path in UNIT.rglob("*.py")}
    assert [str(path) for path in sorted(folders) if not (path / "__init__.py").exists()] == []


def test_names_stand_for_modules() -> None:
    app = ROOT / "app"
    assert named_modules(UNIT / "web/test_guard.py") == [app / "web/guard.py"]
    assert named_modules(UNIT / "test_main.py") == [app / "main.py", app / "__main__.py"]
    assert named_modules(UNIT / "tracer/test_decode_plan_property.py") == [
        app / "tracer/decode_plan_property.py",
        app / "tracer/decode_plan.py",
        app / "tracer/decode.py",
    ]
    assert named_modules(UNIT / "runner/test_junit.py") == [ROOT / "tests/runner/junit.py"]
