"""Counts the instructions of each barrier's store with callgrind, which is the same number in every run."""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import tempfile


def count(program, barrier, situation, stores):
    """Instructions a store, or None where the barrier does not work here."""
    with tempfile.NamedTemporaryFile() as file:
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={file.name}", "--collect-atstart=no",
             "--toggle-collect=*counted_store*", program, barrier, situation],
            capture_output=True, text=True, check=False, timeout=120)
        if run.returncode == 3:
            return None
        if run.returncode != 0:
            raise RuntimeError(f"valgrind {program} {barrier} {situation}: status {run.returncode}\n{run.stderr}")
        total = re.search(r"^(?:summary|totals): (\d+)", open(file.name).read(), re.M)
    return int(total.group(1)) / stores - 1  # the return is not the store's


def measure(program, file):
    if not shutil.which("valgrind"):
        return "valgrind is not installed"
    listed = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split("\n")
    words = [line.split(" ", 1) for line in listed if line]
    stores = next(int(value) for key, value in words if key == "stores")
    situations = [value for key, value in words if key == "situation"]
    barriers = [value for key, value in words if key == "barrier"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {(b, s): pool.submit(count, program, b, s, stores) for b in barriers for s in situations}
        counted = {b: {s: jobs[b, s].result() for s in situations} for b in barriers}
    tool = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    file.write_text(json.dumps({"tool": f"callgrind ({tool})", "stores": stores, "instructions": counted}, indent=1))
    return None
