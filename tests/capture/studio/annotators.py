"""People in a process of their own, each at a page of a studio: `python annotators.py PORT STEERS COOKIE…`.

Each takes a prompt, lets the model write, and corrects; the id of every steer that the studio acknowledged is printed
with the seconds that the acknowledgement took.
"""

import contextlib
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "drafts"))

from served import Page, Served

SAY = threading.Lock()


def work(served: Served, number: int, cookie: str, steers: int) -> None:
    page = Page(served, cookie, {})
    page.do("next")
    page.rest()
    for k in range(steers):
        tokens = page.draft["tokens"]
        cut = tokens[(3 * number + 5 * k) % (len(tokens) - 1)]["end"]
        begun = time.perf_counter()
        answer = page.do("replace", cut=cut, text=f" {number}-{k}")
        with SAY:
            print(answer.get("steer", answer), time.perf_counter() - begun, flush=True)
        page.rest()
    page.close()


if __name__ == "__main__":
    port, steers, *cookies = sys.argv[1:]
    served = Served.__new__(Served)
    served.port, served.origin, served.open = int(port), f"http://127.0.0.1:{port}", contextlib.ExitStack()
    people = [threading.Thread(target=work, args=(served, n, c, int(steers))) for n, c in enumerate(cookies)]
    for p in people:
        p.start()
    for p in people:
        p.join()
