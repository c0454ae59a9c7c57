"""Click through the built site in headless Chromium, at three widths.

    python3 docs/site/look.py [--site target/site/site] [--shots DIR] [--chromium PATH]

On each page, at 360, 768 and 1280 pixels: nothing scrolls sideways but tables and code in their own frames,
every image has a text and is shown, no script fails, and nothing comes from another host. Then, at each width:
a search finds a page by a word and opens it, the switch for the dark theme works and is kept on the next page,
and the menu leads to another page. `--shots` is a directory for screenshots.

Needs Chromium; playwright, which drives it, is fetched from the package index into target/site-tools if it
cannot be imported. Exit code 1: something is not as it must be. 2: there is no Chromium.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import pathlib
import shutil
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
WIDTHS = (360, 768, 1280)
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# The page must not be wider than the window, and no image may be broken or without a text.
SIDEWAYS = "document.scrollingElement.scrollWidth - window.innerWidth"
IMAGES = """[...document.images].filter(
    image => !image.alt || !(image.complete && image.naturalWidth)).map(image => image.src)"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the site without a log."""

    def log_message(self, *_: object) -> None:
        pass


class Look:
    """One width: the page, and what was found wrong."""

    def __init__(self, browser, width, home, shots):
        self.width, self.home, self.shots = width, home, shots
        context = browser.new_context(viewport={"width": width, "height": 800})
        self.page = context.new_page()
        self.faults = []
        self.page.on("pageerror", lambda error: self.fault(f"a script fails: {error}"))
        self.page.on("request", self.check_host)
        self.page.set_default_timeout(15_000)

    def fault(self, text):
        """Something is wrong."""
        self.faults.append(f"{self.width} px, {self.page.url.rsplit('/', 1)[-1]}: {text}")

    def check_host(self, request):
        """Nothing may come from elsewhere."""
        if not request.url.startswith((self.home, "data:", "blob:")):
            self.fault(f"asks for {request.url}")

    def shot(self, name):
        """Take a screenshot, if they are wanted."""
        if self.shots:
            # The heading fades into the name of the site.
            self.page.wait_for_timeout(300)
            self.page.screenshot(path=self.shots / f"{self.width}-{name}.png")

    def open(self, name):
        """Open a page and look at it."""
        self.page.goto(f"{self.home}/{name}")
        # Pictures below the window are loaded when they are scrolled to.
        self.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        self.page.wait_for_load_state("networkidle")
        self.page.evaluate("window.scrollTo(0, 0)")
        if self.page.evaluate(SIDEWAYS) > 0:
            self.fault(f"is {self.page.evaluate(SIDEWAYS)} px too wide")
        for image in self.page.evaluate(IMAGES):
            self.fault(f"{image} is broken or has no text")

    def search(self, word, page):
        """Search for a word, and open the page that it has to lead to."""
        self.page.goto(f"{self.home}/index.html")
        self.page.keyboard.press("/")
        self.page.wait_for_timeout(300)
        self.page.keyboard.type(word, delay=20)
        link = self.page.locator(f"a[href*='{page}']:visible").filter(has_text=word).first
        try:
            link.wait_for()
            self.shot("search")
            link.click()
            self.page.wait_for_url(f"**/{page}*")
        except Exception as error:  # noqa: BLE001
            self.shot("search")
            self.fault(f"the search for {word} does not lead to {page}: {str(error)[:200]}")

    def scheme(self):
        """The theme that is shown."""
        return self.page.evaluate("document.body.getAttribute('data-md-color-scheme')")

    def darken(self):
        """Switch the theme, and see it on the next page."""
        self.page.goto(f"{self.home}/tutorial.html")
        before = self.scheme()
        self.page.locator("label[for^='__palette']:visible").first.click()
        self.page.wait_for_timeout(300)
        after = self.scheme()
        self.shot("switched")
        if before == after or "slate" not in (before, after):
            self.fault(f"the theme stays {before}")
        self.page.goto(f"{self.home}/index.html")
        if self.scheme() != after:
            self.fault("the theme is not kept")
        self.shot("dark")

    def menu(self):
        """Go to a page by the menu, which is behind a button in a narrow window."""
        self.page.goto(f"{self.home}/index.html")
        button = self.page.locator("header label[for='__drawer']:visible")
        if button.count():
            button.first.click()
            self.page.wait_for_timeout(400)
            self.shot("menu")
        try:
            self.page.locator(".md-sidebar--primary a[href$='tutorial.html']:visible").first.click()
            self.page.wait_for_url("**/tutorial.html")
        except Exception as error:  # noqa: BLE001
            self.fault(f"the menu does not lead to the tutorial: {str(error)[:200]}")


def look_at(site, chromium, shots):
    """All pages at all widths; what is wrong."""
    from playwright.sync_api import sync_playwright

    handler = functools.partial(Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = f"http://127.0.0.1:{server.server_port}"
    pages = sorted(path.name for path in site.glob("*.html") if path.name != "404.html")
    found = []
    with sync_playwright() as tools:
        # Without a sandbox, which containers mostly forbid: the pages are our own.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = tools.chromium.launch(executable_path=chromium, args=arguments)
        for width in WIDTHS:
            look = Look(browser, width, home, shots)
            for name in pages:
                look.open(name)
                look.shot(name.removesuffix(".html"))
            look.search("quarantined", "troubleshooting.html")
            look.darken()
            look.menu()
            found += look.faults
        browser.close()
    server.shutdown()
    print(f"{len(pages)} pages at {len(WIDTHS)} widths: {len(found)} faults")
    return found


def main() -> int:
    """Look at the site."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--site", type=pathlib.Path, default=ROOT / "target" / "site" / "site")
    parser.add_argument("--shots", type=pathlib.Path, help="a directory for screenshots")
    parser.add_argument("--chromium", default=next(filter(None, map(shutil.which, NAMES)), None))
    options = parser.parse_args()
    if options.chromium is None:
        print("there is no Chromium: pass --chromium")
        return 2
    try:
        import playwright  # noqa: F401
    except ImportError:
        tools = ROOT / "target" / "site-tools"
        subprocess.run([sys.executable, "-m", "venv", tools], check=True)
        python = tools / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "playwright"], check=True)
        return subprocess.run([python, *sys.argv], check=False).returncode
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    found = look_at(options.site.resolve(), options.chromium, options.shots)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
