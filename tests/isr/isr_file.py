"""What is in an ISR's file."""

import json
from pathlib import Path
from typing import Any

import safetensors


def header_of(path: Path) -> dict[str, Any]:
    with safetensors.safe_open(path, "pt") as file:
        header: dict[str, Any] = json.loads(file.metadata()["isr"])
        return header
