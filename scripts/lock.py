"""Write constraints.txt: the exact versions that the tests last ran with, of everything the package may install.

    .venv/bin/python scripts/lock.py            # write it from what is installed in .venv
    .venv/bin/python scripts/lock.py --check    # compare it with pyproject.toml; needs nothing but the two files

scripts/setup installs these versions, so that two machines test the same; `pip install midcourse -c constraints.txt`
does it for a user. It knows no index and downloads nothing.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
HEAD = "# Made by scripts/lock.py: the versions the tests last ran with. pip install midcourse -c constraints.txt\n"


def declared(project: Path) -> Iterator[Requirement]:
    """What pyproject.toml asks for, with all extras."""
    given = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    lines = list(given["dependencies"])
    for extra in given["optional-dependencies"].values():
        lines += extra
    mine = canonicalize_name(given["name"])
    return (r for r in map(Requirement, lines) if canonicalize_name(r.name) != mine)


def installed(wanted: Iterator[Requirement]) -> dict[str, str]:
    """Versions of the wanted packages and of all that they need in turn, as installed here.

    Raises:
        PackageNotFoundError: A wanted one is not installed.
    """
    found: dict[str, str] = {}
    left = [(r.name, frozenset(r.extras)) for r in wanted if not r.marker or r.marker.evaluate()]
    done = set(left)
    while left:
        name, extras = left.pop()
        there = distribution(name)
        found[canonicalize_name(name)] = Version(there.version).public
        for needed in map(Requirement, there.requires or []):
            applies = not needed.marker or any(needed.marker.evaluate({"extra": e}) for e in ("", *extras))
            next_ = (needed.name, frozenset(needed.extras))
            if applies and next_ not in done:
                done.add(next_)
                left.append(next_)
    return dict(sorted(found.items()))


def read(lock: Path) -> dict[str, str]:
    """The locked versions by name."""
    lines = [line.split("#")[0].strip() for line in lock.read_text(encoding="utf-8").splitlines()]
    return dict(line.split("==") for line in lines if line)


def faults(wanted: Iterator[Requirement], locked: dict[str, str]) -> list[str]:
    """Where the lock and pyproject.toml do not fit, one line each."""
    found = []
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        if name not in locked:
            found.append(f"{name} is asked for and not locked")
        elif not requirement.specifier.contains(locked[name], prereleases=True):
            found.append(f"{name}=={locked[name]} is locked, but pyproject.toml asks for {requirement.specifier}")
    return found


def main() -> int:
    """Write the file, or with --check compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where the two do not fit")
    check = parser.parse_args().check
    project, lock = ROOT / "pyproject.toml", ROOT / "constraints.txt"
    if not check:
        try:
            versions = installed(declared(project))
        except PackageNotFoundError as missing:
            print(f"{missing.name} is not installed: run scripts/setup first", file=sys.stderr)
            return 2
        lock.write_text(HEAD + "".join(f"{name}=={version}\n" for name, version in versions.items()), encoding="utf-8")
    locked = read(lock)
    found = faults(declared(project), locked)
    torch = re.search(r"^torch=(\S+)$", (ROOT / "scripts" / "setup").read_text(encoding="utf-8"), re.MULTILINE)
    if torch and torch[1] != locked.get("torch"):
        found.append(f"scripts/setup installs torch {torch[1]}, the lock says {locked.get('torch')}")
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"{len(locked)} versions locked" + (f"; {len(found)} do not fit: scripts/lock.py" if found else ""))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
