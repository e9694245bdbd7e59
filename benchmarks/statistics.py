"""How often the statistics of review and launch are wrong, by simulation, beside the figures of the design study.

    python -m benchmarks.statistics [--write]

False alarms and detection of the verdict on a baseline, and of the boundary rule; false adoption and power of the
launch rule, also with a shortlist, and how often a candidate on one is called clearly worse; false alarms and detection
of what is read off one curve, and of a sample for evaluation; bias of the best of n; what more trials gain against its
forecast; false alarms of the gain of a round, of the best value of what was asked about, and of what matters; coverage
of every interval. `--write` puts the table into benchmarks/results.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import of_rounds, of_runs

RESULTS = Path(__file__).parent / "results" / "statistics.md"


def main() -> None:
    """Run all simulations and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/results")
    options = parser.parse_args()
    lines = [
        "# Statistics by simulation",
        "",
        "`make bench-statistics` writes this table. The last column has the figure that the rule was designed with,",
        "from a simulation of its own; a dash where there was none. Units are standard deviations from run to run.",
        "",
        "| rule | case | measured | designed with |",
        "|---|---|---|---|",
    ]
    for line in lines:
        print(line)
    for simulation in (
        of_runs.of_baseline,
        of_rounds.of_boundary,
        of_runs.of_launch,
        of_runs.of_shortlist,
        of_runs.of_curves,
        of_rounds.of_best_of,
        of_rounds.of_forecast,
        of_rounds.of_isolation,
        of_rounds.of_gain,
        of_rounds.of_importance,
        of_runs.of_intervals,
    ):
        for row in simulation():
            line = "| " + " | ".join(row) + " |"
            lines.append(line)
            print(line, flush=True)
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
