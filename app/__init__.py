"""Probedeck: a console for eBPF function tracing."""
