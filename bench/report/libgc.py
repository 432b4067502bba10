"""Programs on Debian's libgc: as they are, with its own incremental modes, and with the adapter (bench/bdwgc)."""
import blocks


def sections(measured):
    if not measured:
        return []
    parts = [
        blocks.Heading("libgc"),
        blocks.Text("Unmodified programs on Debian's libgc: stock stops the world, mprotect is its own incremental mode with a "
                    "page-protection barrier, ours is that mode with dirty bits from userfaultfd. Pauses of all rounds taken "
                    "together, the rest medians of the rounds, which were interleaved."),
    ]
    for name, modes in measured["summary"].items():
        stock = modes.get("stock", {}).get("seconds")
        rows = []
        for mode, one in modes.items():
            if "seconds" not in one:
                rows.append([mode, f"aborted in {one['failed']} of {one['runs']} runs"] + [""] * 7)
                continue
            rows.append([mode, f"{one['seconds']:.2f}", f"{one['seconds'] / stock:.2f}" if stock else "",
                         f"{one['cpu_seconds']:.2f}", f"{one['pauses']:.0f}", f"{one['p50_ms']:.2f}", f"{one['p90_ms']:.2f}",
                         f"{one['max_ms']:.1f}", f"{one['faults']:.0f}"])
        rounds = max(one["runs"] for one in modes.values())
        parts += [blocks.Heading(f"{name} ({rounds} rounds)", 3),
                  blocks.Table("libgc_" + name.replace(", ", "_").replace(" ", "_"),
                               ["mode", "total s", "to stock", "CPU s", "pauses", "p50 ms", "p90 ms", "max ms", "faults"], rows)]
    return parts
