# SPDX-License-Identifier: Apache-2.0
"""Probedeck as a systemd service: the text of its unit file."""
