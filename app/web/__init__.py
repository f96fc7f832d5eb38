# SPDX-License-Identifier: Apache-2.0
"""HTTP and websockets: the guard, the routes, the stream writers. Never bcc, never numpy."""
