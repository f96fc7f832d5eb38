# SPDX-License-Identifier: Apache-2.0
"""The routes: page, probes, presets, events, streams, websocket, users, signing in, audit log."""
