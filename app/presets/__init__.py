# SPDX-License-Identifier: Apache-2.0
"""Ready-made targets, as data. May import nothing but itself; `kernel_names` reads the kernel."""
