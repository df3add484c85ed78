"""How well the experience of the other data sets foretells which architectures do best on each.

    python benchmarks/portfolio/leave_one_out.py [--file plugins/automl_img_architectures/experience.json]

For each data set: Spearman's correlation of the expected order with the measured one; the place, by measured F1, of the architecture that
would come first; and its error over that of the best, beside the same for the cheapest one, with which a search without experience begins.
"""

from __future__ import annotations

import argparse
import math
import statistics
from pathlib import Path

from scipy.stats import spearmanr

from automl_img.search.experience import Experience, read_experiences
from automl_img.search.prior import expected_errors, relative_errors

SHIPPED = Path(__file__).resolve().parents[2] / "plugins" / "automl_img_architectures" / "experience.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--file", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    found = read_experiences(arguments.file)
    print(
        f"{'data':16} {'Spearman':>8} {'first':>16} {'its place':>9} {'its error / least':>18} {'cheapest':>16} {'error / least':>14}"
    )
    ratios: list[tuple[float, float]] = []
    for left_out in found:
        ratios.append(row(left_out, [one for one in found if one is not left_out]))
    experienced, cheapest = (statistics.geometric_mean(column) for column in zip(*ratios, strict=True))
    print(f"geometric mean of the ratios: {experienced:.2f} with experience, {cheapest:.2f} with the cheapest first")


def row(left_out: Experience, others: list[Experience]) -> tuple[float, float]:
    measured = relative_errors(left_out)
    names = sorted(measured)
    expected = expected_errors(others, left_out.circumstances, names)
    work = {trial.architecture: trial.megaflops for trial in left_out.trials}
    first, cheapest = min(names, key=expected.__getitem__), min(names, key=work.__getitem__)
    correlation = spearmanr([expected[name] for name in names], [measured[name] for name in names]).statistic
    place = sorted(names, key=measured.__getitem__).index(first) + 1
    ratio, other = math.exp(measured[first]), math.exp(measured[cheapest])
    print(f"{left_out.data:16} {correlation:8.2f} {first:>16} {place:>9} {ratio:18.2f} {cheapest:>16} {other:14.2f}")
    return ratio, other


if __name__ == "__main__":
    main()
