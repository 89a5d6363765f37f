"""Draw the still picture of every explorable: `python tools/explorable_pictures.py [NAME ...]`; needs Chromium and Node.

A program that runs neither widgets nor scripts (a preview of a notebook, a page without JavaScript, print) shows the
picture instead. Each is what the explorable shows at first, in Chromium, and carries a hash of the sources it was drawn
from: tests/explorables/test_pictures.py says which one to draw anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, PngImagePlugin

from ppo_core.viz import explorables

ROOT = Path(__file__).resolve().parents[1]
BROWSER = ROOT / "tests" / "browser"
WIDTH = 720  # px, about the text column of the page
COLOURS = 48

SCRIPT = """
import { chromium } from "playwright-core";
const [width, files] = JSON.parse(process.argv[1]);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: "light", reducedMotion: "reduce" });
for (const [html, png] of files) {
  await page.goto("file://" + html);
  await page.waitForSelector(".explorable .explorable-picture");
  await page.waitForTimeout(200);
  await page.locator(".explorable-picture").first().screenshot({ path: png });
}
await browser.close();
"""


def kinds() -> list[type]:
    found = map(vars(explorables).get, explorables.__all__)
    return [k for k in found if isinstance(k, type) and issubclass(k, explorables.Explorable) and k.module]


def draw(chosen: list[type]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for kind in chosen:
            html = Path(folder, f"{kind.module}.html")
            html.write_text(
                f"<!doctype html><meta charset=utf-8><body style='margin:16px;background:#fff;font-family:sans-serif'>{kind().to_html()}",
                encoding="utf-8",
            )
            files.append((str(html), str(html.with_suffix(".png"))))
        command = ["node", "--input-type=module", "-e", SCRIPT, json.dumps([WIDTH + 32, files])]
        subprocess.run(command, cwd=BROWSER, check=True, env=os.environ)
        for kind, (_, png) in zip(chosen, files, strict=True):
            picture = Image.open(png).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            facts = PngImagePlugin.PngInfo()
            facts.add_text("source", kind.fingerprint())
            picture.save(kind.picture_file(), optimize=True, pnginfo=facts)
            print(
                f"{kind.module:<12} {picture.width} × {picture.height}  {kind.picture_file().stat().st_size / 1e3:.1f} kB"
            )


if __name__ == "__main__":
    names = sys.argv[1:]
    draw([kind for kind in kinds() if not names or kind.module in names])
