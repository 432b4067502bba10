"""The checks of pages must notice what is wrong: a sound page with one thing broken at a time."""
import pathlib
import sys
import tempfile

import browser
import checks
from browser import tally

PICTURE = """<svg role="img" viewBox="0 0 300 100" width="300" height="100"><title>Pauses of one run</title>
<path d="M10 90L90 20" stroke="#0072b2" fill="none"/><path d="M10 90L90 60" stroke="#d55e00" fill="none"/>
<text x="10" y="12" font-size="12">Pauses</text><text x="200" y="12" font-size="12" class="legend">minor</text>
<text x="50" y="98" font-size="12" class="axis">time, s</text><text x="0" y="50" font-size="12" class="axis">pause, ms</text></svg>"""
DOT = ("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg"
       "gg==")
SOUND = f"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sound</title><link rel="icon" href="data:,"><style>:root {{ color-scheme: light dark }} svg text {{ fill: CanvasText }}</style>
<p id="words">Some words.</p>{PICTURE}<img alt="a dot" src="{DOT}">
<canvas id="map" aria-label="a map" width="20" height="20"></canvas>
<script>const pen = document.getElementById('map').getContext('2d'); pen.fillStyle = '#08f'; pen.fillRect(2, 2, 9, 9);</script></html>"""

# What is replaced, by what, and the words of the one problem that this makes.
BROKEN = {
    "an image that is not there": (DOT, "missing.png", "broken picture missing.png"),
    "an image without a description": ('alt="a dot"', "", "picture without a description"),
    "an empty canvas": ("pen.fillRect", "pen.clearRect", "broken picture: nothing is drawn"),
    "a canvas without a label": ('aria-label="a map"', "", "canvas without a label"),
    "a picture of nothing": ('width="300" height="100"', 'width="0" height="0"', "broken picture"),
    "a path that was not calculated": ("L90 20", "L90 NaN", "a path with no number"),
    "a link to elsewhere": ("Some words", '<a href="https://example.org/">Some words</a>', "external address https://example.org/"),
    "a style sheet from elsewhere": ("<style>", '<link rel="stylesheet" href="//example.org/x.css"><style>', "external address //example"),
    "a font from elsewhere": ("<style>", "<style>@import 'https://example.org/x.css';", "external address in a style sheet"),
    "a script that asks for something": ("<script>", "<script>fetch('https://example.org/x').catch(() => 0);", "asked for https://example.org"),
    "an error on the console": ("<script>", "<script>setTimeout(() => { throw new Error('lost') });", "console: "),
    "a page that is too wide": ("Some words", '<span style="display: block; width: 700px">Some words</span>', "px wide on a screen of 360"),
    "tiny text in a picture": ('font-size="12" class="axis">time', 'font-size="7" class="axis">time', 'text of 7.0 px: "time, s"'),
    "tiny text beside it": ("Some words", '<small style="font-size: 8px">Some words</small>', "text of 8.0 px"),
    "a picture that is made smaller": ('width="300" height="100"', 'width="150" height="50"', "text of 6.0 px"),
    "pale text": ("Some words", '<span style="color: #888">Some words</span>', "contrast of 3.5"),
    "pale text in a picture": ("svg text {", 'svg [x="10"] { fill: #888 !important } svg text {', "contrast of 3.5"),
    "text on a shape of its colour": ('<text x="10" y="12"', '<rect width="99" height="30" fill="#777"/><text x="10" y="12"', "contrast of "),
    "a picture without a name": ("<title>Pauses of one run</title>", "", "without a title for screen readers"),
    "a picture without a heading": (">Pauses</text>", "></text>", "without a visible title"),
    "an axis without a label": ('class="axis">pause, ms', 'class="axis">', "axis without a label"),
    "an axis without a unit": ("pause, ms", "pause", "axis without a unit"),
    "a text over another": ('x="200" y="12" font-size="12" class="legend"', 'x="30" y="14" font-size="12" class="legend"', "texts overlap"),
    "a picture with one axis": ('class="axis">pause', '>pause', "without two axes"),
    "colours without a legend": ('class="legend"', "", "without a legend"),
}


def judged(chromium, folder, page):
    file = pathlib.Path(folder) / "page.html"
    file.write_text(page)
    return checks.problems(chromium, file, looks=checks.LOOKS[:2])


def is_sound(chromium, folder):
    found = judged(chromium, folder, SOUND)
    assert not found, found


def is_noticed(chromium, folder, old, new, words):
    assert old in SOUND, old
    found = judged(chromium, folder, SOUND.replace(old, new))
    assert any(words in problem for problem in found), f"{words!r} is not among {found}"


def main():
    if browser.skipped("what is wrong with a page is noticed"):
        tally.finish()
    with browser.started() as chromium, tempfile.TemporaryDirectory() as folder:
        tally.check("a sound page is found sound", is_sound, chromium, folder)
        for name, (old, new, words) in BROKEN.items():
            tally.check(f"{name} is noticed", is_noticed, chromium, folder, old, new, words)
    tally.finish()


if __name__ == "__main__":
    main()
