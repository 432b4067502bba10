"""The page that ./run demo --record writes: replay_test.py DEMO. The recording must be right, and the page must show it."""
import base64
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import zlib

import browser
import checks
from browser import tally

PLANES = ["present", "written", "found", "unprotected", "huge"]
DATA = re.compile(r'(<script type="application/json" id="recording">)(.*?)(</script>)', re.S)


def record(demo, folder):
    """A page and the figures of the same runs."""
    text = pathlib.Path(folder) / "text"
    text.write_text("".join(f"line {i} follows line {i - 1} of {i * i % 5003}\n" for i in range(20000)))
    page, figures = pathlib.Path(folder) / "page.html", pathlib.Path(folder) / "figures.json"
    subprocess.run([demo, "--mb", "8", "--record", page, "--json", figures, text], check=True, capture_output=True)
    return page, json.loads(figures.read_text())


class Run:
    """One barrier's part of a recording."""

    def __init__(self, data):
        self.barrier, self.cells, self.per_cell, self.steps = data["barrier"], data["cells"], data["pages_per_cell"], data["steps"]
        raw = zlib.decompress(base64.b64decode(data["map"]))
        self.map = struct.unpack(f"<{len(raw) // 2}H", raw)
        self.last = len(self.steps["number"]) - 1

    def plane(self, step, name):
        at = (step * len(PLANES) + PLANES.index(name)) * self.cells
        return self.map[at:at + self.cells]


def recorded(page):
    return json.loads(DATA.search(page.read_text()).group(2))


def with_runs(page, runs, folder, name):
    """The same page with another recording."""
    data = recorded(page)
    data["runs"] = runs
    made = pathlib.Path(folder) / name
    made.write_text(DATA.sub(lambda old: old[1] + json.dumps(data) + old[3], page.read_text()))
    return made


def drawn_by_hand():
    """A run with everything in it that no short run has: huge pages, pages left unprotected, steps of several collections."""
    cells, steps = 600, 40
    planes, sums = [], {name: [] for name in PLANES}
    for step in range(steps):
        used = cells * (step + 10) // (steps + 10)
        rows = {
            "present": [32 if i < used else 0 for i in range(cells)],
            "written": [(i * 7 + step * 5) % 33 if i < used and i % 3 == 0 else 0 for i in range(cells)],
            "unprotected": [i % 33 if i < used and 100 <= i < 140 else 0 for i in range(cells)],
            "huge": [32 if i < used and i >= 400 else 0 for i in range(cells)],
        }
        rows["found"] = [w // 2 if i % 2 == 0 else 0 for i, w in enumerate(rows["written"])]
        for name in PLANES:
            planes += rows[name]
            sums[name].append(sum(rows[name]))
    packed = base64.b64encode(zlib.compress(struct.pack(f"<{len(planes)}H", *planes))).decode()
    return {"barrier": "by hand", "kernel_tells": True, "pages_per_cell": 32, "cells": cells, "map": packed, "steps": {
        "number": [4 * i + 4 for i in range(steps)], "collections": [4] * steps, "full": [int(i % 9 == 8) for i in range(steps)],
        "at_ns": [i * 10 ** 8 + 5 * 10 ** 7 for i in range(steps)], "pause_ns": [(i * 37 % 11 + 1) * 10 ** 6 for i in range(steps)],
        "slots": [i * 1000 for i in range(steps)], **sums}}


# ---- the recording ----

def agrees_with_the_figures(page, figures):
    runs = {run["barrier"]: run for run in recorded(page)["runs"]}
    done = [run for run in figures["runs"] if run["state"] == "done"]
    assert list(runs) == [run["barrier"] for run in done], list(runs)
    for figure in done:
        steps = runs[figure["barrier"]]["steps"]
        pauses = {kind: [ns for ns, full in zip(steps["pause_ns"], steps["full"]) if full == kind] for kind in (0, 1)}
        assert pauses == {0: figure["minor_pauses_ns"], 1: figure["full_pauses_ns"]}, figure["barrier"]
        assert sum(steps["slots"]) == figure["remembered_slots"], figure["barrier"]
        assert steps["number"] == list(range(1, len(steps["number"]) + 1))
        # A barrier that lists slots has no pages to search, but the slots lie in some.
        if figure["barrier"] not in ("store_buffer", "field_log"):
            assert sum(steps["written"]) == figure["dirty_pages"], figure["barrier"]


def adds_up(page):
    for data in recorded(page)["runs"]:
        run = Run(data)
        assert len(run.map) == (run.last + 1) * len(PLANES) * run.cells > 0
        for step in range(run.last + 1):
            for name in PLANES:
                assert sum(run.plane(step, name)) == run.steps[name][step], (run.barrier, step, name)
            for use, written, found in zip(*(run.plane(step, name) for name in ("present", "written", "found"))):
                assert run.per_cell >= use >= written >= found, (run.barrier, step)
        assert run.steps["at_ns"] == sorted(run.steps["at_ns"])
        assert any(run.steps["found"]), run.barrier


def tells_barriers_apart(page):
    """All run the same program: a barrier that knows slots finds the same ones in fewer pages."""
    steps = {run["barrier"]: run["steps"] for run in recorded(page)["runs"]}
    assert steps["card"]["slots"] == steps["uffd_async"]["slots"] == steps["mprotect"]["slots"]
    assert steps["card"]["found"] == steps["uffd_async"]["found"]
    assert sum(steps["store_buffer"]["written"]) < sum(steps["uffd_async"]["written"])
    # Protected again, all of it.
    assert not any(steps["uffd_async"]["unprotected"]), steps["uffd_async"]["unprotected"]


# ---- the page ----

WHOLE = "document.documentElement.dataset.shown"


def is_whole(chromium, page):
    found = checks.problems(chromium, page, WHOLE)
    assert not found, found


def number(text):
    return int(text.replace(",", ""))


def figures_shown(chromium):
    rows = chromium.run("return [...document.querySelectorAll('#figures tr')].map(row => [row.cells[0].innerText, row.cells[1].innerText])")
    return {name.strip(): text for name, text in rows}


def state(chromium):
    return chromium.run("return {step: Number(document.getElementById('step').value), where: document.getElementById('where').value,"
                        " play: document.getElementById('play').textContent, cell: document.getElementById('cell').textContent,"
                        " barrier: document.getElementById('barrier').selectedOptions[0].text}")


def shows(chromium, run, step):
    """What the page shows is what the recording says."""
    now, figures = state(chromium), figures_shown(chromium)
    of = {name: run.steps[name][step] for name in run.steps}
    assert now["step"] == step and now["barrier"] == run.barrier, (now, step)
    assert re.search(rf"\b{of['number']} of {run.steps['number'][-1]}\b", now["where"]), now
    wanted = {"pages in memory": of["present"], "pages searched": of["written"], "with pointers to young objects": of["found"],
              "searched in vain": of["written"] - of["found"], "clean": of["present"] - of["written"],
              "left unprotected": of["unprotected"], "in huge pages": of["huge"], "pointers to young objects": of["slots"]}
    for name, count in wanted.items():
        assert number(figures[name]) == count, (run.barrier, step, name, figures)
    pause = figures.get("pause") or figures["longest pause"]
    assert abs(float(pause.split()[0].replace(",", "")) - of["pause_ns"] / 1e6) <= of["pause_ns"] / 1e6 * 0.006, (pause, of)


def open_page(chromium, page, width=browser.WIDE):
    chromium.look(width)
    chromium.open(page)
    chromium.wait(WHOLE)


def choose(chromium, barrier):
    chromium.run("const s = document.getElementById('barrier'); s.selectedIndex = [...s.options].findIndex(o => o.text === arguments[0]);"
                 " s.dispatchEvent(new Event('change'))", barrier)
    chromium.wait(f"{WHOLE} === {json.dumps(barrier)}")


def shows_every_barrier(chromium, page):
    open_page(chromium, page)
    for data in recorded(page)["runs"]:
        run = Run(data)
        choose(chromium, run.barrier)
        shows(chromium, run, 0)
        chromium.press("End")
        shows(chromium, run, run.last)


def keyboard_works(chromium, page):
    run = Run(recorded(page)["runs"][0])
    open_page(chromium, page)
    shows(chromium, run, 0)
    for key, step in (("ArrowLeft", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", run.last),
                      ("ArrowRight", run.last), ("ArrowLeft", run.last - 1), ("Home", 0)):
        chromium.press(key)
        shows(chromium, run, step)
    chromium.run("document.getElementById('step').focus()")  # where these keys have a meaning of their own
    for key, step in (("ArrowRight", 1), ("End", run.last), ("Home", 0)):
        chromium.press(key)
        shows(chromium, run, step)


def space_plays(chromium, page):
    run = Run(recorded(page)["runs"][0])
    open_page(chromium, page)
    for focus in ("body", "#step", "#play"):
        chromium.run("document.activeElement.blur(); document.querySelector(arguments[0]).focus()", focus)
        chromium.press("Home")
        chromium.press(" ")
        chromium.wait("Number(document.getElementById('step').value) >= 2")
        assert state(chromium)["play"] == "Stop", focus
        chromium.press(" ")
        stopped = state(chromium)
        assert stopped["play"] == "Play" and 2 <= stopped["step"] < run.last, (focus, stopped)
        shows(chromium, run, stopped["step"])
    chromium.press("End")
    chromium.press("ArrowLeft")
    chromium.press(" ")
    chromium.wait("document.getElementById('play').textContent === 'Play'")  # by itself, at the end
    shows(chromium, run, run.last)


def slider_works(chromium, page):
    run = Run(recorded(page)["runs"][0])
    open_page(chromium, page)
    x, y, width = chromium.run("const b = document.getElementById('step').getBoundingClientRect();"
                               " return [b.left, b.top + b.height / 2, b.width]")
    chromium.click(x + width / 2, y)
    assert abs(state(chromium)["step"] - run.last / 2) <= 1 + run.last / 10, state(chromium)
    shows(chromium, run, state(chromium)["step"])
    assert chromium.run("return document.getElementById('step').getAttribute('aria-valuetext')") == state(chromium)["where"]
    x, y, width = chromium.run("const b = document.querySelector('#pauses').getBoundingClientRect(); return [b.left, b.top + 60, b.width]")
    chromium.click(x + width - 13, y)
    shows(chromium, run, run.last)


def cells_agree(chromium, page, width):
    """The numbers of a cell, by pointing and by keys, and the colours of its corners."""
    run = Run(recorded(page)["runs"][0])
    step = run.last // 2
    open_page(chromium, page, width)
    for _ in range(step):
        chromium.press("ArrowRight")
    sides = chromium.run("const {size, columns} = mapLayout(); document.getElementById('map').scrollIntoView({block: 'center'});"
                         " const b = document.getElementById('map').getBoundingClientRect(); return [b.left, b.top, size, columns]")
    left, top, size, columns = sides
    kinds = set()
    for index in sorted({0, 1, 100, 102, 110, 126, 300, 420, run.cells - 1} & set(range(run.cells))):
        chromium.command("Input.dispatchMouseEvent", type="mouseMoved", x=left + (index % columns + .5) * size,
                         y=top + (index // columns + .5) * size)
        use, written, found, unprotected, huge = (run.plane(step, name)[index] for name in PLANES)
        words = (f"{use} in memory, {found} with pointers to young objects, {written - found} searched in vain, "
                 f"{unprotected} left unprotected, {huge} in huge pages.")
        said = state(chromium)["cell"]
        assert said.endswith(words) and f" {index * run.per_cell}" in said, (index, said, words)
        # At the bottom what was found, or in vain; strips at the left and at the top.
        corners = chromium.run(
            "const [index, size, columns] = arguments, pen = document.getElementById('map').getContext('2d');"
            "const ink = name => { const p = document.createElement('canvas').getContext('2d'); p.fillStyle = colour(name);"
            " p.fillRect(0, 0, 1, 1); return p.getImageData(0, 0, 1, 1).data.join(); };"
            "const names = Object.fromEntries(['unused', 'clean', 'found', 'vain', 'unprotected', 'huge'].map(n => [ink(n), n]));"
            "const at = (dx, dy) => names[pen.getImageData(index % columns * size + dx, Math.floor(index / columns) * size + dy, 1, 1).data.join()];"
            "return {bottom: at(size - 3, size - 2), left: at(0, size - 2), top: at(0, 0)};", index, size, columns)
        bottom = "unused" if not use else "found" if found else "vain" if written else "clean"
        assert corners["bottom"] in (bottom, None), (index, bottom, corners)  # None: the frame of the cell that is pointed at
        if corners["bottom"]:
            kinds.add(bottom)
        if unprotected:
            assert corners["left"] in ("unprotected", None), (index, corners)
        if huge:
            assert corners["top"] in ("huge", None), (index, corners)
    assert len(kinds) > 1, kinds
    before = state(chromium)["cell"]
    chromium.press("ArrowUp", shift=True)
    chromium.press("ArrowLeft", shift=True)
    index = run.cells - 1 - columns - 1
    assert f" {index * run.per_cell} to " in state(chromium)["cell"] != before, (index, state(chromium))
    assert state(chromium)["step"] == step


def notices_a_wrong_number(chromium, page, folder):
    """The control of what `shows` and `adds_up` say."""
    runs = recorded(page)["runs"]
    right = Run(recorded(page)["runs"][0])
    runs[0]["steps"]["found"][0] += 1
    wrong = with_runs(page, runs, folder, "wrong.html")
    for test in (lambda: adds_up(wrong), lambda: (open_page(chromium, wrong), shows(chromium, right, 0))):
        try:
            test()
        except AssertionError:
            continue
        raise RuntimeError("a wrong number passed")


def says_when_it_cannot(chromium, page, folder):
    runs = recorded(page)["runs"]
    runs[0]["map"] = runs[0]["map"][:40]
    chromium.look(browser.WIDE)
    chromium.open(with_runs(page, runs[:1], folder, "cut.html"))
    chromium.wait("!document.getElementById('problem').hidden")


def says_that_there_is_nothing(chromium, page, folder):
    chromium.look(browser.WIDE)
    chromium.open(with_runs(page, [], folder, "nothing.html"))
    chromium.wait("document.getElementById('problem').textContent.includes('no collection happened')")
    assert not chromium.messages()


def main():
    demo = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        page, figures = record(demo, folder)
        tally.check("a recording has the figures of the runs", agrees_with_the_figures, page, figures)
        tally.check("the map's cells add up to the page counts", adds_up, page)
        tally.check("the barriers' recordings agree where they must", tells_barriers_apart, page)
        if browser.skipped("the page in a browser"):
            tally.finish()
        by_hand = with_runs(page, [drawn_by_hand()], folder, "by_hand.html")
        with browser.started() as chromium:
            tally.check("the page is whole and readable without a network", is_whole, chromium, page)
            tally.check("so is one with every kind of page in it", is_whole, chromium, by_hand)
            tally.check("it shows the numbers of every barrier", shows_every_barrier, chromium, page)
            tally.check("the keys move it", keyboard_works, chromium, by_hand)
            tally.check("the space key plays and stops it, wherever the focus is", space_plays, chromium, by_hand)
            tally.check("the slider and the pictures move it", slider_works, chromium, by_hand)
            tally.check("the cells have the recording's numbers and colours", cells_agree, chromium, by_hand, browser.WIDE)
            tally.check("on a narrow screen too", cells_agree, chromium, by_hand, browser.NARROW)
            tally.check("a wrong number is noticed", notices_a_wrong_number, chromium, page, folder)
            tally.check("a recording without a collection says so", says_that_there_is_nothing, chromium, page, folder)
            tally.check("a recording that was cut off is not shown as if it were whole", says_when_it_cannot, chromium, page, folder)
    tally.finish()


if __name__ == "__main__":
    main()
