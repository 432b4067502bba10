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

import document
import instructions
import page
import results

QUICK_SKIPS = re.compile("|".join((
    r"^program.*size%:100",
    r"^(collect|peek|arm)/.*MiB:(256|1024)",
    r"^crossover/.*((stores|ppm):3|stores:10000000/)",
    r"^scale/old_space/.*MiB:(128|512|2048|4096|8192|16384)",
    r"^scale/dirty/percent:(1|30|60)/",
)))
# Of a benchmark; those of the others take turns inside.
REPETITIONS = {"program": (2, 2), "store": (2, 5)}  # quick, full
# Seconds that a case of a part takes on a small machine, quick and full, to tell how much time is left. What has been
# measured corrects them all alike.
USUAL = {"doctor": (2, 9), "instructions": (20, 20), "libgc": (12, 50), "program": (0.3, 0.9), "store": (0.3, 0.3),
         "crossover": (0.6, 0.8), "scale": (1, 6)}
HERE = pathlib.Path(__file__).resolve().parent


def pattern(text):
    try:
        return re.compile(text)
    except re.error as wrong:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {wrong}") from wrong


def arguments():
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller cases and fewer repetitions: under 3 minutes")
    parser.add_argument("--only", metavar="REGEX", type=pattern, default=re.compile(""), help="only the parts whose name matches")
    parser.add_argument("--out", metavar="DIR", type=pathlib.Path, help="where results go (bench/out/full or /quick)")
    parser.add_argument("--again", action="store_true", help="forget the parts that were measured before")
    parser.add_argument("--report-only", action="store_true", help="make the report of what has been measured")
    parser.add_argument("--document", action="store_true",
                        help="only write the tables and pictures of docs/results.md anew from what has been measured")
    parser.add_argument("built", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.out is None:
        options.out = HERE.parent / "out" / ("quick" if options.quick else "full")
    options.program = options.built / "gcbarrier_bench"
    return options


def refuse(why):
    print(f"bench: {why}", file=sys.stderr)
    sys.exit(2)


def part_of(name):
    """The part that a benchmark belongs to: program/WORKLOAD, or the name up to its barrier."""
    pieces = name.split("/")
    return "/".join(pieces[:2]) if pieces[0] in ("program", "crossover", "scale") else pieces[0]


def parts_of(options):
    """{part: benchmarks}; the parts that are programs of their own have none."""
    listed = subprocess.run([options.program, "--benchmark_list_tests"], capture_output=True, text=True, check=True)
    parts = {"doctor": [], "instructions": []}
    for name in listed.stdout.split():
        if not (options.quick and QUICK_SKIPS.search(name)):
            parts.setdefault(part_of(name), []).append(name)
    parts["libgc"] = []
    return {part: names for part, names in parts.items() if options.only.search(part)}


def file_of(options, part):
    return results.extra_file(options.out, part) if part in EXTRA else results.file_of(options.out, part)


def run(command, statuses=(0,)):
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode not in statuses:
        sys.exit(f"bench: {command[0]} failed with exit status {done.returncode}:\n{done.stderr}")


def measure_doctor(options, file):
    run([options.built / "gcbarrier-doctor", *(["--quick"] if options.quick else []), "--json", file], (0, 1))


def measure_libgc(options, file):
    if not (options.built / "gcbarrier-run").exists():
        return "libgc's headers are not installed"
    run([sys.executable, HERE.parent / "bdwgc" / "compare.py", options.built, "--quick", "--rounds",
         "1" if options.quick else "5", "--json", file])
    return None


def measure_instructions(options, file):
    return instructions.measure(options.built / "gcbarrier_store_instructions", file)


# What is no benchmark of the suite's program: returns why it could not be measured, if so.
EXTRA = {"doctor": measure_doctor, "instructions": measure_instructions, "libgc": measure_libgc}


def measure_benchmarks(options, names, file):
    # Names hold % and other signs that mean nothing to a regular expression; dots and plus signs do.
    chosen = "^(" + "|".join(re.escape(name) for name in names) + ")$"
    repetitions = REPETITIONS.get(names[0].split("/")[0], (1, 1))[0 if options.quick else 1]
    # Its greeting goes to the error stream too.
    run([options.program, f"--benchmark_filter={chosen}", f"--benchmark_repetitions={repetitions}",
         "--benchmark_enable_random_interleaving=true", "--benchmark_report_aggregates_only=false",
         f"--benchmark_out={file}", "--benchmark_out_format=json"])


def measure(options, part, names):
    file = file_of(options, part)
    unfinished = file.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    why = EXTRA[part](options, unfinished) if part in EXTRA else measure_benchmarks(options, names, unfinished)
    if why:
        print(f"bench: {part} is left out: {why}", file=sys.stderr)
        return
    json.loads(unfinished.read_text())  # whole, or it does not count
    unfinished.rename(file)


def usual_seconds(options, part, names):
    first, which = part.split("/")[0], 0 if options.quick else 1
    each = USUAL.get(first, (0.1, 0.2))[which]
    return each * max(len(names), 1) * REPETITIONS.get(first, (1, 1))[which]


def begin(options, known):
    """Forgets results that are not of this machine and these benchmarks."""
    options.out.mkdir(parents=True, exist_ok=True)
    machine = results.describe_machine(options.program)
    if options.again or (known.exists() and json.loads(known.read_text())["identity"] != machine["identity"]):
        for old in options.out.glob("*.json"):
            old.unlink()
    known.write_text(json.dumps(machine, indent=1))
    return machine


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: stopped; the same command goes on from here"))
    known = options.out / "machine.json"
    if options.report_only or options.document:
        if not known.exists():
            refuse(f"{options.out} has no results yet")
        machine, parts = json.loads(known.read_text()), {}
    else:
        parts = parts_of(options)
        if not parts:
            refuse(f"no part matches {options.only.pattern!r}")
        machine = begin(options, known)
    missing = [part for part in parts if not file_of(options, part).exists()]
    if len(missing) < len(parts):
        print(f"bench: {len(parts) - len(missing)} of {len(parts)} parts were measured before", file=sys.stderr)
    start = time.monotonic()
    usual = {part: usual_seconds(options, part, parts[part]) for part in missing}
    for done, part in enumerate(missing):
        spent = time.monotonic() - start
        passed, left = (sum(usual[p] for p in some) for some in (missing[:done], missing[done:]))
        # A part or two say little about the rest.
        pace = (spent + 60) / (passed + 60)
        cases = f" ({len(parts[part])} cases)" if parts[part] else ""
        print(f"bench: {done + 1}/{len(missing)} {part}{cases}, about {left * pace / 60:.1f} min left", file=sys.stderr, flush=True)
        measure(options, part, parts[part])
    report = options.out / "report.html"
    page.write(report, options.out, machine)
    if options.document:
        document.write(HERE.parents[1] / "docs" / "results.md", options.out, machine)
    print(f"bench: {time.monotonic() - start:.0f} s; the report is {os.path.relpath(report)}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nbench: stopped; the same command goes on from here")
    except subprocess.CalledProcessError as failed:
        sys.exit(f"bench: {failed.cmd[0]} failed with exit status {failed.returncode}")
