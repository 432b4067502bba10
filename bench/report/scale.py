"""What grows with what: the size of the old space, the part of it that is written, the threads that store."""
import blocks
import plots
import results

BARRIERS = ["card", "card_conditional", "store_buffer", "field_log", "uffd_async", "uffd_async+cost", "mprotect"]
GRAPHS = {
    ("old_space", "small_pages"): ("MiB", "Old space on 4 KiB pages: 300 000 stores to 1000 pages a cycle", "old space (MiB)"),
    ("old_space", "huge_pages"): ("MiB", "Old space on huge pages: 300 000 stores to 1000 pages a cycle", "old space (MiB)"),
    ("dirty",): ("percent", "More and more of 256 MiB written: 16 stores to each written page", "pages written in each cycle (%)"),
    ("threads",): ("threads", "Several threads store: 500 000 stores each, to the same 3000 pages", "threads that store"),
}


def sections(all_runs):
    measured = results.of_part(all_runs, "scale")
    parts = []
    for key, (argument, title, axis) in GRAPHS.items():
        cases = {results.argument(pieces, argument): runs[0] for pieces, runs in measured.items()
                 if pieces[:len(key)] == key}
        if not cases:
            continue
        barriers = [b for b in BARRIERS if any(f"{b}_ms" in run for run in cases.values())]
        name = "scale_" + "_".join(key)
        parts.append(plots.lines(name, {
            barrier: [(x, run[f"{barrier}_ms_low"], run[f"{barrier}_ms"], run[f"{barrier}_ms_high"])
                      for x, run in cases.items() if f"{barrier}_ms" in run] for barrier in barriers},
            title, axis, "a cycle (ms)", log_x=argument == "MiB"))
        parts.append(blocks.Table(name, [axis] + [f"{b} ms" for b in barriers],
                                  [[f"{x:,}"] + [f"{run[f'{b}_ms']:.3g}" if f"{b}_ms" in run else "" for b in barriers]
                                   for x, run in sorted(cases.items())]))
    if not parts:
        return []
    return [blocks.Heading("Scale"),
            blocks.Text("Whole cycles in wall clock: stores, reading the set, searching it, making the barrier ready again. The "
                        "band is the middle half of the repetitions.")] + parts
