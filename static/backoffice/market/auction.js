// What the market's phase says above the page: until when an auction collects, and what it would do now.

import { grouped } from "./ladder.js";

const PHASES = {
  pre_open: "Before the opening: orders are collected, nothing matches.",
  auction: "Auction: orders are collected, nothing matches.",
  cancel_only: "Cancel only: no order is taken.",
  closed: "Closed: no order is taken.",
  halted: "Halted: no order is taken.",
  maintenance: "Under maintenance: no order is taken.",
  delisted: "Delisted for good.",
};

export class AuctionBar {
  constructor(place, facts) {
    this.place = place;
    this.facts = facts;
    this.status = "active";
    this.endsAt = null;
    this.indicative = null;
    this.opening = null;
    // The server's clock less ours, so that the countdown is right on any clock.
    this.ahead = 0;
    setInterval(() => this.draw(), 250);
  }

  clock(time) {
    this.ahead = Date.parse(time) - Date.now();
  }

  takeStatus(message) {
    this.status = message.status;
    this.endsAt = message.auction_ends_at ? Date.parse(message.auction_ends_at) : null;
    this.indicative = message.indicative;
    this.draw();
  }

  takeIndicative(message) {
    this.indicative = message.price === null ? null : message;
    this.draw();
  }

  // Before an opening the feed says nothing of what it would do; the back office does.
  takeOpening(found) {
    this.opening = found;
    this.draw();
  }

  draw() {
    this.place.hidden = this.status === "active";
    this.place.dataset.phase = this.status;
    const words = [PHASES[this.status] ?? ""];
    if (this.status === "auction") {
      words.push(this.ending(), this.outcome(this.indicative));
    } else if (this.status === "pre_open") {
      words.push(this.outcome(this.opening));
    }
    const text = words.filter(Boolean).join(" ");
    if (this.place.textContent !== text) {
      this.place.textContent = text;
    }
  }

  ending() {
    if (this.endsAt === null) {
      return "It ends when an operator ends it.";
    }
    const seconds = Math.max(0, Math.ceil((this.endsAt - Date.now() - this.ahead) / 1000));
    const shown = `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
    return seconds ? `It ends in ${shown}.` : "It ends now.";
  }

  outcome(found) {
    if (found === null) {
      return "Bids and asks do not cross: nothing would trade.";
    }
    const { price, quantity, surplus } = found;
    const { base, quote } = this.facts;
    const left = Number(surplus);
    const more = left ? ` ${grouped(surplus.replace("-", ""))} ${base} more ${left > 0 ? "bids" : "asks"}.` : "";
    return `Now it would trade ${grouped(quantity)} ${base} at ${grouped(price)} ${quote}.${more}`;
  }
}
