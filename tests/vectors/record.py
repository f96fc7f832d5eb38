# SPDX-License-Identifier: Apache-2.0
"""Write what the service sends into the files that the page's tests read."""

from __future__ import annotations

import json
from pathlib import Path

from app.columns.names import tables_as_json

if __name__ == "__main__":
    path = Path(__file__).parent / "names.json"
    path.write_text(json.dumps(tables_as_json(), indent=1) + "\n")
