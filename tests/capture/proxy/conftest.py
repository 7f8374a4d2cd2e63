"""Lets the tests of this folder share the scripted server and the proxy in a thread."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
