"""What the running kernel is and allows: BTF, include tree, symbols, feature checks.

May import the standard library and `app.errors` only, so that it starts in milliseconds
in any process.
"""
