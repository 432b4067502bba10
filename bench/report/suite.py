#!/usr/bin/env python3
"""Runs the benchmark suite part by part, and makes the report. Called by ./run bench.

A part is what has to be compared, so one part runs in one process with its repetitions interleaved. Each part's JSON is
written when it is complete: a suite that was stopped goes on where it was, as long as the benchmarks and the machine are
the same."""
import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import page
import results

QUICK_SKIPS = re.compile(r"size%:100|nursery_MiB:16|MiB:(256|1024)")
FULL_SKIPS = re.compile(r"size%:20(?!\d)")


def arguments():
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller cases and fewer repetitions: under 3 minutes")
    parser.add_argument("--only", metavar="REGEX", default="", help="only the parts whose name matches")
    parser.add_argument("--out", metavar="DIR", type=pathlib.Path, help="where results go (bench/out/full or /quick)")
    parser.add_argument("--again", action="store_true", help="forget the parts that were measured before")
    parser.add_argument("--report-only", action="store_true", help="make the report of what has been measured")
    parser.add_argument("program", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.out is None:
        options.out = pathlib.Path(__file__).parent.parent / "out" / ("quick" if options.quick else "full")
    return options


def part_of(name):
    """The part that a benchmark belongs to: program/WORKLOAD, or the name up to its barrier."""
    pieces = name.split("/")
    return "/".join(pieces[:2]) if pieces[0] in ("program", "crossover", "scale") else pieces[0]


def parts_of(options):
    listed = subprocess.run([options.program, "--benchmark_list_tests"], capture_output=True, text=True, check=True)
    skips = QUICK_SKIPS if options.quick else FULL_SKIPS
    parts = {}
    for name in listed.stdout.split():
        part = part_of(name)
        if not skips.search(name) and re.search(options.only, part):
            parts.setdefault(part, []).append(name)
    return parts


def measure(options, names, file):
    # Names hold % and other signs that mean nothing to a regular expression; dots and plus signs do.
    chosen = "^(" + "|".join(re.escape(name) for name in names) + ")$"
    unfinished = file.with_suffix(".unfinished")
    run = subprocess.run(
        [options.program, f"--benchmark_filter={chosen}", f"--benchmark_repetitions={3 if options.quick else 7}",
         "--benchmark_enable_random_interleaving=true", "--benchmark_report_aggregates_only=false",
         f"--benchmark_out={unfinished}", "--benchmark_out_format=json"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # its greeting goes there too
    if run.returncode != 0:
        sys.exit(f"bench: {options.program} failed with exit status {run.returncode}:\n{run.stderr}")
    json.loads(unfinished.read_text())  # whole, or it does not count
    unfinished.rename(file)


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: stopped; the same command goes on from here"))
    options.out.mkdir(parents=True, exist_ok=True)
    machine = results.describe_machine(options.program)
    known = options.out / "machine.json"
    if options.again or (known.exists() and json.loads(known.read_text())["identity"] != machine["identity"]):
        for old in options.out.glob("*.json"):
            old.unlink()
    known.write_text(json.dumps(machine, indent=1))

    parts = {} if options.report_only else parts_of(options)
    if not parts and not options.report_only:
        sys.exit(f"bench: no part matches {options.only!r}")
    missing = [part for part in parts if not results.file_of(options.out, part).exists()]
    if len(missing) < len(parts):
        print(f"bench: {len(parts) - len(missing)} of {len(parts)} parts were measured before", file=sys.stderr)
    start = time.monotonic()
    for done, part in enumerate(missing):
        spent = time.monotonic() - start
        left = f", about {spent / done * (len(missing) - done) / 60:.0f} min left" if done else ""
        print(f"bench: {done + 1}/{len(missing)} {part} ({len(parts[part])} cases){left}", file=sys.stderr, flush=True)
        measure(options, parts[part], results.file_of(options.out, part))
    report = options.out / "report.html"
    page.write(report, machine, results.load(options.out))
    print(f"bench: {time.monotonic() - start:.0f} s; the report is {os.path.relpath(report)}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nbench: stopped; the same command goes on from here")
    except subprocess.CalledProcessError as failed:
        sys.exit(f"bench: {failed.cmd[0]} failed with exit status {failed.returncode}")
