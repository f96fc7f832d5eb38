# SPDX-License-Identifier: Apache-2.0
"""What two processes say to each other: tracer frames, and the compiler's command line."""
