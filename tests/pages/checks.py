"""What every page that this project makes must be: whole without a network, and readable."""
import pathlib

import browser

SCRIPT = pathlib.Path(__file__).with_name("checks.js").read_text()


def problems_now(chromium):
    """Of the page as it is open, in the size and colours of the moment."""
    return (chromium.run(SCRIPT) + [f"asked for {url}" for url in chromium.requests()]
            + [f"console: {message}" for message in chromium.messages()])


# The first two have all there is between them.
LOOKS = ((browser.WIDE, browser.LIGHT), (browser.NARROW, browser.DARK), (browser.NARROW, browser.LIGHT), (browser.WIDE, browser.DARK))


def problems(chromium, file, ready="document.readyState === 'complete'", looks=LOOKS):
    """{what is wrong: where}, on wide and narrow screens, light and dark."""
    found = {}
    for width, scheme in looks:
        chromium.look(width, scheme)
        chromium.open(file)
        chromium.wait(ready)
        for problem in problems_now(chromium):
            found.setdefault(problem, f"{scheme}, {width} px")
    return found
