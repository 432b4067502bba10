"""Writes the tables and pictures of docs/results.md anew. Between the lines

    <!-- table: NAME -->       or  <!-- picture: NAME -->,  <!-- machine -->,  <!-- rule -->
    <!-- end -->

stands what a run measured; the rest of the file is prose, and is left alone. The pictures lie beside it in results/."""
import re
import sys

import blocks
import markup
import results
import sections

PLACE = re.compile(r"^<!-- (table|picture|machine|rule)(?:: (\S+))? -->\n.*?^<!-- end -->$", re.M | re.S)
# As a picture on its own, it has no page to take its ink from.
INK = "<style>svg { color: #1a1a1a } @media (prefers-color-scheme: dark) { svg { color: #e4e4e4 } }</style>"


def machine_table(machine):
    return markup.markdown_table(blocks.Table("machine", ["machine", ""], [
        [key, value] for key, value in machine.items() if key != "identity"]))


def write(file, out, machine):
    found = {(type(block).__name__.lower(), block.name): block for block in sections.all_of(out)
             if isinstance(block, (blocks.Table, blocks.Picture))}
    doctor = results.load_extra(out, "doctor")
    pictures = file.with_suffix("")
    pictures.mkdir(exist_ok=True)
    used, absent = set(), []

    def filled(place):
        kind, name = place.groups()
        if kind == "machine":
            text = machine_table(machine)
        elif kind == "rule":
            text = "> " + doctor["rule"] if doctor else "Not measured in this run."
        elif (kind, name) not in found:
            absent.append(f"the {kind} {name}")
            text = "Not measured in this run."
        elif kind == "table":
            text = markup.markdown_table(found[kind, name])
        else:
            used.add(f"{name}.svg")
            svg = found[kind, name].svg
            head = svg.index(">") + 1
            (pictures / f"{name}.svg").write_text(svg[:head] + INK + svg[head:])
            title = found[kind, name].title.replace("\n", " ")
            text = f"![{title}]({pictures.name}/{name}.svg)"
        mark = f"{kind}: {name}" if name else kind
        return f"<!-- {mark} -->\n\n{text}\n\n<!-- end -->"

    text = PLACE.sub(filled, file.read_text())
    file.write_text(text)
    for old in pictures.glob("*.svg"):
        if old.name not in used:
            old.unlink()
    for name in absent:
        print(f"bench: {file.name} asks for {name}, which has not been measured", file=sys.stderr)
