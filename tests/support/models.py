"""Every module with tables, imported so that the metadata is whole."""

import importlib
import pkgutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "foundation",
    "people",
    "conversation",
    "payments",
    "web_call",
    "nlu",
    "booking",
    "forms",
    "escalation",
    "dialogue",
)


def import_all_models() -> None:
    """Import <domain>.models of every domain and all of foundation that defines tables."""
    for package in PACKAGES:
        for module in pkgutil.iter_modules([str(ROOT / package)]):
            if module.name == "models":
                importlib.import_module(f"{package}.models")
    for name in ("crypto", "live", "events"):
        importlib.import_module(f"foundation.{name}")
