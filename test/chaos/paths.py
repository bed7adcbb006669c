"""Where things are, and the modules of the other harnesses."""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
for folder in ("regions", "clients"):
    path = str(TOP / "test" / folder)
    if path not in sys.path:
        sys.path.append(path)
