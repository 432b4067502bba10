"""The crossover map: for how many stores, to how many of the pages, which barrier wins and by how much."""
import math

import blocks
import model
import plots
import results

SOFTWARE = {"card": "C", "card_conditional": "c", "store_buffer": "S", "field_log": "F"}
TRACKERS = {"uffd_async": "plain tracking", "uffd_async+cost": "cost-driven tracking"}
LOCALITIES = {
    "side_by_side": "the same pages in each cycle, side by side",
    "scattered": "the same pages in each cycle, scattered",
    "moving": "other pages in each cycle, scattered",
}


def by_locality(all_runs):
    """{locality: {(percent, stores): run}}"""
    cells = {}
    for pieces, runs in results.of_part(all_runs, "crossover").items():
        percent = results.argument(pieces, "ppm") / 1e4
        cells.setdefault(pieces[0], {})[percent, results.argument(pieces, "stores")] = runs[0]
    return {locality: cells[locality] for locality in LOCALITIES if locality in cells}


def predictions(doctor, all_runs, tracker, locality, of_all):
    if doctor is None or "cost_model_ps" not in doctor:
        return {}
    models = {"a card mark as in the cache": model.Model(doctor)}
    mark = model.scattered_mark(all_runs)
    if mark is not None:
        models["a card mark as for scattered stores"] = model.Model(doctor, mark)

    def ratio(costs):
        def of(percent, stores):
            pages = max(of_all * percent / 100, 1)
            if stores < pages:
                return math.nan
            if tracker == "uffd_async":
                tracking = costs.plain(stores, pages, of_all)
            else:
                tracking = costs.by_cost(stores, pages, of_all, locality != "moving")
            return tracking / costs.cards(stores, pages)
        return of
    return {label: ratio(costs) for label, costs in models.items()}


def one_map(locality, tracker, cells, doctor, all_runs):
    columns = sorted({percent for percent, _ in cells})
    rows = sorted({stores for _, stores in cells})
    of_all = next(iter(cells.values()))["pages_of_all"]
    shown = {place: (run[f"{tracker}_ratio"], f"{run[f'{tracker}_ratio']:.2g}\n{SOFTWARE[run['label']]}")
             for place, run in cells.items()}
    letters = ", ".join(f"{letter} {name}" for name, letter in SOFTWARE.items())
    return plots.ratio_map(
        f"crossover_{locality}_{tracker.replace('+', '_')}", columns, rows, shown,
        predictions(doctor, all_runs, tracker, locality, of_all),
        f"{TRACKERS[tracker].capitalize()} against the best software barrier:\n{LOCALITIES[locality]}",
        f"pages written in each cycle (% of {of_all * 4 / 1024:.0f} MiB)", "pointer stores in each cycle",
        f"Below 1 tracking wins. The best software barrier here: {letters}.")


def wins(cells, tracker):
    """Cells in which the whole 90 % interval is on one side: (tracking wins, neither, software wins)."""
    won = sum(run[f"{tracker}_high"] < 1 for run in cells.values())
    lost = sum(run[f"{tracker}_low"] > 1 for run in cells.values())
    return won, len(cells) - won - lost, lost


def break_even(cells, tracker):
    """Stores for each written page, at and above which tracking has won in each cell with at least 1 % written; None
    where there is no such number."""
    dense = sorted((stores / run["pages"], run[f"{tracker}_ratio"]) for (percent, stores), run in cells.items()
                   if percent >= 1)
    lost = [per_page for per_page, ratio in dense if ratio >= 1]
    above = [per_page for per_page, _ in dense if not lost or per_page > max(lost)]
    return min(above) if above else None


def sections(all_runs, doctor):
    localities = by_locality(all_runs)
    if not localities:
        return []
    parts = [
        blocks.Heading("Crossover map"),
        blocks.Text("One cycle: pointer stores into an old space of 256 MiB, then the set is read and searched, and the barrier "
                    "made ready again. Every sixteenth store is of a young pointer. All barriers take turns with the same "
                    "stores; time is the thread's own. A page needs a store to be written, so each map is a triangle. The line "
                    "is where the costs that the doctor measured in this run say that tracking and cards cost the same."),
    ]
    rows = []
    for tracker, described in TRACKERS.items():
        for locality, cells in localities.items():
            won, open_, lost = wins(cells, tracker)
            best = min(run[f"{tracker}_ratio"] for run in cells.values())
            worst = max(run[f"{tracker}_ratio"] for run in cells.values())
            even = break_even(cells, tracker)
            rows.append([f"{described}, {LOCALITIES[locality]}", won, open_, lost, f"{best:.2f}", f"{worst:.1f}",
                         "none" if even is None else f"{even:.0f}"])
    parts.append(blocks.Table("crossover", ["tracking, pages", "cells won", "undecided", "lost", "best ratio", "worst ratio",
                                            "wins from, stores per written page"], rows))
    parts.append(blocks.Text("Won and lost: all of the 90 % interval of the ratio to the best software barrier is on that side "
                             "of 1. The last column: above so many stores for each page that a cycle writes, tracking won in "
                             "every cell in which 1 % of the pages or more are written."))
    for tracker in TRACKERS:
        parts += [one_map(locality, tracker, cells, doctor, all_runs) for locality, cells in localities.items()]
    return parts
