# SPDX-License-Identifier: Apache-2.0
"""Deletions, with the renames that replace a file: the preset that has programs of its own.

They are in bpf/presets/deletions/. Whatever else the project traces, it traces by templates that
know no target; and nothing outside of these two folders knows what a deletion is.
"""
