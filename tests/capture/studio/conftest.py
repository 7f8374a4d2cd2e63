"""Lets the tests of this folder share `served.py` and the scripted tokenizer."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "drafts"))
