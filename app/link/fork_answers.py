# SPDX-License-Identifier: Apache-2.0
"""What the process that forks tracers answers to the service.

For each tracer the service sends one byte with two descriptors: the tracer's socket and its
standard error. The answer is the tracer's process id, or a negative error number. The first answer,
READY, comes unasked.
"""

from __future__ import annotations

import struct

ANSWER = struct.Struct("=i")
READY = 0
