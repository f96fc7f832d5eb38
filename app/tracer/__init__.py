# SPDX-License-Identifier: Apache-2.0
"""The tracer process: loads and attaches programs, drains ring buffers, sends frames.

Each running probe has one, `python -m app.tracer`. Only `app.tracer.compile`, which is a process
of its own, loads BCC.
"""
