"""The cost model: what a cycle should cost by the figures that the doctor measured in the same run. Nanoseconds."""
import results


class Model:
    """`doctor` is what gcbarrier-doctor --json wrote; docs/policy.md explains the costs of tracking."""

    def __init__(self, doctor, mark=None):
        costs = {one["id"]: one["median"] for one in doctor["costs_ns"]
                 if one.get("mechanism", "uffd_async") == "uffd_async"}
        tracking = {name: picoseconds / 1e3 for name, picoseconds in doctor["cost_model_ps"].items()}
        self.store = costs["store"]
        self.mark = max(costs["card_mark"], 0) if mark is None else mark
        self.find_card = costs["find_card"]
        self.search_card = costs["search_card"]
        self.pass_page = costs["scan_clean"]
        self.fault = tracking["fault"]
        self.arm_page = tracking["arm_page"]
        self.report_page = tracking["report_page"]
        self.search_page = tracking["search_page"]

    def cards(self, stores, pages):
        """The marks; and for each of the page's eight cards that is marked, finding and searching it."""
        marked = 8 * (1 - (7 / 8) ** (stores / pages))
        return stores * (self.store + self.mark) + pages * (self.find_card + marked * self.search_card)

    def plain(self, stores, pages, of_all):
        """A fault for each page that is written, its share of the scan, the search of it, and a walk over the rest."""
        written = self.fault + self.arm_page + self.report_page + self.search_page
        return stores * self.store + pages * written + of_all * self.pass_page

    def by_cost(self, stores, pages, of_all, same_pages):
        """Pages that each cycle writes stay unprotected; those that others write are as without a policy."""
        if not same_pages:
            return self.plain(stores, pages, of_all)
        rent = min(self.report_page, self.fault + self.arm_page + self.report_page)
        return stores * self.store + pages * (rent + self.search_page) + of_all * self.pass_page


def scattered_mark(all_runs):
    """What a card mark adds to a store that goes anywhere in 64 MiB, or None."""
    stores = results.of_part(all_runs, "store")
    with_mark, without = stores.get(("scattered", "card")), stores.get(("scattered", "uffd_async"))
    if not with_mark or not without:
        return None
    return max(results.middle(with_mark, "ns_per_store") - results.middle(without, "ns_per_store"), 0)
