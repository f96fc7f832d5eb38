# SPDX-License-Identifier: Apache-2.0
"""The tracer process: loads, attaches, drains the ring buffers, sends frames.

One process for each running probe, `python -m app.tracer`. May import numpy, nanoarrow,
`app.kernel` and of `app.probes` spec, columns, modes and names; never flask. BCC is imported by
`app.tracer.compile` alone, which is a process of its own.
"""
