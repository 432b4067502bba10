"""For tests that are Python programs: counts cases, and ends as every test program does."""
import sys
import traceback

_count = {"passed": 0, "failed": 0, "skipped": 0}


def check(name, test, *arguments):
    """One case: it fails if test(*arguments) raises."""
    try:
        test(*arguments)
    except Exception:  # whatever it is, the other cases still run
        _count["failed"] += 1
        print(f"FAILED: {name}")
        print("".join(f"  | {line}\n" for line in traceback.format_exc().splitlines()), end="", flush=True)
    else:
        _count["passed"] += 1
        print(f"ok: {name}", flush=True)


def skip(name, why):
    """A case that cannot run here."""
    _count["skipped"] += 1
    print(f"SKIPPED: {name}: {why}")


def finish():
    print("tally: " + ", ".join(f"{number} {what}" for what, number in _count.items()))
    sys.exit(_count["failed"] > 0)
