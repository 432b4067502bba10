"""The whole programs: which barrier makes which workload how fast."""
import math

import plots
import results
from markup import cell, escape, table

# Those whose store is the plain store; the others are what they are compared with.
KERNEL = ("uffd_async", "uffd_async+cost", "soft_dirty", "mprotect", "uffd_sync", "hybrid", "none")


def by_case(all_runs):
    """{(workload, sizes): {barrier: runs}}; barriers that cannot run here are left out."""
    cases = {}
    for name, runs in all_runs.items():
        pieces = name.split("/")
        if pieces[0] == "program" and not results.failed(runs):
            # Google Benchmark adds iterations:1 and manual_time to the name.
            sizes = ", ".join(p.replace(":", " ").replace("_", " ") for p in pieces[3:] if p.startswith(("nursery", "size")))
            cases.setdefault((pieces[1], sizes), {})[pieces[2]] = runs
    # Repetitions were interleaved, so the order in the files means nothing.
    return {case: dict(sorted(barriers.items())) for case, barriers in cases.items()}


def best_software(barriers):
    software = [b for b in barriers if b not in KERNEL]
    return min(software, key=lambda b: results.spread([results.in_ms(r) for r in barriers[b]])[1])


def median(runs, counter):
    return results.spread([run.get(counter, 0) for run in runs])[1]


def one_case(title, barriers):
    base = best_software(barriers)
    rows = []
    digests = set()
    for barrier, runs in barriers.items():
        total = results.spread([results.in_ms(r) for r in runs])
        ratio = results.spread(results.ratios(runs, barriers[base]))
        digests |= {r["digest"] for r in runs}
        rows.append([
            cell(barrier, barrier == base), f"{total[1]:.0f}", f"{total[0]:.0f}&ndash;{total[2]:.0f}",
            cell(f"{ratio[1]:.2f}", ratio[1] < 0.995), f"{ratio[0]:.2f}&ndash;{ratio[2]:.2f}",
            *(f"{median(runs, c):.2f}" for c in ("mutator_ms", "pause_p50_ms", "pause_p90_ms", "pause_p99_ms", "pause_max_ms")),
            *(f"{median(runs, c):.0f}" for c in ("collections", "dirty_pages", "searched_MiB", "peak_MiB")),
        ])
    agree = "" if len(digests) == 1 else "<p class=bad>The digests do not agree: these figures mean nothing.</p>"
    heads = ["barrier", "total ms", "quartiles", f"ratio to {escape(base)}", "quartiles", "mutator ms", "pause p50 ms", "p90",
             "p99", "max", "collections", "dirty pages", "searched MiB", "peak MiB"]
    return f"<h3>{escape(title)}</h3>{agree}{table(heads, rows)}"


def geometric_means(cases):
    """{barrier: mean ratio to the best software barrier of each case}."""
    logs = {}
    for barriers in cases.values():
        base = best_software(barriers)
        for barrier, runs in barriers.items():
            logs.setdefault(barrier, []).append(math.log(results.spread(results.ratios(runs, barriers[base]))[1]))
    return {barrier: math.exp(sum(values) / len(values)) for barrier, values in logs.items()}


def section(all_runs):
    cases = by_case(all_runs)
    if not cases:
        return ""
    picture = plots.ratio_bars(
        {workload + (f" ({sizes})" if sizes else ""): {
            barrier: results.spread(results.ratios(runs, barriers[best_software(barriers)]))
            for barrier, runs in barriers.items()} for (workload, sizes), barriers in cases.items()},
        "Total time of whole programs", "ratio to the best software barrier of each program (less is better)")
    means = geometric_means(cases)
    rows = [[cell(escape(b), m < 0.995), f"{m:.3f}"] for b, m in sorted(means.items(), key=lambda item: item[1])]
    return ("<h2>Whole programs</h2><p>The same collector, allocator, search and compiler flags; only the barrier differs. "
            "Repetitions are interleaved, ratios are taken within a repetition, and what is printed is the median with its "
            "quartiles. Ratios are to the software barrier that was fastest on that very program, which nobody knows "
            "beforehand. Bold: faster than it.</p>"
            + picture + "<h3>Geometric mean over all programs</h3>"
            + table(["barrier", "ratio to the best software barrier"], rows)
            + "".join(one_case(f"{workload}, {sizes}", barriers) for (workload, sizes), barriers in cases.items()))
