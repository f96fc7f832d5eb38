# SPDX-License-Identifier: Apache-2.0
"""Debian kernels booted under QEMU, for `./run --vm`, the kernel tests and the benchmark.

Runs before the virtual environment exists.
"""
