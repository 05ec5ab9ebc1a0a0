// A book kept from the feed: a snapshot, then deltas that must follow each other without a gap and give the
// checksum the server computed. Prices and quantities stay the server's text; numbers are for drawing only.

export class Book {
  constructor() {
    this.clear();
  }

  clear() {
    this.seq = null;
    this.levels = { bids: new Map(), asks: new Map() };
  }

  // Returns true when the message fits; false asks the caller to subscribe again.
  take(message) {
    if (message.action === "snapshot") {
      this.clear();
    } else if (this.seq === null || message.first_seq !== this.seq + 1) {
      return false;
    }
    for (const side of ["bids", "asks"]) {
      for (const [price, quantity] of message[side]) {
        if (Number(quantity) === 0) {
          this.levels[side].delete(price);
        } else {
          this.levels[side].set(price, quantity);
        }
      }
    }
    this.seq = message.seq;
    return message.checksum === undefined || checksum(this.best("asks", 10), this.best("bids", 10)) === message.checksum;
  }

  // The best levels of a side as [price, quantity] in text, best first.
  best(side, limit) {
    const sign = side === "bids" ? -1 : 1;
    return [...this.levels[side]].sort((one, other) => sign * (Number(one[0]) - Number(other[0]))).slice(0, limit);
  }
}

// CRC-32 of the ten best asks, then the ten best bids: each price and quantity without point and leading zeros.
export function checksum(asks, bids) {
  const digits = (text) => text.replace(".", "").replace(/^0+(?=\d)/, "");
  let crc = 0xffffffff;
  for (const level of [...asks, ...bids]) {
    for (const text of level) {
      for (const digit of digits(text)) {
        crc = TABLE[(crc ^ digit.charCodeAt(0)) & 0xff] ^ (crc >>> 8);
      }
    }
  }
  return (crc ^ 0xffffffff) >>> 0;
}

const TABLE = Array.from({ length: 256 }, (_unused, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  }
  return value >>> 0;
});
