"""Look into a built sdist and wheel: everything that belongs there, and nothing else.

    python scripts/release_contents.py dist

The sdist is what git has, less the files that only make sense beside a history (NOT_IN_SDIST); the wheel is the
package's folder and its metadata. What lies about unnoticed in a work tree must not be published.
"""

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from email import message_from_bytes
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
NOT_IN_SDIST = (".ci/", ".pre-commit-config.yaml", ".dockerignore")
MADE = {"PKG-INFO"}
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}


def tracked(root: Path = ROOT) -> set[str]:
    """The files that git has."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.split("\0") if name}


def sdist_faults(names: Iterable[str], known: set[str]) -> list[str]:
    """Where an sdist's names, without its top folder, are not what they should be."""
    wanted = {name for name in known if not name.startswith(NOT_IN_SDIST)} | MADE
    return _differences("sdist", set(names), wanted)


def wheel_faults(names: Iterable[str], known: set[str]) -> list[str]:
    """Where a wheel's names are not what they should be."""
    found = set(names)
    about = {name.split("/", 1)[1] for name in found if name.split("/")[0].endswith(".dist-info")}
    package = {name for name in found if not name.split("/")[0].endswith(".dist-info")}
    wanted = {name.removeprefix("src/") for name in known if name.startswith("src/midcourse/")}
    return _differences("wheel", package, wanted) + _differences("wheel's metadata", about, METADATA)


def _differences(what: str, found: set[str], wanted: set[str]) -> list[str]:
    return [f"{what}: {name} is missing" for name in sorted(wanted - found)] + [
        f"{what}: {name} does not belong there" for name in sorted(found - wanted)
    ]


def metadata_faults(metadata: bytes) -> list[str]:
    """What an index needs to show a release and pip to install it."""
    fields = message_from_bytes(metadata)
    needed = ("Name", "Version", "Summary", "License-Expression", "Requires-Python")
    found = [f"metadata: no {name}" for name in needed if not fields[name]]
    if fields["Description-Content-Type"] != "text/markdown" or not fields.get_payload():
        found.append("metadata: the README is not its description")
    if any(r.startswith("torch") and "extra ==" not in r for r in fields.get_all("Requires-Dist", [])):
        found.append("metadata: the base install asks for torch")
    return found


def main() -> int:
    """Print what is wrong; exit 1 if something is."""
    dist = Path(sys.argv[1] if len(sys.argv) > 1 else "dist")
    [sdist], [wheel] = sorted(dist.glob("*.tar.gz")), sorted(dist.glob("*.whl"))
    known = tracked()
    with tarfile.open(sdist) as packed:
        members = packed.getmembers()
        names = [str(PurePosixPath(*PurePosixPath(m.name).parts[1:])) for m in members if m.isfile()]
        found = [f"sdist: {m.name} is a link" for m in members if m.issym() or m.islnk()]
    found += sdist_faults(names, known)
    with zipfile.ZipFile(wheel) as zipped:
        files = [name for name in zipped.namelist() if not name.endswith("/")]
        found += wheel_faults(files, known)
        [about] = [name for name in files if name.endswith(".dist-info/METADATA")]
        found += metadata_faults(zipped.read(about))
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    print(f"{sdist.name}: {len(names)} files, {wheel.name}: {len(files)} files, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
