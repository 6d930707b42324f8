"""In a real browser: nothing runs off the page, on a desk or a phone, and dark is dark."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from specimens import whole

from uqmsm.report import write

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDER = """<script>
const wide = [...document.querySelectorAll('main *')].filter(e =>
  e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest('.scroll,pre,svg'));
const cut = [...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1);
const page = document.documentElement;
document.title = `${page.scrollWidth} ${page.clientWidth} ${wide.length} ${cut.length}`;
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write(whole(32, interaction=0.5, failing=0.03), tmp_path_factory.mktemp("run"))


def chromium(tmp_path, *arguments):
    command = ["chromium", *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("width", [1200, 500])
def test_nothing_runs_off_the_page(page, tmp_path, width):
    probe = tmp_path / "probe.html"
    probe.write_text(page.read_text(encoding="utf-8").replace("</body>", WIDER + "</body>"), encoding="utf-8")
    text = chromium(tmp_path, f"--window-size={width},900", "--dump-dom", f"file://{probe}")
    found = re.search(r"<title>(\d+) (\d+) (\d+) (\d+)</title>", text)
    scroll, client, wide, cut = (int(n) for n in found.groups())
    assert client == width
    assert scroll <= client
    assert wide == 0
    assert (cut == 0) is (width > 1000), "on a desk every table is seen whole; on a phone they scroll"


@pytest.mark.parametrize(("scheme", "dark"), [("1", False), ("0", True)])
def test_both_colour_schemes_are_drawn(page, tmp_path, scheme, dark):
    file = tmp_path / "page.png"
    flags = ("--window-size=1000,2400", f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={file}")
    chromium(tmp_path, *flags, f"file://{page}")
    with Image.open(file) as opened:
        pixels = np.asarray(opened.convert("RGB"), dtype=np.float64)
    paper = np.median(pixels, axis=(0, 1)).mean()
    assert bool(paper < 60.0) is dark
    blue = (pixels[..., 2] - pixels[..., 0] > 80.0).mean()
    assert blue > 0.005, "the ledger's bars are there"
