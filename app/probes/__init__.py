# SPDX-License-Identifier: Apache-2.0
"""Probes as the service sees them: modes, specs, and the manager of tracer processes."""
