# SPDX-License-Identifier: Apache-2.0
"""Who may import what: the one table. `tests/unit/tree/test_imports.py` checks it.

A rule is about a package or a module; a module belongs to the longest name that fits. Rules stand
bottom up: each may name only rules above it, so there are no cycles between packages. The
standard library may be imported everywhere. Imports inside functions count, and so do those
under `TYPE_CHECKING`. An entry that nothing uses fails the test: remove it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """What a package or module may import: of the tree, and of other projects."""

    ours: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()


RULES: dict[str, Rule] = {
    # Leaves: the standard library only.
    "app.errors": Rule(),
    "app.json_text": Rule(),
    "app.presets": Rule(),
    "app.timestamps": Rule(),
    "app.version": Rule(),
    "app.config": Rule(),
    "app.linux": Rule(),
    "app.columns": Rule(),
    "app.filters": Rule(ours=("app.columns", "app.errors")),
    "app.presets.deletions": Rule(ours=("app.columns", "app.errors", "app.presets")),
    # The kernel.
    "app.btf": Rule(ours=("app.linux",)),
    "app.kernel.availability": Rule(),
    "app.kernel": Rule(ours=("app.btf", "app.errors", "app.kernel.availability", "app.linux")),
    "app.presets.deletions.renames": Rule(ours=("app.btf", "app.kernel", "app.presets.deletions")),
    "app.kernel.__main__": Rule(
        ours=(
            "app.btf",
            "app.kernel",
            "app.linux",
            "app.presets.deletions",
            "app.presets.deletions.renames",
        )
    ),
    # From targets and expressions to plans.
    "app.columns.rendering": Rule(ours=("app.btf", "app.columns")),
    "app.columns.record_types": Rule(ours=("app.btf", "app.columns", "app.columns.rendering")),
    "app.columns.aggregate_plan": Rule(ours=("app.columns", "app.errors")),
    "app.columns.types": Rule(
        ours=("app.btf", "app.columns", "app.columns.record_types", "app.columns.rendering")
    ),
    "app.columns.starts": Rule(
        ours=(
            "app.btf",
            "app.columns",
            "app.columns.rendering",
            "app.columns.types",
            "app.kernel",
        )
    ),
    "app.columns.user_pointers": Rule(ours=("app.btf",)),
    "app.columns.slots": Rule(ours=("app.columns", "app.columns.rendering")),
    "app.columns.subject": Rule(
        ours=(
            "app.btf",
            "app.columns",
            "app.columns.starts",
            "app.columns.user_pointers",
            "app.errors",
            "app.kernel",
            "app.linux",
        )
    ),
    "app.columns.kernel_offsets": Rule(ours=("app.btf", "app.columns.subject")),
    "app.columns.planner": Rule(
        ours=(
            "app.btf",
            "app.columns",
            "app.columns.kernel_offsets",
            "app.columns.rendering",
            "app.columns.slots",
            "app.columns.starts",
            "app.columns.subject",
            "app.columns.types",
            "app.errors",
            "app.linux",
        )
    ),
    "app.columns.field_level": Rule(
        ours=(
            "app.btf",
            "app.columns",
            "app.columns.rendering",
            "app.columns.starts",
            "app.columns.subject",
            "app.columns.types",
        )
    ),
    # Ready-made targets.
    "app.presets.deletions.offsets": Rule(
        ours=(
            "app.btf",
            "app.columns.kernel_offsets",
            "app.errors",
            "app.presets",
            "app.presets.deletions",
        )
    ),
    "app.presets.deletions.own_functions": Rule(
        ours=(
            "app.btf",
            "app.kernel",
            "app.presets.deletions",
            "app.presets.deletions.renames",
        )
    ),
    "app.presets.kernel_names": Rule(ours=("app.btf", "app.kernel", "app.linux", "app.presets")),
    # Data that the service, its API and the tracers share.
    "app.probes.drops": Rule(),
    "app.probes.json_shapes": Rule(),
    "app.probes.spec": Rule(ours=("app.columns", "app.presets")),
    "app.probes.modes": Rule(),
    "app.link": Rule(ours=("app.presets.deletions", "app.probes.spec")),
    # Processes of their own: the tracer, and the compiler.
    "app.tracer": Rule(
        ours=(
            "app.columns",
            "app.columns.aggregate_plan",
            "app.errors",
            "app.filters",
            "app.kernel",
            "app.link",
            "app.linux",
            "app.presets.deletions",
            "app.probes.drops",
            "app.probes.spec",
            "app.timestamps",
        ),
        libraries=("numpy",),
    ),
    "app.presets.deletions.canary": Rule(
        ours=("app.linux", "app.presets", "app.presets.deletions", "app.tracer")
    ),
    "app.presets.deletions.programs": Rule(
        ours=(
            "app.columns",
            "app.filters",
            "app.linux",
            "app.presets.deletions",
            "app.presets.deletions.canary",
            "app.presets.deletions.own_functions",
            "app.presets.deletions.renames",
            "app.probes.spec",
            "app.tracer",
        )
    ),
    "app.tracer.session": Rule(
        ours=(
            "app.columns",
            "app.errors",
            "app.filters",
            "app.kernel",
            "app.link",
            "app.presets.deletions.own_functions",
            "app.presets.deletions.programs",
            "app.tracer",
        )
    ),
    "app.tracer.__main__": Rule(
        ours=("app.errors", "app.link", "app.linux", "app.tracer", "app.tracer.session")
    ),
    "app.tracer.compile": Rule(
        ours=(
            "app.errors",
            "app.kernel",
            "app.link",
            "app.linux",
            "app.presets.deletions",
            "app.tracer",
        ),
        libraries=("bcc",),
    ),
    # The service.
    "app.hub": Rule(ours=("app.timestamps",)),
    "app.probes": Rule(
        ours=(
            "app.btf",
            "app.columns",
            "app.columns.aggregate_plan",
            "app.columns.planner",
            "app.config",
            "app.errors",
            "app.filters",
            "app.hub",
            "app.kernel",
            "app.kernel.availability",
            "app.link",
            "app.linux",
            "app.presets",
            "app.presets.deletions",
            "app.presets.deletions.offsets",
            "app.presets.kernel_names",
            "app.probes.drops",
            "app.probes.json_shapes",
            "app.probes.modes",
            "app.probes.spec",
            "app.timestamps",
        )
    ),
    "app.access": Rule(
        ours=("app.errors", "app.json_text", "app.linux", "app.timestamps"),
        libraries=("_typeshed", "flask"),
    ),
    "app.compare": Rule(
        ours=(
            "app.errors",
            "app.hub",
            "app.presets.deletions",
            "app.probes",
            "app.probes.modes",
            "app.probes.spec",
        )
    ),
    "app.web": Rule(
        ours=(
            "app.access",
            "app.compare",
            "app.config",
            "app.errors",
            "app.hub",
            "app.kernel",
            "app.presets.kernel_names",
            "app.probes",
        ),
        libraries=("_typeshed", "flask"),
    ),
    "app.web.api": Rule(
        ours=(
            "app.columns",
            "app.columns.field_level",
            "app.errors",
            "app.filters",
            "app.hub",
            "app.json_text",
            "app.probes.json_shapes",
            "app.probes.modes",
            "app.probes.spec",
        ),
        libraries=(
            "flask",
            "flask_smorest",
            "marshmallow",
            "nanoarrow",
            "webargs",
            "werkzeug",
        ),
    ),
    "app.web.routes": Rule(
        ours=(
            "app.access",
            "app.btf",
            "app.columns",
            "app.columns.field_level",
            "app.columns.subject",
            "app.errors",
            "app.filters",
            "app.hub",
            "app.json_text",
            "app.kernel",
            "app.linux",
            "app.probes",
            "app.probes.spec",
            "app.timestamps",
            "app.version",
            "app.web",
            "app.web.api",
        ),
        libraries=("_typeshed", "flask", "flask_sock", "simple_websocket", "werkzeug", "wsproto"),
    ),
    "app.web.api.openapi": Rule(
        ours=("app.version", "app.web.api", "app.web.routes"),
        libraries=("flask", "flask_smorest"),
    ),
    "app.web.guard": Rule(
        ours=(
            "app.access",
            "app.config",
            "app.errors",
            "app.linux",
            "app.web.api",
            "app.web.routes",
        ),
        libraries=("_typeshed",),
    ),
    "app": Rule(  # create_app()
        ours=(
            "app.linux",
            "app.web",
            "app.web.api",
            "app.web.api.openapi",
            "app.web.guard",
            "app.web.routes",
        ),
        libraries=("flask",),
    ),
    "wsgi": Rule(ours=("app", "app.config", "app.web")),
    "app.server": Rule(
        ours=(
            "app.access",
            "app.config",
            "app.errors",
            "app.linux",
            "app.probes.modes",
            "app.web",
            "app.web.api",
            "app.web.guard",
        ),
        libraries=("flask", "gunicorn"),
    ),
    # Virtual machines, and the system's service manager.
    "app.systemd": Rule(ours=("app.config",)),
    "app.machine": Rule(ours=("app.link", "app.linux")),
    "app.vm_mode": Rule(ours=("app.linux", "app.machine")),
    # The command line.
    "app.cli": Rule(
        ours=(
            "app.access",
            "app.config",
            "app.errors",
            "app.linux",
            "app.machine",
            "app.probes",
            "app.server",
            "app.systemd",
            "app.vm_mode",
            "wsgi",
        ),
        libraries=("_typeshed", "flask"),
    ),
    "app.__main__": Rule(ours=("app.cli", "app.linux")),
    # Beside the service.
    "tests.runner": Rule(ours=("app.linux", "app.machine")),
    "benchmarks": Rule(
        ours=(
            "app.columns",
            "app.kernel",
            "app.linux",
            "app.machine",
            "app.presets.deletions",
            "app.probes.modes",
            "app.tracer",
            "tests.support",
        ),
        libraries=("bcc", "matplotlib", "numpy"),
    ),
    "benchmarks.programs_alone": Rule(
        ours=(
            "app.btf",
            "app.columns",
            "app.columns.aggregate_plan",
            "app.columns.planner",
            "app.filters",
            "app.kernel",
            "app.presets",
            "app.presets.deletions",
            "app.presets.deletions.offsets",
            "app.presets.deletions.programs",
            "app.probes.spec",
            "app.tracer",
            "benchmarks",
        )
    ),
}
# May be named by rules, but has none: it imports whatever a test needs.
WITHOUT_RULE = ("tests.support",)

# Processes, by the module that they start with, and all libraries that they may load, whichever
# module imports them. Those with none run before the virtual environment exists.
PROCESSES: dict[str, tuple[str, ...]] = {
    "app.kernel.__main__": (),
    "app.kernel.functions_cache": (),
    "app.tracer.compile": ("bcc",),
    "app.tracer.__main__": ("numpy",),
    "app.cli.vm": (),
    "app.cli.vm_exec": (),
    "app.vm_mode.guest": (),
    "app.cli.service": (),
    "tests.runner.parts": (),
}


def rule_name(module: str) -> str | None:
    """Return the name of the rule that a module belongs to; None without one."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        # "app" is app/__init__.py only: else no package could be without a rule.
        if name in WITHOUT_RULE or (name in RULES and (name != "app" or module == "app")):
            return name
    return None
