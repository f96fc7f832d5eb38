# SPDX-License-Identifier: Apache-2.0
"""The table of error names is complete and unambiguous, and recorded for the page's tests."""

from __future__ import annotations

import errno
import json
import os

import pytest

from app import ROOT
from app.columns.names import MAX_ERRNO, error_name, errors, tables_as_json
from app.presets.deletions.columns import columns_of
from app.probes.modes import MODES

RECORDED = ROOT / "tests/vectors/names.json"


def test_every_error_of_this_machine_is_listed_by_all_its_names() -> None:
    known = {error.value: {error.name, *error.aliases} for error in errors()}
    for name, value in vars(errno).items():
        if name.startswith("E"):
            assert name in known[value]


@pytest.mark.parametrize(
    ("names", "value"),
    [
        ({"EAGAIN", "EWOULDBLOCK"}, 11),
        ({"EDEADLK", "EDEADLOCK"}, 35),
        ({"ENOTSUP", "EOPNOTSUPP"}, 95),
        ({"EUCLEAN", "EFSCORRUPTED"}, 117),
        ({"EBADMSG", "EFSBADCRC"}, 74),
        ({"ENOTTY"}, 25),
        ({"EHWPOISON"}, 133),
        ({"ERESTARTSYS"}, 512),
        ({"ENOIOCTLCMD"}, 515),
        ({"EPROBE_DEFER"}, 517),
        ({"ENOTSUPP"}, 524),
    ],
)
def test_aliases_and_errors_that_only_the_kernel_has(names: set[str], value: int) -> None:
    (found,) = [error for error in errors() if error.value == value]
    assert {found.name, *found.aliases} == names
    assert found.meaning
    assert error_name(value) == found.name


def test_each_number_and_each_name_is_listed_once() -> None:
    values = [error.value for error in errors()]
    names = [name for error in errors() for name in (error.name, *error.aliases)]
    assert values == sorted(set(values))
    assert len(names) == len(set(names))
    assert all(1 <= value <= MAX_ERRNO for value in values)
    assert error_name(600) == "E600"
    assert next(e.meaning for e in errors() if e.name == "ENOENT") == os.strerror(errno.ENOENT)


def test_columns_refer_to_tables_that_are_sent() -> None:
    tables = tables_as_json()
    referred = {c.names for mode in MODES for c in columns_of(mode) if c.names}
    assert referred == set(tables)


def test_the_recording_for_the_pages_tests_is_current() -> None:
    """After a change: python -m tests.vectors.record."""
    assert json.loads(RECORDED.read_text()) == json.loads(json.dumps(tables_as_json()))
