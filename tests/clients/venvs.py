"""Make the virtual environments of the clients: one each, in parallel, only if something changed.

Needs nothing but Python, so that `make test-clients` can call it first. `--lock` resolves the pins
anew, with hashes, from `requirements/*.in` (needs `uv` beside this Python).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1] / ".venv-clients"
REQUIREMENTS = HERE / "requirements"
CLIENTS = tuple(sorted(path.stem for path in REQUIREMENTS.glob("*.in")))


def python(client: str) -> Path:
    """The interpreter of a client's environment."""
    return ROOT / client / "bin" / "python"


def is_current(client: str) -> bool:
    """Whether the environment is there and holds what is asked for."""
    stamp = ROOT / client / "stamp"
    return python(client).exists() and stamp.exists() and stamp.read_text() == _stamp(client)


def make(client: str) -> str:
    """Bring one environment up to date; say what was done."""
    if is_current(client):
        return f"{client}: as it was"
    venv.create(ROOT / client, with_pip=True, clear=True)
    pip = [str(python(client)), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    # Not compiled: most modules of these packages are never imported, the rest compile on import.
    lock = ["--no-compile", "--require-hashes", "-r", str(_lock(client))]
    subprocess.run([*pip, *lock], check=True, stdin=subprocess.DEVNULL)
    (ROOT / client / "stamp").write_text(_stamp(client))
    return f"{client}: made"


def lock(client: str) -> str:
    """Resolve the pins of one client anew."""
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet", "--upgrade"]
    options = ["--universal", "--generate-hashes", "--no-emit-index-url", "--no-header"]
    source = REQUIREMENTS / f"{client}.in"
    target = ["--python-version", "3.11", "-o", str(_lock(client)), str(source)]
    subprocess.run([*uv, *options, *target], check=True)
    return f"{client}: locked"


def _lock(client: str) -> Path:
    return REQUIREMENTS / f"{client}.txt"


def _stamp(client: str) -> str:
    return f"{sys.version} {hashlib.sha256(_lock(client).read_bytes()).hexdigest()}"


if __name__ == "__main__":
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for said in pool.map(lock if sys.argv[1:] == ["--lock"] else make, CLIENTS):
            print(said, flush=True)
