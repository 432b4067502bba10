"""Pictures as SVG that takes its ink from the page, so that it can be read on light and on dark."""
import html
import io
import re

import matplotlib

matplotlib.use("svg")
import matplotlib.colors  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
import matplotlib.ticker  # noqa: E402
import numpy  # noqa: E402

import blocks  # noqa: E402

# Stands for the page's text colour until the picture is written.
INK = "#012345"
# Told apart by people who do not see red and green apart (Okabe and Ito).
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999933", "#8866AA", "#777777", "#44AA99"]
MARKERS = "osD^vPX*<>"

plt.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "gcbarrier", "font.family": "sans-serif", "font.size": 11,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none", "legend.framealpha": 0,
    "axes.spines.top": False, "axes.spines.right": False,
})


def picture(name, figure, title):
    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    svg = text.getvalue()[text.getvalue().index("<svg"):]
    svg = svg.replace(INK, "currentColor")
    # As wide as its place, in the view box's proportions, but no smaller than its text was meant to be read.
    svg = re.sub(r' width="([\d.]+)pt"', r' style="min-width: \1px"', svg, count=1)
    svg = re.sub(r' height="[^"]*pt"', "", svg, count=1)
    # Several pictures on one page must not share the names of their parts.
    svg = re.sub(r'(id="|href="#|url\(#)', lambda found: found.group(1) + name + "-", svg)
    return blocks.Picture(name, title, svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(title)}"', 1))


def colour_of(number):
    return COLOURS[number % len(COLOURS)]


def ratio_bars(name, groups, title, axis):
    """One group of bars per program, one bar per barrier, from 1: {group: {barrier: (low, median, high)}}."""
    barriers = list(dict.fromkeys(b for bars in groups.values() for b in bars))
    height = 0.8 / len(barriers)
    figure, axes = plt.subplots(figsize=(8.5, 1.2 + len(groups) * (0.2 + 0.16 * len(barriers))))
    for i, barrier in enumerate(barriers):
        at, middles, below, above = [], [], [], []
        for g, bars in enumerate(groups.values()):
            if barrier in bars:
                low, middle, high = bars[barrier]
                at.append(g + (i - (len(barriers) - 1) / 2) * height)
                middles.append(middle - 1)
                below.append(middle - low)
                above.append(high - middle)
        axes.barh(at, middles, left=1, height=height * 0.9, label=barrier, color=colour_of(i), xerr=(below, above),
                  error_kw={"ecolor": INK, "elinewidth": 0.8})
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yticks(range(len(groups)), list(groups))
    axes.invert_yaxis()
    axes.set_xlabel(axis)
    axes.set_title(title, pad=50)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=5, frameon=False, fontsize=9)
    return picture(name, figure, title)


def lines(name, series, title, x_axis, y_axis, log_x=True, log_y=True):
    """{label: [(x, low, middle, high)]}; the band between low and high is shaded."""
    figure, axes = plt.subplots(figsize=(7.5, 4.6))
    for i, (label, points) in enumerate(series.items()):
        x, low, middle, high = zip(*sorted(points))
        axes.plot(x, middle, label=label, color=colour_of(i), marker=MARKERS[i % len(MARKERS)], markersize=5)
        axes.fill_between(x, low, high, color=colour_of(i), alpha=0.2, linewidth=0)
    if log_x:
        axes.set_xscale("log", base=2)
    if log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xticks(sorted({point[0] for points in series.values() for point in points}))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axes.set_xlabel(x_axis)
    axes.set_ylabel(y_axis)
    axes.set_title(title)
    axes.grid(color=INK, alpha=0.15)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return picture(name, figure, title)


def ratio_map(name, columns, rows, cells, predicted, title, x_axis, y_axis, legend):
    """Cells {(column, row): (ratio, text)}, columns and rows ascending; predicted {label: f(column, row) -> ratio},
    whose 1 is drawn as a line; not a number where it says nothing."""
    figure, axes = plt.subplots(figsize=(8.2, 5.6))
    values = numpy.full((len(rows), len(columns)), numpy.nan)
    for (column, row), (ratio, _) in cells.items():
        values[rows.index(row), columns.index(column)] = numpy.log2(ratio)
    limit = 3  # eight times faster or slower: the darkest
    colours = plt.get_cmap("PuOr_r")
    scale = matplotlib.colors.Normalize(-limit, limit)
    mesh = axes.pcolormesh(range(len(columns) + 1), range(len(rows) + 1), values, cmap=colours, norm=scale)
    for (column, row), (ratio, text) in cells.items():
        red, green, blue, _ = colours(scale(numpy.log2(ratio)))
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
        axes.text(columns.index(column) + 0.5, rows.index(row) + 0.5, text, ha="center", va="center", fontsize=9,
                  color="#ffffff" if dark else "#000000", linespacing=0.95)
    # Positions are logarithms as far as the steps are even, and between them in proportion.
    across = numpy.linspace(0.5, len(columns) - 0.5, 120)
    along = numpy.linspace(0.5, len(rows) - 0.5, 120)
    x = 10 ** numpy.interp(across - 0.5, range(len(columns)), numpy.log10(columns))
    y = 10 ** numpy.interp(along - 0.5, range(len(rows)), numpy.log10(rows))
    for number, (label, ratio) in enumerate(predicted.items()):
        heights = numpy.array([[numpy.log(ratio(column, row)) for column in x] for row in y])
        style = ("solid", "dashed")[number % 2]
        if numpy.nanmin(heights) < 0 < numpy.nanmax(heights):
            axes.contour(across, along, heights, levels=[0], colors=["#ffffff"], linewidths=4, linestyles=style)
            axes.contour(across, along, heights, levels=[0], colors=["#000000"], linewidths=2, linestyles=style)
            axes.plot([], [], color=INK, linestyle=style, linewidth=2, label=f"equal, predicted: {label}")
        else:
            side = "tracking wins" if numpy.nanmax(heights) <= 0 else "the software barrier wins"
            axes.plot([], [], linestyle="none", label=f"predicted by {label}: {side} everywhere here")
    axes.set_xticks([i + 0.5 for i in range(len(columns))], [f"{c:g}" for c in columns])
    axes.set_yticks([i + 0.5 for i in range(len(rows))], [f"{r:,}" for r in rows])
    axes.set_xlabel(x_axis)
    axes.set_ylabel(y_axis)
    axes.set_title(title)
    bar = figure.colorbar(mesh, ticks=range(-limit, limit + 1), fraction=0.05, pad=0.02)
    bar.ax.set_yticklabels([f"{2.0 ** power:g}" for power in range(-limit, limit + 1)])
    bar.set_label("time of tracking / of the best software barrier")
    bar.outline.set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(0, -0.14), title=legend,
                title_fontsize=9, alignment="left")
    return picture(name, figure, title)
