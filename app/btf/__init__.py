# SPDX-License-Identifier: Apache-2.0
"""BTF, the kernel's own type information: its format, a reader, and types written out as C."""
