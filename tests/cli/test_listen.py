"""`voxway listen`, with a microphone that plays a file: sounddevice is stood in for."""

from __future__ import annotations

import signal

from cli.conftest import BOUND, Shell
from speech import DATA, clip, wer

MICROPHONE = """
import threading, time, wave

class PortAudioError(Exception): ...

def query_devices(device, kind):
    return {"default_samplerate": 16000.0, "max_input_channels": 1}

def check_input_settings(**settings): ...

class RawInputStream:
    def __init__(self, rate, blocksize, device, channels, dtype, callback):
        self.size, self.hear = blocksize, callback
        threading.Thread(target=self.run, daemon=True).start()

    def __enter__(self): return self

    def __exit__(self, *_): ...

    def run(self):
        with wave.open("FILE") as file:
            while True:  # then silence, for ever
                data = file.readframes(self.size)
                self.hear(data.ljust(2 * self.size, b"\\0"), self.size, None, None)
                time.sleep(0.02)
"""


def test_what_is_said_is_captioned_until_ctrl_c(shell: Shell) -> None:
    source = DATA / "austen-0930.wav"
    fake = MICROPHONE.replace("FILE", str(source))
    (shell.directory / "sounddevice.py").write_text(fake)
    shell.environ["PYTHONPATH"] = str(shell.directory)
    with shell.start("listen", "-o", "said.vtt") as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert process.stderr.readline() == b"voxway: listening; Ctrl-C ends\n"
        partial = process.stderr.readline()
        assert partial.startswith("… ".encode())
        said = process.stdout.readline().decode()  # a final, while it still listens
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=BOUND)
    assert process.returncode == 0
    text = said + rest.decode()
    assert wer(clip(source.name)[1], text) <= 0.5
    saved = (shell.directory / "said.vtt").read_text()
    assert saved.startswith("WEBVTT")
    assert said.strip().split()[0] in saved
