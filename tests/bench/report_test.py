"""report_test.py REPORT BUILT: the modules of bench/report on figures made by hand, and ./run bench's suite on one part."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

REPORT, BUILT = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
sys.path.insert(0, str(REPORT))

import crossover  # noqa: E402
import document  # noqa: E402
import model  # noqa: E402
import programs  # noqa: E402
import results  # noqa: E402
import scale  # noqa: E402

DOCTOR = {
    "rule": "On this machine choose nothing | yet.",
    "costs_ns": [{"id": i, "median": m} for i, m in (("store", 0.3), ("card_mark", 0.5), ("find_card", 10), ("search_card", 40),
                                                     ("scan_clean", 2))],
    "cost_model_ps": {"fault": 1_000_000, "arm_page": 50_000, "report_page": 20_000, "search_page": 300_000},
}
MACHINE = {"processor": "made by hand", "identity": "0"}


def run_of(**counters):
    return {"real_time": 1.0, "time_unit": "ms", **counters}


def program(total_ms, mutator_ms=1, digest=1):
    return [run_of(mutator_ms=mutator_ms, digest=digest) | {"real_time": ms} for ms in total_ms]


class Model(unittest.TestCase):
    def test_break_even_is_where_both_cost_the_same(self):
        costs = model.Model(DOCTOR)
        pages, of_all = 1000, 0
        per_page = (1000 + 50 + 20 + 300 - 10 - 8 * 40) / 0.5  # of many stores a page: all eight cards are marked
        self.assertAlmostEqual(costs.plain(per_page * pages, pages, of_all), costs.cards(per_page * pages, pages))
        self.assertGreater(costs.plain(per_page * pages / 2, pages, of_all), costs.cards(per_page * pages / 2, pages))

    def test_the_policy_pays_no_fault_for_pages_that_come_again(self):
        costs = model.Model(DOCTOR)
        self.assertLess(costs.by_cost(1000, 100, 1000, True), costs.plain(1000, 100, 1000) - 100 * 1000)
        self.assertEqual(costs.by_cost(1000, 100, 1000, False), costs.plain(1000, 100, 1000))


class Crossover(unittest.TestCase):
    def cells(self, ratio):
        return {(percent, stores): {"uffd_async_ratio": ratio(stores / pages), "uffd_async_low": ratio(stores / pages) - 0.01,
                                    "uffd_async_high": ratio(stores / pages) + 0.01, "pages": pages}
                for percent, pages in ((1, 655), (10, 6553)) for stores in (10_000, 100_000, 1_000_000)}

    def test_wins_are_whole_intervals(self):
        self.assertEqual(crossover.wins(self.cells(lambda per_page: 0.985 if per_page > 1000 else 1.005), "uffd_async"),
                         (1, 5, 0))

    def test_break_even_is_above_every_loss(self):
        self.assertAlmostEqual(crossover.break_even(self.cells(lambda per_page: 0.9 if per_page > 100 else 2), "uffd_async"),
                               1_000_000 / 6553)
        self.assertIsNone(crossover.break_even(self.cells(lambda _: 1.1), "uffd_async"))


class Programs(unittest.TestCase):
    def runs(self, digest=1):
        names = {"card": program((10, 12, 14)), "store_buffer": program((9, 30, 31)), "uffd_async": program((5, 6, 28), digest=digest),
                 "none": program((1, 1, 1))}
        return {f"program/graph/{name}/nursery_MiB:4/size%:20/iterations:1/manual_time": runs for name, runs in names.items()}

    def test_ratios_are_to_the_best_software_barrier_within_a_repetition(self):
        (barriers,) = programs.by_case(self.runs()).values()
        self.assertEqual(programs.best_software(barriers), "card")
        self.assertEqual(results.spread(results.ratios(barriers["uffd_async"], barriers["card"]))[1], 0.5)

    def test_digests_that_differ_are_told(self):
        def bad(runs):
            ((case, barriers),) = programs.by_case(runs).items()
            return [b for b in programs.one_case(case, self.with_counters(barriers), None) if getattr(b, "bad", False)]
        self.assertFalse(bad(self.runs()))
        self.assertTrue(bad(self.runs(digest=2)))

    @staticmethod
    def with_counters(barriers):
        names = ("pause_p50_ms", "mmu_10ms", "collections", "peak_MiB")
        return {b: [run | dict.fromkeys(names, 1) for run in runs] for b, runs in barriers.items()}


class Document(unittest.TestCase):
    TEXT = ("before | this\n<!-- rule -->\nold\n<!-- end -->\nbetween\n<!-- table: scale_threads -->\n<!-- end -->\n"
            "<!-- picture: scale_threads -->\n<!-- end -->\n<!-- table: nothing -->\n<!-- end -->\nafter\n")

    def test_prose_stays_and_the_rest_is_from_the_run(self):
        with tempfile.TemporaryDirectory() as folder:
            out, file = pathlib.Path(folder), pathlib.Path(folder) / "page.md"
            results.extra_file(out, "doctor").write_text(json.dumps(DOCTOR))
            counters = {f"{b}_ms{end}": 2.5 for b in scale.BARRIERS for end in ("", "_low", "_high")}
            runs = [run_of(name=f"scale/threads/threads:{n}", run_name=f"scale/threads/threads:{n}", run_type="iteration",
                           **counters) for n in (1, 2)]
            results.file_of(out, "scale").write_text(json.dumps({"benchmarks": runs}))
            (out / "page").mkdir()
            (out / "page" / "stale.svg").write_text("")
            file.write_text(self.TEXT)
            document.write(file, out, MACHINE)
            once = file.read_text()
            document.write(file, out, MACHINE)
            self.assertEqual(once, file.read_text())
            self.assertEqual([part for part in once.split("\n") if part in ("before | this", "between", "after", "old")],
                             ["before | this", "between", "after"])
            self.assertIn("> " + DOCTOR["rule"], once)
            self.assertIn("| 2 | 2.5 |", once)
            self.assertIn("(page/scale_threads.svg)", once)
            self.assertIn("Not measured in this run.", once)
            self.assertEqual([f.name for f in (out / "page").iterdir()], ["scale_threads.svg"])


class Suite(unittest.TestCase):
    def suite(self, out, *options):
        return subprocess.run([sys.executable, "-B", REPORT / "suite.py", "--quick", "--out", out, *options, BUILT],
                              capture_output=True, text=True, check=False)

    def test_goes_on_where_it_was_and_refuses_what_is_not_there(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder)
            ran = self.suite(out, "--only", "^fault$")
            self.assertEqual(ran.returncode, 0, ran.stderr)
            self.assertIn("1/1 fault (3 cases)", ran.stderr)
            self.assertIn("First write to a protected page", (out / "report.html").read_text())
            measured = results.file_of(out, "fault").read_text()
            again = self.suite(out, "--only", "^fault$")
            self.assertIn("1 of 1 parts were measured before", again.stderr)
            self.assertEqual(measured, results.file_of(out, "fault").read_text())
            self.assertEqual(self.suite(out, "--only", "(").returncode, 2)
            none = self.suite(out, "--only", "^no such part$")
            self.assertEqual(none.returncode, 2)
            self.assertIn("no part matches", none.stderr)
            self.assertEqual(measured, results.file_of(out, "fault").read_text())

    def test_has_nothing_to_report_before_it_has_measured(self):
        with tempfile.TemporaryDirectory() as folder:
            for option in ("--report-only", "--document"):
                self.assertEqual(self.suite(pathlib.Path(folder), option).returncode, 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
