"""A studio in a process of its own, so that it can be killed: `python killable.py FOLDER PORT`."""

import sys
from pathlib import Path

import uvicorn

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "drafts"))

from scripted import tokenizer
from served import Babbler

from midcourse.capture.studio.opening import Opening, open_studio
from midcourse.capture.studio.writer import Loaded
from midcourse.store.db import Store
from midcourse.types import ModelRef

if __name__ == "__main__":
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    backend = Babbler(pause=0.005)
    with Store(folder / "store.db") as store:
        load = lambda _: Loaded(backend, tokenizer(), ModelRef("babbler", "0" * 32))  # noqa: E731
        app = open_studio(store, Opening(runs=folder / "runs", max_new_tokens=2000), lambda: load)
        uvicorn.run(app, port=port, log_level="error", access_log=False)
