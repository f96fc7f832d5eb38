# SPDX-License-Identifier: Apache-2.0
"""The routes: page, probes, presets, functions and their fields, events, streams, websocket, users,
signing in, audit log."""
