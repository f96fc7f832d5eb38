# SPDX-License-Identifier: Apache-2.0
"""Comparing modes: one target traced in several at once, their rows and what each costs."""
