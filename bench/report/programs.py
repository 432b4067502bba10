"""The whole programs: which barrier makes which workload how fast."""
import math

import blocks
import plots
import results

ORDER = ["card", "card_conditional", "store_buffer", "field_log", "uffd_async", "uffd_async+cost", "hybrid", "soft_dirty",
         "mprotect", "uffd_sync", "none"]
# The others are the software barriers, which have instructions in the store.
KERNEL = {"uffd_async", "uffd_async+cost", "soft_dirty", "mprotect", "uffd_sync", "hybrid", "none"}


def by_case(all_runs):
    """{(workload, sizes): {barrier: runs}} in the order of reports; barriers that cannot run here are left out."""
    cases = {}
    for pieces, runs in results.of_part(all_runs, "program").items():
        cases.setdefault(case_of(pieces[0], pieces), {})[pieces[1]] = runs
    return {case: {b: barriers[b] for b in ORDER if b in barriers} for case, barriers in sorted(cases.items())}


def case_of(workload, pieces):
    return workload, f"nursery {results.argument(pieces, 'nursery_MiB')} MiB, size {results.argument(pieces, 'size%')} %"


def stores_by_case(all_runs):
    """{case: (pointer stores, those for each page that plain tracking found written)}"""
    counted = {}
    for pieces, runs in results.of_part(all_runs, "program_stores").items():
        stores = results.middle(runs, "stores")
        counted[case_of(pieces[0], pieces)] = stores, stores / max(results.middle(runs, "dirty_pages"), 1)
    return counted


def best_software(barriers):
    software = [b for b in barriers if b not in KERNEL]
    return min(software, key=lambda b: results.spread([results.in_ms(r) for r in barriers[b]])[1])


def compared(barriers):
    """Without the one that has no remembered set, which is in no race."""
    return {b: runs for b, runs in barriers.items() if b != "none"}


def range_text(low, high, digits=2):
    return f"{low:.{digits}f}–{high:.{digits}f}"


def mutator(runs, base):
    return results.spread([a["mutator_ms"] / b["mutator_ms"] for a, b in zip(runs, base)])


def one_case(case, barriers, stores):
    workload, sizes = case
    base = best_software(barriers)
    rows, digests = [], set()
    for barrier, runs in barriers.items():
        digests |= {r["digest"] for r in runs}
        total = results.spread([results.in_ms(r) for r in runs])
        ratio = results.spread(results.ratios(runs, barriers[base]))
        to_none = mutator(runs, barriers["none"]) if "none" in barriers else None
        rows.append([
            blocks.bold(barrier, barrier == base), f"{total[1]:.0f}", range_text(total[0], total[2], 0),
            blocks.bold(f"{ratio[1]:.2f}", ratio[1] < 0.995), range_text(ratio[0], ratio[2]),
            f"{results.middle(runs, 'mutator_ms'):.0f}", f"{to_none[1]:.2f}" if to_none else "",
            *(f"{results.middle(runs, c):.2f}" for c in ("pause_p50_ms", "pause_p90_ms", "pause_p99_ms", "pause_max_ms")),
            *(f"{100 * results.middle(runs, c):.0f}" for c in ("mmu_10ms", "mmu_100ms", "mmu_1000ms")),
            *(f"{results.middle(runs, c):.0f}" for c in ("collections", "dirty_pages", "searched_MiB", "peak_MiB")),
        ])
    heads = ["barrier", "total ms", "quartiles", f"ratio to {base}", "quartiles", "mutator ms", "to none's",
             "pause p50 ms", "p90", "p99", "max", "MMU % 10 ms", "100 ms", "1 s", "collections", "dirty pages",
             "searched MiB", "peak MiB"]
    parts = [blocks.Heading(f"{workload}, {sizes}", 3)]
    if len(digests) > 1:
        parts.append(blocks.Text("The digests do not agree: these figures mean nothing.", bad=True))
    if stores:
        parts.append(blocks.Text(f"{stores[0] / 1e6:.1f} million pointer stores, {stores[1]:,.0f} for each page that plain "
                                 "tracking found written."))
    return parts + [blocks.Table(f"program_{workload}_{sizes}".replace(" ", "_"), heads, rows)]


def summary(cases, stores):
    """One row a case: the best software barrier, and how tracking compares with it."""
    rows = []
    for (workload, sizes), barriers in cases.items():
        base = best_software(barriers)
        total = results.spread([results.in_ms(r) for r in barriers[base]])[1]
        row = [f"{workload}, {sizes}", base, f"{total:.0f}"]
        for tracker in ("uffd_async", "uffd_async+cost", "hybrid", "mprotect", "uffd_sync"):
            if tracker not in barriers:
                row.append("")
                continue
            low, middle, high = results.spread(results.ratios(barriers[tracker], barriers[base]))
            row.append(blocks.bold(f"{middle:.2f} ({range_text(low, high)})", high < 1))
        row.append(f"{stores[workload, sizes][1]:,.0f}" if (workload, sizes) in stores else "")
        rows.append(row)
    return blocks.Table("programs", ["program", "best software", "its ms", "uffd_async", "uffd_async+cost", "hybrid",
                                     "mprotect", "uffd_sync", "stores per dirty page"], rows)


def geometric_means(cases):
    """{barrier: mean ratio to the best software barrier of each case}."""
    logs = {}
    for barriers in cases.values():
        base = best_software(barriers)
        for barrier, runs in compared(barriers).items():
            logs.setdefault(barrier, []).append(math.log(results.spread(results.ratios(runs, barriers[base]))[1]))
    return {barrier: math.exp(sum(values) / len(values)) for barrier, values in logs.items()}


def sections(all_runs):
    cases = by_case(all_runs)
    if not cases:
        return []
    bars = plots.ratio_bars(
        "programs", {f"{workload}\n{sizes}": {
            barrier: results.spread(results.ratios(runs, barriers[best_software(barriers)]))
            for barrier, runs in compared(barriers).items() if barrier != "uffd_sync"}
            for (workload, sizes), barriers in cases.items()},
        "Total time of whole programs", "ratio to the best software barrier of each program (less is better)")
    stores = stores_by_case(all_runs)
    means = geometric_means(cases)
    rows = [[b, blocks.bold(f"{m:.3f}", m < 0.995)] for b, m in sorted(means.items(), key=lambda item: item[1])]
    parts = [
        blocks.Heading("Whole programs"),
        blocks.Text("The same collector, allocator, search and compiler flags; only the barrier differs. Repetitions are "
                    "interleaved, ratios are taken within a repetition, and what is printed is the median with its quartiles. "
                    "Ratios are to the software barrier that was fastest on that very program, which nobody knows beforehand. "
                    "Bold: faster than it. Ratios of the mutator are to that of a program without any barrier (none), whose "
                    "collections search all of the old space. MMU: minimum mutator utilisation, the least part of any window "
                    "of that length that the program had for itself. Size is of the workload, 100 % being up to 256 MiB of "
                    "old objects. The picture leaves out uffd_sync, which the tables have."),
        summary(cases, stores), bars,
        blocks.Heading("Geometric mean over all programs", 3),
        blocks.Table("means", ["barrier", "ratio to the best software barrier"], rows),
    ]
    for case, barriers in cases.items():
        parts += one_case(case, barriers, stores.get(case))
    return parts
