"""The results of a run: one JSON file per part as Google Benchmark writes it, and what machine made them."""
import hashlib
import json
import pathlib
import platform
import re
import statistics
import subprocess


def file_of(out, part):
    return out / ("part_" + re.sub(r"[^A-Za-z0-9_.-]", "_", part) + ".json")


def describe_machine(program):
    """What the report says of the machine; `identity` tells results apart that must not be mixed."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    comment = subprocess.run(["readelf", "-p", ".comment", program], capture_output=True, text=True, check=False).stdout
    compiler = re.search(r"\]\s+(\S.*)", comment)
    huge = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
    machine = {
        "processor": cpu.group(1) if cpu else platform.machine(),
        "processors": len(re.findall(r"^processor", pathlib.Path("/proc/cpuinfo").read_text(), re.M)),
        "memory_GiB": round(int(memory.group(1)) / 2**20, 1) if memory else 0,
        "kernel": platform.release(),
        "compiler": compiler.group(1) if compiler else "unknown",
        "options": "-O2 -DNDEBUG",
        "huge pages": huge.read_text().strip() if huge.exists() else "none",
    }
    code = hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()
    machine["identity"] = hashlib.sha256((json.dumps(machine) + code).encode()).hexdigest()[:16]
    return machine


def load(out):
    """{benchmark name: [one dict per repetition]}, in the order of the files and of the names in them."""
    all_runs = {}
    for file in sorted(out.glob("part_*.json")):
        for run in json.loads(file.read_text())["benchmarks"]:
            if run.get("run_type") == "iteration":
                all_runs.setdefault(run["run_name"], []).append(run)
    return all_runs


def load_extra(out, part):
    """What a part that is not a benchmark has written, or None."""
    file = extra_file(out, part)
    return json.loads(file.read_text()) if file.exists() else None


def extra_file(out, part):
    return out / f"{part}.json"


def of_part(all_runs, part):
    """{rest of the name, split at its slashes: runs} of those that could be measured here."""
    chosen = {}
    for name, runs in all_runs.items():
        pieces = name.split("/")
        if pieces[0] == part and not failed(runs):
            # Google Benchmark adds iterations:1 and the like.
            rest = [p for p in pieces[1:] if not p.startswith(("iterations:", "min_time:", "manual_time"))]
            chosen[tuple(rest)] = runs
    return chosen


def argument(pieces, name):
    """The number after NAME: in a benchmark's name."""
    return next(int(p.split(":")[1]) for p in pieces if p.startswith(name + ":"))


def middle(runs, counter):
    return spread([run.get(counter, 0) for run in runs])[1]


def in_ms(run):
    return run["real_time"] * {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}[run["time_unit"]]


def spread(values):
    """(lower quartile, median, upper quartile)."""
    values = sorted(values)
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def ratios(runs, base):
    """Ratios of two benchmarks' times, repetition by repetition, so that a slow moment cancels out."""
    return [in_ms(a) / in_ms(b) for a, b in zip(runs, base)]


def failed(runs):
    return next((run["error_message"] for run in runs if run.get("error_occurred")), None)
