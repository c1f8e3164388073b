"""Pictures of the pages of a running server, for eyes and for the README.

    python tools/screenshots.py --server http://127.0.0.1:8000 --user ada --password ... --to pictures /p/demo/

Every page is taken at desktop (1280) and phone width (360), light and dark. Without addresses: every page that the
first page and the menu of --project link to. Reads Chromium's path from QUARRY_CHROMIUM, else looks for `chromium`.
"""

import argparse
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

SIZES = {"wide": (1280, 800), "narrow": (360, 740)}
THEMES = ("light", "dark")
CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("addresses", nargs="*", help="Paths to take; none: follow the project's menu.")
    parser.add_argument("--server", default="http://127.0.0.1:8000")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", default=os.environ.get("QUARRY_PASSWORD", ""))
    parser.add_argument("--project", default="demo")
    parser.add_argument("--to", type=Path, default=Path("pictures"))
    parser.add_argument("--full", action="store_true", help="The whole page instead of the first screen.")
    parser.add_argument("--only", default="", help="wide-light, narrow-dark, ...: this form alone.")
    return parser.parse_args()


def log_in(page: Page, server: str, user: str, password: str) -> None:
    """Fills in the login form; the session stays in the page's context."""
    page.goto(urljoin(server, "/login/"))
    page.fill("[name=username]", user)
    page.fill("[name=password]", password)
    page.click("main button")
    page.wait_for_load_state()


def addresses_of_menu(page: Page, server: str, project: str) -> list[str]:
    """The login-free pages, the project's first page and all sections of its menu."""
    page.goto(urljoin(server, f"/p/{project}/"))
    links = page.eval_on_selector_all(".menu-side a", "links => links.map(link => link.getAttribute('href'))")
    return list(dict.fromkeys(["/", f"/p/{project}/", *links, "/account/"]))


def forms(browser: Browser) -> Iterator[tuple[str, Page]]:
    """A fresh page for every size and theme."""
    for size, (width, height) in SIZES.items():
        for theme in THEMES:
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=theme, device_scale_factor=1
            )
            yield f"{size}-{theme}", context.new_page()
            context.close()


def name_of(address: str) -> str:
    """File name of an address: /p/demo/runs/3/ -> p-demo-runs-3."""
    return re.sub(r"[^\w]+", "-", urlsplit(address).path).strip("-") or "home"


def main() -> None:
    options = arguments()
    options.to.mkdir(parents=True, exist_ok=True)
    program = os.environ.get("QUARRY_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_OPTIONS)
        for form, page in forms(browser):
            if options.only and options.only != form:
                continue
            log_in(page, options.server, options.user, options.password)
            for address in options.addresses or addresses_of_menu(page, options.server, options.project):
                page.goto(urljoin(options.server, address))
                page.screenshot(path=options.to / f"{name_of(address)}.{form}.png", full_page=options.full)
        browser.close()


if __name__ == "__main__":
    main()
