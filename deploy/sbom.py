"""Takes the places of this computer out of a bill of materials (CycloneDX, JSON): where a package was installed from, as a file.

python deploy/sbom.py FILE.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def cleaned(part: Any) -> Any:
    """The document without references whose address is a file's."""
    if isinstance(part, dict):
        return {name: cleaned(value) for name, value in part.items()}
    if isinstance(part, list):
        return [cleaned(each) for each in part if not (isinstance(each, dict) and str(each.get("url", "")).startswith("file:"))]
    return part


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(json.dumps(cleaned(json.loads(path.read_text("utf-8"))), indent=2) + "\n", "utf-8")
