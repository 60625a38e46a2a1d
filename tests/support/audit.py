"""What must hold on every page: axe finds nothing, and 320 px are wide enough."""

import re

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
NARROW = {"width": 320, "height": 640}

# Whatever sticks out at either side, unless it is for screen readers only or scrolls in a box of its own.
STICKING_OUT = """() => {
  const hidden = (e) => e.closest('.kern-sr-only, .skip') || !e.checkVisibility({ visibilityProperty: true });
  const boxed = (e) => {
    for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
      if (['auto', 'scroll'].includes(getComputedStyle(p).overflowX) && p.scrollWidth > p.clientWidth) return true;
    return false;
  };
  const out = [...document.body.querySelectorAll('*')].filter((e) => {
    const box = e.getBoundingClientRect();
    return box.width && box.height && (box.right > innerWidth + 1 || box.left < -1) && !hidden(e) && !boxed(e);
  });
  return out.map((e) => `${e.tagName}.${e.className} ${Math.round(e.getBoundingClientRect().right)}`);
}"""


async def violations(page: Page) -> list[str]:
    """What axe finds: rule, element, and what is wrong with it."""
    results = await Axe().run(page, options={"runOnly": {"type": "tag", "values": list(WCAG)}})
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in results.response["violations"]
        for node in rule["nodes"]
    ]


async def too_wide(page: Page) -> list[str]:
    """What needs more than 320 px (WCAG 1.4.10), every menu opened; the window is left that narrow."""
    await page.set_viewport_size(NARROW)  # type: ignore[arg-type]  # a plain dict of the two numbers
    await page.evaluate("document.querySelectorAll('details').forEach((menu) => (menu.open = true))")
    width: int = await page.evaluate("document.documentElement.scrollWidth")
    found: list[str] = await page.evaluate(STICKING_OUT)
    # A log or a table may scroll down, but a box that scrolls sideways hides text just as well.
    sideways: list[str] = await page.evaluate(
        "() => [...document.querySelectorAll('main, main *')].filter((e) => e.scrollWidth > e.clientWidth + 1"
        " && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX)).map((e) => e.tagName + '.' + e.className)"
    )
    await page.evaluate("document.querySelectorAll('details').forEach((menu) => (menu.open = false))")
    return [f"page {width} px"] * (width > NARROW["width"]) + found + sideways


async def tab_to(page: Page, found: str, *, most: int = 80) -> None:
    """Press Tab until `found`, an expression over the focused element `e`, is true. Errors: AssertionError."""
    for _ in range(most):
        await page.keyboard.press("Tab")
        if await page.evaluate(f"() => {{ const e = document.activeElement; return Boolean({found}); }}"):
            return
    raise AssertionError(f"no Tab reaches {found} on {re.sub(r'/a/[^/]+', '/a/…', page.url)}")


async def press_choice(page: Page, choice: int | str) -> None:
    """Press a choice, by its number from 0 or by its label, with the keyboard; wait until it is answered."""
    buttons = page.locator(".choices button")
    wanted = buttons.nth(choice) if isinstance(choice, int) else buttons.get_by_text(choice, exact=True)
    await wanted.wait_for()
    said = await page.locator(".said").count()
    number = await wanted.evaluate("e => [...document.querySelectorAll('.choices button')].indexOf(e)")
    await tab_to(page, f"e === document.querySelectorAll('.choices button')[{number}]")
    await page.keyboard.press("Enter")
    await answered(page, said)


async def answered(page: Page, said: int) -> None:
    """Wait until the office has answered with new choices to what was the `said`-th message."""
    await page.wait_for_function(
        "(said) => document.querySelectorAll('.said').length >= said + 2 && document.querySelector('.choices button')",
        arg=said,
    )
