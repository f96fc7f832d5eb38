# SPDX-License-Identifier: Apache-2.0
"""Columns of events: declarations, expressions, and the plan made of these and the kernel's BTF.

Declarations, names of numbers and the grammar of expressions import the standard library only;
the other modules have rules of their own in tools/import_rules.py.
"""
