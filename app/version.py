# SPDX-License-Identifier: Apache-2.0
"""The version of Probedeck: the only place that has it."""

VERSION = "1.0.0"
