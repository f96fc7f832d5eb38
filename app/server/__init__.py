# SPDX-License-Identifier: Apache-2.0
"""gunicorn as the application's host: one worker, its life, its connections, TLS and logging."""
