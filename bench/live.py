"""Frames a second and the time from a slider's move to the picture, on the live page in Chromium.

    python bench/live.py [--lines 360] [--json results.json]

Chromium runs on the same processor as the server, as it does for most users.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

SAMPLE = Path(__file__).parents[1] / "samples" / "bigbuckbunny.mp4"
SECONDS = 12
MOVE = (
    "(input, value) => { input.value = value; "
    "setTimeout(() => input.dispatchEvent(new Event('input'))); }"
)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", default="360")
    parser.add_argument("--json", type=Path)
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(SAMPLE, folder)
        found = measure(Path(folder) / SAMPLE.name, arguments.lines)
    print(
        f"{found['engine']}, {found['lines']} lines: {found['fps']:.1f} frames/s, "
        f"slider to picture {found['delay_ms']:.0f} ms (median); "
        f"{found['fps_turning_stroke']:.1f} frames/s while the stroke is turned"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def measure(video: Path, lines: str) -> dict[str, object]:
    command = [sys.executable, "-m", "videostyle", "live", str(video), "--no-browser"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr
        address = next(
            found[1] for line in server.stderr if (found := re.search(r"(http\S+)", line))
        )
        with sync_playwright() as playwright:
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            page.goto(address)
            page.locator('#picture[data-rendered="true"]').wait_for()
            page.select_option("#lines", lines)
            time.sleep(3)
            page.click("#play")
            time.sleep(2)
            before, began = page.evaluate("videostyle.measured.frames"), time.monotonic()
            sliders = page.locator("input[data-style]")
            while time.monotonic() < began + SECONDS:
                slider = sliders.nth(random.randrange(13))
                slider.evaluate(MOVE, random.random())
                time.sleep(random.uniform(0.1, 0.2))
            frames = page.evaluate("videostyle.measured.frames") - before
            passed = time.monotonic() - began
            delay = page.evaluate("videostyle.measured.delay")
            turning = turn_stroke(page)
            engine = page.get_attribute("#meter", "title")
            browser.close()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
    return {
        "engine": engine,
        "lines": int(lines),
        "fps": frames / passed,
        "delay_ms": delay,
        "fps_turning_stroke": turning,
    }


def turn_stroke(page: Page) -> float:
    """Frames a second while the stroke goes from 1 to 4 and back, for the first time."""
    stroke, seconds = page.locator('input[data-scalar="stroke"]'), 4.0
    before, began = page.evaluate("videostyle.measured.frames"), time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        stroke.evaluate(MOVE, 4 ** (1 - abs(1 - 2 * passed / seconds)))
        time.sleep(0.03)
    return float((page.evaluate("videostyle.measured.frames") - before) / passed)


if __name__ == "__main__":
    main()
