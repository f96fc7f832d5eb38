# SPDX-License-Identifier: Apache-2.0
"""Programs for those who work on the tree; the service uses none of them but `install.sh`."""
