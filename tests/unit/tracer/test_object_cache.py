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
from app.tracer import bpf_source, object_cache
from app.tracer.object_cache import FILE, find_object, get_object, kernel_identity, object_key
from tests.support.compiled_objects import OBJECT

ARGUMENTS = ("fexit", "do_unlinkat", 8 << 20)


@pytest.fixture(autouse=True)
def fresh_identity() -> None:
    kernel_identity.cache_clear()


@pytest.fixture
def btf(tmp_path: Path) -> Path:
    path = tmp_path / "btf"
    path.write_bytes(b"all types")
    return path


def key(btf: Path) -> str:
    kernel_identity.cache_clear()
    return object_key(*ARGUMENTS, btf)


def test_the_key_stands_for_all_that_matters(btf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [key(btf)]
    assert key(btf) == keys[0]
    keys += [
        object_key("fentry", *ARGUMENTS[1:], btf),
        object_key("fexit", "filename_unlinkat", 8 << 20, btf),
        object_key("fexit", "do_unlinkat", 4 << 20, btf),
    ]
    btf.write_bytes(b"all typez")
    unpatched = key(btf)
    keys.append(unpatched)
    with monkeypatch.context() as patch:
        patch.setattr(object_cache, "bcc_version", lambda: "another")
        keys.append(key(btf))
    with monkeypatch.context() as patch:
        patch.setattr(object_cache, "running_build_id", lambda: "another")
        keys.append(key(btf))
    with monkeypatch.context() as patch:
        folder = shutil.copytree(bpf_source.SOURCES, btf.parent / "bpf")
        patch.setattr(bpf_source, "SOURCES", folder)
        assert key(btf) == unpatched
        for name in bpf_source.source_files("fexit", follows_renames=True):
            (folder / name).write_text((folder / name).read_text() + " ")
            keys.append(key(btf))
    with monkeypatch.context() as patch:
        patch.setattr(object_cache, "FORMAT", 0)
        keys.append(key(btf))
    btf.unlink()
    keys.append(key(btf))
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
        object_cache, "compile_command", lambda *arguments: [sys.executable, "-c", script]
    )


def test_what_is_not_kept_is_compiled(
    tmp_path: Path, btf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "object").write_text(OBJECT.encode())
    compiler(monkeypatch, f"print(open({str(tmp_path / 'object')!r}).read())")
    assert get_object(*ARGUMENTS, btf, tmp_path / "cache") == OBJECT


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
    btf: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    detail: str,
    reason: str,
) -> None:
    compiler(monkeypatch, script)
    with pytest.raises(ProbedeckError) as caught:
        get_object(*ARGUMENTS, btf, tmp_path / "cache")
    assert (caught.value.status, caught.value.code) == (502, "tracer_failed")
    assert detail in caught.value.detail
    assert reason in caught.value.extra["reason"]


def test_a_compilers_own_error_comes_through(
    tmp_path: Path, btf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = {"status": 501, "code": "unavailable", "detail": "nothing there"}
    said = json.dumps({"error": error, "reason": "no headers", "hint": "install"})
    compiler(monkeypatch, f"import sys; print({said!r}); sys.exit({REFUSED})")
    with pytest.raises(ProbedeckError, match="nothing there") as caught:
        get_object(*ARGUMENTS, btf, tmp_path / "cache")
    assert caught.value.status == 501
    assert caught.value.extra == {"reason": "no headers", "hint": "install"}
