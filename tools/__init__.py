# SPDX-License-Identifier: Apache-2.0
"""Programs for developers; the service itself uses only `install.sh`."""
