# SPDX-License-Identifier: Apache-2.0
"""`./bench`: measures Probedeck, bpftrace and `bpf_printk` programs in turn on the same loop.

It drives the real service from outside, as the tests do. It measures and prints; no result makes
it fail.
"""
