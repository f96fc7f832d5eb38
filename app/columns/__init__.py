# SPDX-License-Identifier: Apache-2.0
"""What a row consists of: the columns of probes, and the names of error and call numbers."""
