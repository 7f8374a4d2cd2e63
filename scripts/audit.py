"""Ask whether a known vulnerability stands against any locked version (constraints.txt).

    .venv/bin/python scripts/audit.py              # exit 1 where one stands; says so where nobody could be asked
    .venv/bin/python scripts/audit.py --required   # for a release: exit 2 where nobody could be asked

pip-audit asks the OSV database, which needs a network. Offline, nothing was audited, and that is what is printed.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ASK = ["--vulnerability-service", "osv", "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
UNREACHED = re.compile(r"ConnectionError|ProxyError|SSLError|Timeout|Max retries exceeded")
"""What pip-audit's traceback says where there is no network."""


def report(lock: Path) -> dict[str, Any] | None:
    """pip-audit's report on a file of pinned versions; None where the database could not be reached.

    Raises:
        RuntimeError: It failed otherwise; with what it said.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *ASK, "--requirement", str(lock)],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return dict(json.loads(done.stdout))
    except json.JSONDecodeError:
        if UNREACHED.search(done.stderr):
            return None
        raise RuntimeError(f"pip-audit ended with {done.returncode}: {done.stderr.strip()}") from None


def known(answer: dict[str, Any]) -> list[str]:
    """One line for each vulnerability."""
    return [
        f"{d['name']} {d['version']}: {v['id']} {' '.join(v.get('aliases', []))}".rstrip()
        + (f"; mended in {', '.join(v['fix_versions'])}" if v.get("fix_versions") else "; no mended version")
        for d in answer["dependencies"]
        for v in d.get("vulns", [])
    ]


def unasked(answer: dict[str, Any]) -> list[str]:
    """Packages that the service could say nothing of."""
    return [d["name"] for d in answer["dependencies"] if "skip_reason" in d]


def main() -> int:
    """Print what is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--required", action="store_true", help="exit 2 where nobody could be asked")
    required = parser.parse_args().required
    answer = report(ROOT / "constraints.txt")
    if answer is None:
        print("NOT AUDITED: the vulnerability database could not be reached", file=sys.stderr)
        return 2 if required else 0
    for line in known(answer):
        print(line)
    passed_over = unasked(answer)
    if passed_over:
        print(f"not audited: {', '.join(passed_over)}", file=sys.stderr)
    asked = len(answer["dependencies"]) - len(passed_over)
    print(f"{asked} versions audited, {len(known(answer))} known vulnerabilities")
    return 1 if known(answer) else 2 if passed_over and required else 0


if __name__ == "__main__":
    sys.exit(main())
