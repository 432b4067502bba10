"""Pictures as SVG that takes its ink from the page, so that it can be read on light and on dark."""
import io
import re

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

# Stands for the page's text colour until the picture is written.
INK = "#012345"
# Told apart by people who do not see red and green apart (Okabe and Ito).
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999933", "#8866AA", "#777777", "#44AA99"]

plt.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "gcbarrier", "font.family": "sans-serif", "font.size": 11,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none", "legend.framealpha": 0,
    "axes.spines.top": False, "axes.spines.right": False,
})


def as_svg(figure, title):
    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    svg = text.getvalue()[text.getvalue().index("<svg"):]
    svg = svg.replace(INK, "currentColor")
    # Its own width would not fit a narrow screen; the view box keeps the proportions.
    svg = re.sub(r' width="[^"]*pt"', "", svg, count=1)
    svg = re.sub(r' height="[^"]*pt"', "", svg, count=1)
    return f'<figure>{svg.replace("<svg", f"<svg role=img aria-label={title!r}", 1)}</figure>'


def ratio_bars(groups, title, axis):
    """One group of bars per program, one bar per barrier: {group: {barrier: (low, median, high)}}; 1 is a line."""
    barriers = list(dict.fromkeys(b for bars in groups.values() for b in bars))
    height = 0.8 / len(barriers)
    figure, axes = plt.subplots(figsize=(8.5, 1.2 + len(groups) * (0.2 + 0.16 * len(barriers))))
    for i, barrier in enumerate(barriers):
        at, middles, below, above = [], [], [], []
        for g, bars in enumerate(groups.values()):
            if barrier in bars:
                low, middle, high = bars[barrier]
                at.append(g + (i - (len(barriers) - 1) / 2) * height)
                middles.append(middle)
                below.append(middle - low)
                above.append(high - middle)
        axes.barh(at, middles, height=height * 0.9, label=barrier, color=COLOURS[i % len(COLOURS)], xerr=(below, above),
                  error_kw={"ecolor": INK, "elinewidth": 0.8})
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.invert_yaxis()
    axes.set_xlabel(axis)
    axes.set_title(title)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0 + 0.4 / figure.get_figheight()), ncol=5, frameon=False)
    return as_svg(figure, title)
