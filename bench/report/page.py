"""The report: one HTML file that needs nothing else, not even a network."""
import sections
from markup import as_html, html_table
import blocks

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1a1a1a; --line: #bbb; --bad: #b00020; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #e4e4e4; --line: #555; --bad: #ff6b81; } }
body { background: var(--paper); color: var(--ink); font: 16px/1.5 sans-serif; margin: 0 auto; max-width: 70em; padding: 1em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .2em .6em; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.wide { overflow-x: auto; }
figure { margin: 1em 0; overflow-x: auto; }
svg { height: auto; width: 100%; }
.bad { color: var(--bad); font-weight: bold; }
"""


def write(file, out, machine):
    described = blocks.Table("machine", ["machine", ""], [[k, v] for k, v in machine.items() if k != "identity"])
    body = "".join(map(as_html, sections.all_of(out)))
    text = (f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
            f"<title>gcbarrier benchmarks</title><style>{STYLE}</style><h1>gcbarrier: which write barrier, here?</h1>"
            f"{html_table(described)}{body}</html>")
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.rename(file)
