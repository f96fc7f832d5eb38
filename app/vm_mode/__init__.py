# SPDX-License-Identifier: Apache-2.0
"""`./run --vm`: the service in a virtual machine, with a relay from a port of this machine."""
