# SPDX-License-Identifier: Apache-2.0
"""Callers and their rights: tokens, signed-in sessions, and the audit log of what they change."""
