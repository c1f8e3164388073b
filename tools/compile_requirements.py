"""Compiles the pinned requirement files from the hand-written .in files.

pip-compile does the work; afterwards local version suffixes (a CPU build's `+cpu`) are cut off, so that the pins
resolve wherever the packages come from, and requirements-gpu.txt is written as the same list with faiss-gpu in place
of faiss-cpu. No hashes, no index addresses.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Compiled from {source} by `make requirements`; edit that file instead.\n"
OPTIONS = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--strip-extras"]


def compile_file(source: str, target: str) -> None:
    """Pins everything `source` asks for into `target`."""
    command = [sys.executable, "-m", "piptools", "compile", *OPTIONS, "--output-file", target, source]
    subprocess.run(command, cwd=ROOT, check=True)
    pins = without_local_suffixes((ROOT / target).read_text(encoding="utf-8"))
    (ROOT / target).write_text(HEADER.format(source=source) + pins, encoding="utf-8")


def without_local_suffixes(pins: str) -> str:
    """`torch==2.13.0+cpu` -> `torch==2.13.0`; packages of one vendor's GPU runtime come with torch itself."""
    lines = [re.sub(r"(==[^\s;+]+)\+\S+", r"\1", line) for line in pins.splitlines()]
    return "\n".join(line for line in lines if not line.startswith(("nvidia-", "--"))) + "\n"


def main() -> None:
    compile_file("requirements.in", "requirements.txt")
    compile_file("requirements-dev.in", "requirements-dev.txt")
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    (ROOT / "requirements-gpu.txt").write_text(pins.replace("faiss-cpu==", "faiss-gpu=="), encoding="utf-8")


if __name__ == "__main__":
    main()
