"""Starts `videostyle live` as a user does, for the tests of its protocol and its page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class LiveServer:
    """A running server. url: the page's address with its token."""

    process: subprocess.Popen[str]
    url: str
    log: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.url).query)["token"][0]


@contextmanager
def live_server(*arguments: str | Path, browser: Path | None = None) -> Iterator[LiveServer]:
    """Run the command until the block ends; it must then end by itself, without a traceback.

    browser: a program it opens the page with."""
    command = [sys.executable, "-m", "videostyle", "live", *map(str, arguments)]
    command += [] if browser else ["--no-browser"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "BROWSER": str(browser)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr
    said = []
    url = None
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"(http://\S+)", line):
            url = found[1]
            break
    if url is None:
        raise AssertionError(f"no address: {''.join(said)}")
    server = LiveServer(process, url, said)
    # Somebody must read on, or the server waits for its own messages to be read.
    reader = threading.Thread(target=lambda: server.log.extend(process.stderr or ()))
    reader.start()
    try:
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(20)
        finally:
            process.kill()
            reader.join()
            process.stderr.close()
    assert code == 0, server.log
    assert not any("Traceback" in line for line in server.log), server.log


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found
