// Armed orders by trigger price, and what an opening would do: no feed tells them, so the back office is asked
// now and then.

import { grouped, span } from "./ladder.js";

const EVERY_MS = 5000;

export class ArmedOrders {
  constructor(place, summary, facts, takeOpening) {
    this.takeOpening = takeOpening;
    this.place = place;
    this.summary = summary;
    this.facts = facts;
    this.last = null;
    this.ask();
    setInterval(() => document.hidden || this.ask(), EVERY_MS);
  }

  async ask() {
    const response = await fetch(this.facts.armed, { headers: { Accept: "application/json" } }).catch(() => null);
    if (response?.ok) {
      this.found = await response.json();
      this.takeOpening(this.found.opening);
      this.draw();
    }
  }

  // The price of the last trade parts what a rise would trigger from what a fall would.
  moved(last) {
    if (last !== null && Number(last) !== this.last) {
      this.last = Number(last);
      this.draw();
    }
  }

  draw() {
    if (!this.found) {
      return;
    }
    const { levels, orders, waiting } = this.found;
    const most = Math.max(...levels.flatMap((level) => [Number(level.buy_quantity), Number(level.sell_quantity)]), 0);
    const rows = levels.map((level) => row(level, most));
    const place = levels.findIndex((level) => this.last !== null && Number(level.price) <= this.last);
    if (this.last !== null && levels.length) {
      const middle = document.createElement("li");
      middle.className = "mk-last";
      middle.textContent = `last ${grouped(this.last.toFixed(this.facts.price_decimals))}`;
      rows.splice(place < 0 ? rows.length : place, 0, middle);
    }
    if (rows.length === 0) {
      const none = document.createElement("li");
      none.className = "mk-none";
      none.textContent = "No order waits for a trigger.";
      rows.push(none);
    }
    this.place.replaceChildren(...rows);
    this.summary.textContent = `${grouped(orders)} armed, ${grouped(waiting)} waiting for a parent.`;
  }
}

function row(level, most) {
  const made = document.createElement("li");
  made.title = `Goes live when the price ${level.rises ? "rises" : "falls"} to ${level.price}`;
  made.append(
    side(level.buy_quantity, level.buys, most, "mk-buys"),
    span(`${level.rises ? "▲" : "▼"} ${grouped(level.price)}`, "mk-trigger"),
    side(level.sell_quantity, level.sells, most, "mk-sells"),
  );
  return made;
}

function side(quantity, orders, most, className) {
  const cell = span("", className);
  if (orders) {
    const bar = document.createElement("i");
    bar.style.width = `${most ? (Number(quantity) / most) * 100 : 0}%`;
    cell.append(bar, span(`${Number(quantity)} (${orders})`));
  }
  return cell;
}
