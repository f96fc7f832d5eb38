# SPDX-License-Identifier: Apache-2.0
"""What the running kernel is and allows: symbols, include files made from BTF, feature probes.

Imports no library outside the standard one, so that it starts in milliseconds.
"""
