# SPDX-License-Identifier: Apache-2.0
"""The tracer process: load programs, attach them, drain the ring buffers, send frames.

One process for each running probe, `python -m app.tracer`. It may import numpy and nanoarrow, and
of `app.probes` the data modules `spec` and `modes` only; never flask. Only `app.tracer.compile`
imports BCC, in a process of its own.
"""
