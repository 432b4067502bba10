#!/usr/bin/env python3
"""Real programs on libgc: as they are, with libgc's own mprotect mode, and with the adapter; interleaved.

compare.py PROGRAMS [--quick] [--rounds N] [--json FILE] [--only NAME]...

PROGRAMS is the folder of what was built (bin/). Pauses of all rounds are taken together; the rest are medians of
the rounds. Ends with status 1 if a target was missed, 2 if something could not be measured.
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PAUSE = "15"  # milliseconds, for every incremental mode
ALLOWED_SECONDS = 600
MODES = ("stock", "mprotect", "ours", "ours, generational")


def programs(built, scratch):
    """Name -> (command, environment)."""
    here = pathlib.Path(__file__).resolve().parent
    found = {
        "gcbench": [built / "bdwgc_gcbench", "18"],
        "graph": [built / "bdwgc_graph", "500", "60000000", "1000"],
        "graph, dense writes": [built / "bdwgc_graph", "500", "8000000", "64"],
    }
    guild = shutil.which("guild")
    if guild and shutil.which("guile"):
        compiled = scratch / "workload.go"
        subprocess.run([guild, "compile", "-o", compiled, here / "workload.scm"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found["guile"] = ["guile", "-c", f'(load-compiled "{compiled}")']
    else:
        print("guile is not installed (Debian: guile-3.0): not measured", file=sys.stderr)
    return commands(found)


def quick_programs(built):
    """The same in a fraction of the time, without Guile, whose program has one size."""
    return commands({
        "gcbench": [built / "bdwgc_gcbench", "15"],
        "graph": [built / "bdwgc_graph", "100", "3000000", "50"],
        "graph, dense writes": [built / "bdwgc_graph", "100", "1000000", "24"],
    })


def commands(found):
    return {name: [str(word) for word in command] for name, command in found.items()}


def run_once(command, mode, built, scratch):
    """What one run took, or None for a run that crashed."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("GC_", "GCBARRIER_")) and name != "LD_PRELOAD"}
    pauses = scratch / "pauses"
    pauses.unlink(missing_ok=True)
    environment |= {"GUILE_AUTO_COMPILE": "0", "GCBARRIER_PAUSES": str(pauses),
                    "LD_PRELOAD": str(built / "libbdwgc_pauses.so")}
    if mode == "mprotect":
        environment |= {"GC_ENABLE_INCREMENTAL": "1", "GC_PAUSE_TIME_TARGET": PAUSE}
    elif mode.startswith("ours"):
        environment["GC_PAUSE_TIME_TARGET"] = PAUSE
        launcher = [str(built / "gcbarrier-run")]
        if mode.endswith("generational"):
            del environment["GC_PAUSE_TIME_TARGET"]
            launcher.append("--generational")
        command = launcher + command
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, timeout=ALLOWED_SECONDS)
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0 or not pauses.exists():
        return {"failed": done.returncode, "said": done.stdout.decode(errors="replace").strip()[-200:]}
    return {
        "seconds": seconds,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "faults": after.ru_minflt - before.ru_minflt,
        "pauses_ms": [int(line) / 1000 for line in pauses.read_text().split()],
    }


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def summary(runs):
    good = [run for run in runs if "failed" not in run]
    if not good:
        return {"runs": len(runs), "failed": len(runs)}
    pauses = [pause for run in good for pause in run["pauses_ms"]]
    return {
        "runs": len(runs),
        "failed": len(runs) - len(good),
        "seconds": statistics.median(run["seconds"] for run in good),
        "cpu_seconds": statistics.median(run["cpu_seconds"] for run in good),
        "faults": statistics.median(run["faults"] for run in good),
        "pauses": statistics.median(len(run["pauses_ms"]) for run in good),
        "p50_ms": quantile(pauses, 0.5),
        "p90_ms": quantile(pauses, 0.9),
        "max_ms": max(pauses),
    }


def table(name, modes):
    print(f"\n{name}")
    print(f"{'':22}{'total s':>9}{'cpu s':>9}{'pauses':>8}{'p50 ms':>9}{'p90 ms':>9}{'max ms':>9}{'faults':>10}")
    for mode, one in modes.items():
        if "seconds" not in one:
            print(f"  {mode:20}aborted in {one['failed']} of {one['runs']} runs")
            continue
        print(f"  {mode:20}{one['seconds']:9.2f}{one['cpu_seconds']:9.2f}{one['pauses']:8.0f}{one['p50_ms']:9.2f}"
              f"{one['p90_ms']:9.2f}{one['max_ms']:9.1f}{one['faults']:10.0f}"
              + (f"  aborted in {one['failed']} of {one['runs']} runs" if one["failed"] else ""))


def targets(results):
    """(what, measured ratio or None, at most)."""
    def ratio(name, measure, ours, other):
        first, second = results.get(name, {}).get(ours, {}), results.get(name, {}).get(other, {})
        return first[measure] / second[measure] if measure in first and measure in second else None

    yield "guile: median pause / stock", ratio("guile", "p50_ms", "ours", "stock"), 0.25
    yield "guile: p90 pause / stock", ratio("guile", "p90_ms", "ours", "stock"), 0.25
    yield "guile: total / stock", ratio("guile", "seconds", "ours", "stock"), 1.25
    yield "graph: total / mprotect", ratio("graph", "seconds", "ours", "mprotect"), 0.65
    yield "graph: median pause / stock", ratio("graph", "p50_ms", "ours", "stock"), 1 / 30
    failed = [results[name]["ours"]["failed"] for name in results]
    yield "runs of ours that failed", float(sum(failed)), 0.0


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("programs", type=pathlib.Path, help="the folder of what was built")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--quick", action="store_true", help="smaller programs, for which no target is meant")
    arguments.add_argument("--json", type=pathlib.Path, help="every figure of every run")
    arguments.add_argument("--only", action="append", help="measure only this program; may be repeated")
    options = arguments.parse_args()
    built = options.programs.resolve()
    if options.rounds < 1:
        arguments.error("--rounds must be at least 1")
    if not (built / "gcbarrier-run").exists():
        arguments.error(f"{built} has no gcbarrier-run: build the target bdwgc_bench")
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        chosen = quick_programs(built) if options.quick else programs(built, scratch)
        unknown = set(options.only or ()) - set(chosen)
        if unknown:
            arguments.error(f"no such program: {', '.join(sorted(unknown))}; there are {', '.join(sorted(chosen))}")
        chosen = {name: chosen[name] for name in options.only or chosen}
        runs = {name: {mode: [] for mode in MODES} for name in chosen}
        for round_number in range(options.rounds):
            for name, command in chosen.items():
                for mode in MODES:
                    print(f"round {round_number + 1} of {options.rounds}: {name}, {mode}", file=sys.stderr)
                    runs[name][mode].append(run_once(command, mode, built, scratch))
    results = {name: {mode: summary(ran) for mode, ran in modes.items()} for name, modes in runs.items()}
    for name, modes in results.items():
        table(name, modes)
    missed = unmeasured = False
    if not options.quick:
        print("\ntargets")
    for what, measured, most in () if options.quick else targets(results):
        if measured is None:
            print(f"  {what:32} not measured")
            unmeasured = True
            continue
        missed |= measured > most
        print(f"  {what:32}{measured:7.3f}  at most {most:.3f}  {'MISSED' if measured > most else 'met'}")
    if options.json:
        options.json.write_text(json.dumps({"summary": results, "runs": runs}, indent=1) + "\n")
    return 1 if missed else 2 if unmeasured and not options.only else 0


if __name__ == "__main__":
    sys.exit(main())
