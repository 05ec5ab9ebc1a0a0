// The depth chart: how much is open up to each price, both sides, as steps.

import uPlot from "../../vendor/uplot-1.6.32/uPlot.esm.js";
import { grouped } from "./ladder.js";
import { colours, onThemeChange } from "./theme.js";

const LEVELS = 200;

export class DepthChart {
  constructor(place, facts) {
    this.place = place;
    this.facts = facts;
    this.empty = place.querySelector(".mk-empty");
    this.data = [[], [], []];
    this.build();
    onThemeChange(() => this.build());
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(place);
  }

  draw(book) {
    this.data = depthSeries(book.best("bids", LEVELS), book.best("asks", LEVELS));
    this.plot.setData(this.data);
    // Until the book has come, nobody knows whether it is empty.
    this.empty.hidden = book.seq === null || this.data[0].length > 0;
  }

  size() {
    return { width: Math.max(this.place.clientWidth, 200), height: this.place.clientHeight };
  }

  build() {
    this.plot?.destroy();
    const paint = colours();
    const axis = { stroke: paint.text, grid: { stroke: paint.line, width: 1 }, ticks: { stroke: paint.line, width: 1 } };
    const steps = uPlot.paths.stepped({ align: 1 });
    const side = (label, stroke, fill, paths) => ({ label, stroke, fill, paths, width: 1.5, points: { show: false }, spanGaps: false });
    this.plot = new uPlot(
      {
        ...this.size(),
        padding: [8, 8, 6, 0],
        cursor: { drag: { x: false, y: false } },
        legend: { show: false },
        scales: { x: { time: false }, y: { range: (_plot, _low, high) => [0, (high || 1) * 1.06] } },
        axes: [
          { ...axis, values: (_plot, splits) => splits.map((price) => grouped(+price.toFixed(this.facts.price_decimals))) },
          { ...axis, size: 64, values: (_plot, splits) => splits.map((sum) => grouped(+sum.toPrecision(6))) },
        ],
        series: [
          {},
          side("Bids", paint.good, paint.goodSoft, uPlot.paths.stepped({ align: -1 })),
          side("Asks", paint.bad, paint.badSoft, steps),
        ],
      },
      this.data,
      this.place,
    );
  }
}

// x rising; at each price what is bid there or above, and what is asked there or below. Where bids and asks
// cross, before an opening, both are drawn over each other.
export function depthSeries(bids, asks) {
  const left = summed(bids);
  const right = summed(asks);
  const prices = [...new Set([...left.keys(), ...right.keys()])].sort((one, other) => one - other);
  return [prices, along(prices.toReversed(), left).reverse(), along(prices, right)];
}

function summed(levels) {
  let sum = 0;
  return new Map(
    levels.map(([price, quantity]) => {
      sum += Number(quantity);
      return [Number(price), sum];
    }),
  );
}

// The sums at all prices, in the order in which they grow; none before the first and after the last level.
function along(prices, sums) {
  let left = sums.size;
  let sum = null;
  return prices.map((price) => {
    if (left === 0) {
      return null;
    }
    if (sums.has(price)) {
      sum = sums.get(price);
      left -= 1;
    }
    return sum;
  });
}
