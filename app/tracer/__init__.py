"""The tracer process: compiles, attaches, drains the ring buffers, sends frames.

One process for each running probe, `python -m app.tracer`. May import bcc, numpy,
nanoarrow, `app.kernel`, `app.probes.spec` and `app.probes.columns`; never flask.
"""
