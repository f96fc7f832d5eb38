# SPDX-License-Identifier: Apache-2.0
"""Which compiled object is the right one, and that a damaged or unsafe one is never taken."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from app.errors import ProbedeckError
from app.kernel import tree_cache
from app.link.compiler import REFUSED
from app.tracer import object_cache, template_source
from app.tracer.object_cache import FILE, find_object, get_template, template_key
from app.tracer.template_source import TEMPLATES
from tests.support.compiled_objects import OBJECT

TEMPLATE = "fexit"


def test_the_key_stands_for_all_that_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpatched = template_key(TEMPLATE)
    assert template_key(TEMPLATE) == unpatched
    keys = [unpatched, *(template_key(each) for each in TEMPLATES if each != TEMPLATE)]
    with monkeypatch.context() as patch:
        patch.setattr(object_cache, "bcc_version", lambda: "another")
        keys.append(template_key(TEMPLATE))
    with monkeypatch.context() as patch:
        folder = shutil.copytree(template_source.SOURCES, tmp_path / "bpf")
        patch.setattr(template_source, "SOURCES", folder)
        assert template_key(TEMPLATE) == unpatched
        for name in template_source.template_files(TEMPLATE):
            (folder / name).write_text((folder / name).read_text() + " ")
            keys.append(template_key(TEMPLATE))
    with monkeypatch.context() as patch:
        patch.setattr(object_cache, "FORMAT", 0)
        keys.append(template_key(TEMPLATE))
    assert len(set(keys)) == len(keys)


def test_kept_objects_are_found_whole_or_not_at_all(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert find_object(cache, "object-x") is None
    tree = tree_cache.ensure(cache, "object-x", lambda: {FILE: OBJECT.encode()})
    assert find_object(cache, "object-x") == OBJECT
    text = (tree / FILE).read_text()
    (tree / FILE).write_text(text.replace("12345", "12346"))
    assert find_object(cache, "object-x") is None
    (tree / FILE).write_text(text)
    (tree / FILE).chmod(0o666)
    assert find_object(cache, "object-x") is None
    (tree / FILE).chmod(0o644)
    assert find_object(cache, "object-x") == OBJECT
    cache.chmod(0o777)
    assert find_object(cache, "object-x") is None


def test_what_is_whole_but_no_object_is_not_taken(tmp_path: Path) -> None:
    tree_cache.ensure(tmp_path, "object-x", lambda: {FILE: "{}"})
    tree_cache.ensure(tmp_path, "object-y", lambda: {"other": OBJECT.encode()})
    assert find_object(tmp_path, "object-x") is None
    assert find_object(tmp_path, "object-y") is None


def compiler(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(
        object_cache, "template_command", lambda *arguments: [sys.executable, "-c", script]
    )


def test_what_is_not_kept_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "object").write_text(OBJECT.encode())
    compiler(monkeypatch, f"print(open({str(tmp_path / 'object')!r}).read())")
    assert get_template(TEMPLATE, tmp_path / "btf", tmp_path / "cache") == OBJECT


@pytest.mark.parametrize(
    ("script", "detail", "reason"),
    [
        ("import sys; sys.exit('first\\nlast')", "last", "first\nlast"),
        ("import os; os.abort()", "status -6", "status -6"),
        ("print('{}')", "not an object with the members", "not an object with the members"),
        ("pass", "not a compiled object", "not a compiled object"),
        ("import sys; print('{'); sys.exit(3)", "Expecting", "Expecting"),
    ],
)
def test_a_compiler_that_fails_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    detail: str,
    reason: str,
) -> None:
    compiler(monkeypatch, script)
    with pytest.raises(ProbedeckError) as caught:
        get_template(TEMPLATE, tmp_path / "btf", tmp_path / "cache")
    assert (caught.value.status, caught.value.code) == (502, "tracer_failed")
    assert detail in caught.value.detail
    assert reason in caught.value.extra["reason"]


def test_a_compilers_own_error_comes_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = {"status": 501, "code": "unavailable", "detail": "nothing there"}
    said = json.dumps({"error": error, "reason": "no headers", "hint": "install"})
    compiler(monkeypatch, f"import sys; print({said!r}); sys.exit({REFUSED})")
    with pytest.raises(ProbedeckError, match="nothing there") as caught:
        get_template(TEMPLATE, tmp_path / "btf", tmp_path / "cache")
    assert caught.value.status == 501
    assert caught.value.extra == {"reason": "no headers", "hint": "install"}
