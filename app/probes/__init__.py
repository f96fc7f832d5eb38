# SPDX-License-Identifier: Apache-2.0
"""Probes as the service sees them: modes, columns, specs, and the manager of tracer processes.

May import the standard library, `app.kernel`, `app.hub` and `app.errors`; neither bcc nor flask.
"""
