"""Single operations, each beside the bare system call or the memory bandwidth of the same run."""
import blocks
import results


def times(value_ns):
    return f"{value_ns / 1e3:.3g} µs" if value_ns >= 1e3 else f"{value_ns:.3g} ns"


def faults(all_runs):
    rows = []
    for (name,), runs in sorted(results.of_part(all_runs, "fault").items(), key=lambda one: one[1][0]["ns"]):
        run = runs[0]
        rows.append([name, times(run["ns"]), f"{times(run['ns_low'])} – {times(run['ns_high'])}", times(run["bare_ns"]),
                     f"{run['ratio']:.2f} ({run['ratio_low']:.2f}–{run['ratio_high']:.2f})",
                     times(run["fresh_page_ns"]), times(run["system_call_ns"])])
    if not rows:
        return []
    return [blocks.Heading("First write to a protected page", 3),
            blocks.Table("fault", ["mechanism", "the write", "quartiles", "handled by hand", "ratio (90 %)",
                                   "first touch of a fresh page", "a system call"], rows)]


def searches(all_runs):
    rows = []
    for (method, place), runs in sorted(results.of_part(all_runs, "search").items()):
        run = runs[0]
        rows.append([f"{method}, {place.replace('_', ' ')}", f"{run['ns_per_page']:.0f}", f"{run['GB_per_s']:.1f}",
                     f"{run['bandwidth_GB_per_s']:.1f}",
                     f"{run['of_bandwidth']:.2f} ({run['of_bandwidth_low']:.2f}–{run['of_bandwidth_high']:.2f})"])
    if not rows:
        return []
    return [blocks.Heading("Search for pointers into the nursery", 3),
            blocks.Table("search", ["method, where the pages are", "ns per 4 KiB", "GB/s", "memchr GB/s",
                                    "of that bandwidth (90 %)"], rows)]


CALLS = {"peek": "scan (peek)", "arm": "re-arm (arm)", "collect": "both (collect)"}


def calls(all_runs):
    by_size = {}
    for part, described in CALLS.items():
        for pieces, runs in results.of_part(all_runs, part).items():
            run = runs[0]
            percent = results.argument(pieces, "dirty%")
            written = "clean" if percent == 0 else f"{percent} % written"
            if percent and pieces[0] == "small_pages":
                written += ", one by one" if results.argument(pieces, "one_by_one") else ", in runs of 64"
            by_size.setdefault(results.argument(pieces, "MiB"), []).append(
                [f"{described}, {pieces[0].replace('_', ' ')}, {written}", f"{run['us']:.1f}", f"{run['bare_us']:.1f}",
                 f"{run['ratio']:.2f} ({run['ratio_low']:.2f}–{run['ratio_high']:.2f})", f"{run['ns_per_page']:.2f}"])
    if not by_size:
        return []
    parts = [blocks.Heading("Scan and re-arm", 3),
             blocks.Text("Beside the bare PAGEMAP_SCAN ioctl with a vector that is always large enough, on the same memory.")]
    return parts + [blocks.Table(f"calls_{size}", [f"call, pages of {size} MiB", "µs", "bare ioctl µs", "ratio (90 %)",
                                                   "ns per page"], rows) for size, rows in sorted(by_size.items())]


PATTERNS = {"hot": "4 KiB, over and over", "in_order": "through 64 MiB in order", "scattered": "anywhere in 64 MiB"}


def stores(all_runs):
    measured = results.of_part(all_runs, "store")
    if not measured:
        return []
    names = sorted({name for _, name in measured},
                   key=lambda name: results.middle(measured.get(("hot", name), [{}]), "ns_per_store"))
    rows = [[name] + [f"{results.middle(measured[pattern, name], 'ns_per_store'):.2f}" if (pattern, name) in measured else ""
                      for pattern in PATTERNS] for name in names]
    return [blocks.Heading("A pointer store", 3),
            blocks.Text("Of an old pointer, with nothing else going on; the pages have taken their faults. Nanoseconds."),
            blocks.Table("store", ["barrier"] + list(PATTERNS.values()), rows)]


def instructions(counted):
    if not counted:
        return []
    situations = list(dict.fromkeys(s for of in counted["instructions"].values() for s in of))
    rows = [[barrier] + ["" if of.get(s) is None else f"{of[s]:g}" for s in situations]
            for barrier, of in counted["instructions"].items()]
    return [blocks.Heading("Instructions of a pointer store", 3),
            blocks.Text(f"Counted by {counted['tool']}, the store itself included and the return not: the mean of "
                        f"{counted['stores']} stores, the same in every run. Faults are no instructions of the program."),
            blocks.Table("instructions", ["barrier"] + [s.replace("_", " ") for s in situations], rows)]


def sections(all_runs, counted):
    parts = stores(all_runs) + instructions(counted) + faults(all_runs) + calls(all_runs) + searches(all_runs)
    return [blocks.Heading("Single operations")] + parts if parts else []
