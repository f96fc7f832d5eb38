# SPDX-License-Identifier: Apache-2.0
"""Columns of events as data: their types and help texts, and names for their numbers.

Imports the standard library only.
"""
