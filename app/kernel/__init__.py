# SPDX-License-Identifier: Apache-2.0
"""What the running kernel is and allows: BTF, include tree, symbols, feature checks.

May import the standard library, `app.errors` and `app.linux.paths` only, so that it starts in
milliseconds in any process. `__main__` alone, which puts the parts together, also reads
`app.config`, which needs no more than the standard library.
"""
