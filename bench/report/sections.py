"""All sections of a report, of whatever has been measured so far."""
import blocks
import crossover
import libgc
import micro
import programs
import results
import scale


def all_of(out):
    all_runs = results.load(out)
    doctor = results.load_extra(out, "doctor")
    rule = [blocks.Text(doctor["rule"])] if doctor and "rule" in doctor else []
    missing = [[name, results.failed(runs)] for name, runs in all_runs.items() if results.failed(runs)]
    return (rule + crossover.sections(all_runs, doctor) + programs.sections(all_runs) + scale.sections(all_runs)
            + libgc.sections(results.load_extra(out, "libgc"))
            + micro.sections(all_runs, results.load_extra(out, "instructions"))
            + ([blocks.Heading("What could not be measured here"), blocks.Table("missing", ["benchmark", "why"], missing)]
               if missing else []))
