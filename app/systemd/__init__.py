# SPDX-License-Identifier: Apache-2.0
"""Probedeck as a systemd service: the unit's text, and `./run service`.

Imports settings and nothing else of the project; neither flask nor bcc.
"""
