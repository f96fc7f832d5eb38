# SPDX-License-Identifier: Apache-2.0
"""The HTTP API's machinery: schemas of requests and responses, problem documents, OpenAPI."""
