# SPDX-License-Identifier: Apache-2.0
"""`./test`: runs the parts of the tests, and counts what passed, failed and was skipped."""
