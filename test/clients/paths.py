"""Where the client suites keep their things, and which versions they use."""

import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
CACHE = REPOSITORY / "build" / "clients"
LOGS = CACHE / "logs"
DATA = CACHE / "data"
VERSIONS = json.loads((HERE / "versions.json").read_text())
