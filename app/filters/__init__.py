# SPDX-License-Identifier: Apache-2.0
"""The filter language (docs/filters.md) in the service: text, tree, rows, and the kernel's part.

`parse` makes the tree of a text, `row_filter` what tests rows, `split` what the kernel tests.
The page has the same language in static/js/filter; tests/vectors/filter_cases.json has the cases
that both must pass. Imports app.columns and app.errors only.
"""

from app.filters.fault import FilterFault
from app.filters.grammar import MAX_CHARACTERS, parse
from app.filters.kernel_filter import KernelFilter
from app.filters.row_filter import RowFilter, row_filter
from app.filters.split import Split, plan_vocabulary, split
from app.filters.vocabulary import Vocabulary
from app.filters.word_hints import Hint, hints_of

__all__ = [
    "MAX_CHARACTERS",
    "FilterFault",
    "Hint",
    "KernelFilter",
    "RowFilter",
    "Split",
    "Vocabulary",
    "hints_of",
    "parse",
    "plan_vocabulary",
    "row_filter",
    "split",
]
