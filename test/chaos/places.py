"""Where things are, and the modules of the other harnesses."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
for folder in ("regions", "clients"):
    path = str(TOP / "test" / folder)
    if path not in sys.path:
        sys.path.append(path)
