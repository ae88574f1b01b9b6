"""Draws what bench/compare measured at rising loads (JSON on stdin) into a folder."""

import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({
    "svg.fonttype": "none",  # text stays text: a tenth of the size, and it can be searched
    "svg.hashsalt": "clickstream",  # the same data make the same file
    "font.family": "sans-serif",
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
})
from matplotlib import pyplot, ticker  # noqa: E402: after the settings

STYLE = {
    "consume.yaml": ("#1f6feb", "o"),
    "bench/limit": ("#57606a", "s"),
    "Python": ("#bf8700", "^"),
}


def save(figure, axes, path):
    axes.set_xscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ticker.EngFormatter(sep=""))  # 10k, not 10^4
        axis.set_minor_formatter(ticker.NullFormatter())
    axes.set_xlabel("offered load, events per second")
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)


def players(loads):
    for name, (color, marker) in STYLE.items():
        points = sorted((l for l in loads if l["Player"] == name), key=lambda l: l["Produced"])
        if points:
            yield name, color, marker, points


def throughput(loads, path):
    figure, axes = pyplot.subplots(figsize=(7, 4))
    low, high = min(l["Offered"] for l in loads), max(l["Offered"] for l in loads)
    axes.plot([low, high], [low, high], color="#d0d7de", linewidth=1, label="all that is offered")
    for name, color, marker, points in players(loads):
        axes.plot([p["Offered"] for p in points], [p["Stored"] for p in points], color=color, marker=marker, label=name)
    axes.set_yscale("log")
    axes.set_ylabel("rows stored per second")
    save(figure, axes, path)


def freshness(loads, path):
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for name, color, marker, points in players(loads):
        for quantile, line in (("P50", "--"), ("P99", "-")):
            axes.plot([p["Offered"] for p in points], [p[quantile] for p in points], color=color, marker=marker,
                      linestyle=line, label=f"{name} {quantile.lower()}")
    axes.set_yscale("log")
    axes.set_ylabel("milliseconds, event made to row visible")
    save(figure, axes, path)


def main():
    loads, folder = json.load(sys.stdin), pathlib.Path(sys.argv[1])
    throughput(loads, folder / "bench-throughput.svg")
    freshness(loads, folder / "bench-freshness.svg")


if __name__ == "__main__":
    main()
