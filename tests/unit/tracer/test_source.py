# SPDX-License-Identifier: Apache-2.0
"""What goes to the compiler."""

from __future__ import annotations

import pytest

from app.tracer.source import compiler_flags


@pytest.mark.parametrize("name", ["do_unlinkat; }", "", "a b", "a-b", "1a", "naïve", "a\nb"])
def test_only_identifiers_become_source_text(name: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        compiler_flags("fentry", name, 1 << 20)
