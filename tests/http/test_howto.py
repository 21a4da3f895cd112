"""The commands of docs/how-to/http.md run, one after the other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import BOUND, Gateway

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "http.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)


@pytest.mark.skipif(
    shutil.which("curl") is None and "CI" not in os.environ, reason="the page shows curl"
)
def test_the_commands_run(gateway: Gateway, tmp_path: Path) -> None:
    script = "\n".join(BLOCK.findall(PAGE.read_text()))
    script = script.replace("http://127.0.0.1:8080", gateway.http).replace("YOUR_KEY", gateway.key)
    bash = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(bash, cwd=tmp_path, capture_output=True, text=True, timeout=BOUND)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tea.wav").stat().st_size > 48_000
    assert '"is_final":true' in done.stdout
    assert len(re.findall(r'"transcript":"The kettle is on[.,]', done.stdout)) >= 3
    assert len(re.findall(r"00:00:0\d,\d{3}\nThe kettle is on\.", done.stdout)) == 1
    assert '"utterances":[{' in done.stdout
    assert '"tier":"local"' in done.stdout
    assert '"error"' not in done.stdout
