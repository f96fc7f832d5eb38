# SPDX-License-Identifier: Apache-2.0
"""Booting Debian kernels under QEMU: for `./run --vm` and for the kernel tests.

Standard library only: it runs before the virtual environment exists.
"""
