"""The page of ./run bench: report_page_test.py REPORT BUILT. Made of few and short measurements, of every kind that it shows."""
import pathlib
import subprocess
import sys
import tempfile

import browser
import checks
from browser import tally

REPORT, BUILT = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
sys.path.insert(0, str(REPORT))
import page  # noqa: E402
import results  # noqa: E402

# {part: which of its cases}
MEASURED = {
    "store": "^store/(hot|scattered)/(card|uffd_async|store_buffer)",
    "fault": "^fault/",
    "program": "^program/(lru_cache|sort)/(card|store_buffer|uffd_async)/nursery_MiB:4/size%:20/",
    "crossover/scattered": "^crossover/scattered/stores:(1000|1000000)/ppm:(1000|100000)/",
    "scale/threads": "^scale/threads/threads:[12]",
}


def measure(out):
    program = BUILT / "gcbarrier_bench"
    for part, cases in MEASURED.items():
        subprocess.run([program, f"--benchmark_filter={cases}", "--benchmark_repetitions=1", "--benchmark_min_time=0.01",
                        "--benchmark_report_aggregates_only=false", f"--benchmark_out={results.file_of(out, part)}",
                        "--benchmark_out_format=json"], check=True, capture_output=True)
    subprocess.run([BUILT / "gcbarrier-doctor", "--quick", "--json", results.extra_file(out, "doctor")], check=True, capture_output=True)
    page.write(out / "report.html", out, results.describe_machine(program))
    return out / "report.html"


def has_pictures(chromium, report):
    """Else the next test would have little to look at."""
    chromium.look(browser.WIDE)
    chromium.open(report)
    pictures = chromium.run("return document.querySelectorAll('figure svg').length")
    assert pictures >= 4, f"{pictures} pictures"


def is_whole(chromium, report):
    found = checks.problems(chromium, report)
    assert not found, found


def main():
    if browser.skipped("the report in a browser"):
        tally.finish()
    with tempfile.TemporaryDirectory() as folder, browser.started() as chromium:
        report = measure(pathlib.Path(folder))
        tally.check("the report has pictures", has_pictures, chromium, report)
        tally.check("the report is whole and readable without a network", is_whole, chromium, report)
    tally.finish()


if __name__ == "__main__":
    main()
