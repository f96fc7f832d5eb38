# SPDX-License-Identifier: Apache-2.0
"""The WSGI application: the checks that every request passes, and the state that routes use."""
