# SPDX-License-Identifier: Apache-2.0
"""The routes, one module for each subject: page, probes, functions, events, users and others."""
