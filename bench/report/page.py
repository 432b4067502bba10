"""The report: one HTML file that needs nothing else, not even a network."""
import programs
import results
from markup import escape, table

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1a1a1a; --line: #bbb; --bad: #b00020; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #e4e4e4; --line: #555; --bad: #ff6b81; } }
body { background: var(--paper); color: var(--ink); font: 16px/1.5 sans-serif; margin: 0 auto; max-width: 70em; padding: 1em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .2em .6em; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.wide { overflow-x: auto; }
figure { margin: 1em 0; }
svg { height: auto; max-width: 100%; min-width: 34em; width: 100%; }
figure { overflow-x: auto; }
.bad { color: var(--bad); font-weight: bold; }
"""


def others(all_runs):
    """What has no section of its own: a table per part, with every counter."""
    parts = {}
    for name, runs in all_runs.items():
        pieces = name.split("/")
        if pieces[0] != "program":
            parts.setdefault(pieces[0], []).append((name, runs))
    usual = {"name", "family_index", "per_family_instance_index", "run_name", "run_type", "repetitions", "repetition_index",
             "threads", "iterations", "real_time", "cpu_time", "time_unit", "error_occurred", "error_message"}
    text = ""
    for part, entries in parts.items():
        counters = list(dict.fromkeys(key for _, runs in entries for key in runs[0] if key not in usual))
        rows = []
        for name, runs in sorted(entries):
            if results.failed(runs):
                rows.append([escape(name), "not here: " + escape(results.failed(runs))] + [""] * (len(counters) + 1))
                continue
            low, middle, high = results.spread([results.in_ms(r) * 1e3 for r in runs])
            rows.append([escape(name), f"{middle:.4g}", f"{low:.4g}&ndash;{high:.4g}"] +
                        [f"{results.spread([r.get(c, 0) for r in runs])[1]:.4g}" for c in counters])
        text += f"<h2>{escape(part)}</h2>" + table(["case", "time &micro;s", "quartiles"] + list(map(escape, counters)), rows)
    return text


def write(file, machine, all_runs):
    described = table(["machine", ""], [[escape(k), escape(str(v))] for k, v in machine.items() if k != "identity"])
    text = (f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
            f"<title>gcbarrier benchmarks</title><style>{STYLE}</style><h1>gcbarrier: which write barrier, here?</h1>"
            f"{described}{programs.section(all_runs)}{others(all_runs)}</html>")
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.rename(file)
