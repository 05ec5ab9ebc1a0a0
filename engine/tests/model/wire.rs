//! The model's own reading of the records: plain numbers in, bytes out. Codes as in docs/engine.md.

macro_rules! codes {
    ($($module:ident { $($name:ident = $code:literal,)* })*) => {
        $(pub(crate) mod $module { $(pub(crate) const $name: u8 = $code;)* })*
    };
}

codes! {
    ask { NEW = 1, CANCEL = 2, AMEND = 3, PHASE = 4, TIME = 5, MASS_CANCEL = 6, }
    phase { OPEN = 1, HALTED = 2, PRE_OPEN = 3, AUCTION = 4, CANCEL_ONLY = 5, CLOSED = 6, }
    side { BUY = 1, SELL = 2, }
    order_type { LIMIT = 1, MARKET = 2, }
    tif { GTC = 1, IOC = 2, FOK = 3, DAY = 4, }
    trigger { NONE = 0, STOP = 1, TAKE_PROFIT = 2, TRAILING = 3, TRAILING_BPS = 4, }
    source { LAST = 0, QUOTE = 1, }
    link { NONE = 0, OCO = 1, OTO = 2, ATTACHED = 3, }
    place { RESTING = 0, ARMED = 1, WAITING = 2, }
    stp { NONE = 0, EXPIRE_TAKER = 1, EXPIRE_MAKER = 2, EXPIRE_BOTH = 3, DECREMENT = 4, }
    command_flag { POST_ONLY = 1, CANCEL_RESTING = 2, TERMS = 4, REDUCE_ONLY = 8, }
    event_flag { AUCTION = 1, KEPT_PLACE = 2, ARMED = 4, WAITING = 8, }
    said {
        ACCEPTED = 1, REJECTED = 2, TRADE = 3, CANCELLED = 4, AMENDED = 5, CANCEL_REJECTED = 6,
        AMEND_REJECTED = 7, REDUCED = 8, PHASE_CHANGED = 9, MASS_CANCELLED = 10, TRIGGERED = 11,
        ACTIVATED = 12, TRAILED = 13, DISPLAYED = 14, TIME = 15,
    }
    reason {
        NONE = 0, IOC_REMAINDER = 1, NO_LIQUIDITY = 2, PRICE_PROTECTION = 3, FOK_UNFILLABLE = 4,
        WOULD_TAKE = 5, SELF_TRADE_PREVENTION = 6, HALTED = 7, UNKNOWN_ORDER = 8, NOT_OWNER = 9,
        DUPLICATE_ORDER = 10, BELOW_EXECUTED = 11, INVALID = 12, OPERATOR = 14, MASS_CANCEL = 15,
        HALT_CANCEL = 16, NO_CHANGE = 17, ALREADY_IN_PHASE = 18, WRONG_PHASE = 19, MAINTENANCE = 20,
        EXPIRED = 22, SESSION_END = 23, LINKED = 24, PARENT_ENDED = 25, EXIT_TRIGGERED = 26,
        AMOUNT_SPENT = 27, MIN_QUANTITY = 28, REDUCE_ONLY = 29,
    }
}

pub(crate) const HAS_DISPLAY: u8 = 1;

/// One COMMAND record and the TERMS that follow it where they are not all zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) kind: u8,
    pub(crate) side: u8,
    pub(crate) order_type: u8,
    pub(crate) tif: u8,
    pub(crate) flags: u8,
    pub(crate) stp: u8,
    pub(crate) reason: u8,
    pub(crate) phase: u8,
    pub(crate) instrument: u32,
    pub(crate) id: i64,
    pub(crate) order_id: i64,
    pub(crate) account: i64,
    /// The self-trade prevention group of a new order, the new trigger price of an amendment.
    pub(crate) group: i64,
    pub(crate) price: i64,
    pub(crate) quantity: i64,
    pub(crate) time: i64,
    pub(crate) terms: Terms,
}

/// One TERMS record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) trigger: u8,
    pub(crate) source: u8,
    pub(crate) link: u8,
    pub(crate) flags: u8,
    pub(crate) trigger_price: i64,
    pub(crate) distance: i64,
    pub(crate) step: i64,
    pub(crate) display: i64,
    pub(crate) min_quantity: i64,
    pub(crate) expires: i64,
    pub(crate) budget: i64,
    pub(crate) position_limit: i64,
    pub(crate) parent: i64,
    pub(crate) partner: i64,
}

/// One EVENT record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: u8,
    pub(crate) reason: u8,
    pub(crate) side: u8,
    pub(crate) flags: u8,
    pub(crate) instrument: u32,
    pub(crate) seq: i64,
    pub(crate) command_id: i64,
    pub(crate) order_id: i64,
    pub(crate) account: i64,
    pub(crate) maker_order_id: i64,
    pub(crate) maker_account: i64,
    pub(crate) price: i64,
    pub(crate) quantity: i64,
    pub(crate) leaves: i64,
    pub(crate) maker_leaves: i64,
    pub(crate) priority: i64,
    pub(crate) time: i64,
}

pub(crate) fn put(out: &mut Vec<u8>, numbers: &[i64]) {
    for number in numbers {
        out.extend(number.to_le_bytes());
    }
}

impl Command {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let terms = if self.terms == Terms::default() { 0 } else { command_flag::TERMS };
        let flags = self.flags | terms;
        out.extend([
            self.kind,
            self.side,
            self.order_type,
            self.tif,
            flags,
            self.stp,
            self.reason,
            self.phase,
        ]);
        out.extend(self.instrument.to_le_bytes());
        out.extend([0; 4]);
        put(out, &[self.id, self.order_id, self.account, self.group]);
        put(out, &[self.price, self.quantity, self.time]);
        if flags & command_flag::TERMS != 0 {
            self.terms.encode(out);
        }
    }
}

impl Terms {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend([7, self.trigger, self.source, self.link, self.flags, 0, 0, 0]);
        put(out, &[self.trigger_price, self.distance, self.step, self.display, self.min_quantity]);
        put(out, &[self.expires, self.budget, self.position_limit, self.parent, self.partner]);
        out.extend([0; 56]);
    }
}

impl Event {
    pub(crate) const SIZE: usize = 104;

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.kind, self.reason, self.side, self.flags]);
        out.extend(self.instrument.to_le_bytes());
        put(out, &[self.seq, self.command_id, self.order_id, self.account]);
        put(out, &[self.maker_order_id, self.maker_account, self.price, self.quantity]);
        put(out, &[self.leaves, self.maker_leaves, self.priority, self.time]);
    }

    pub(crate) fn decode(record: &[u8]) -> Self {
        let number = |at: usize| i64::from_le_bytes(std::array::from_fn(|byte| record[at + byte]));
        Self {
            kind: record[0],
            reason: record[1],
            side: record[2],
            flags: record[3],
            instrument: u32::from_le_bytes(std::array::from_fn(|byte| record[4 + byte])),
            seq: number(8),
            command_id: number(16),
            order_id: number(24),
            account: number(32),
            maker_order_id: number(40),
            maker_account: number(48),
            price: number(56),
            quantity: number(64),
            leaves: number(72),
            maker_leaves: number(80),
            priority: number(88),
            time: number(96),
        }
    }

    pub(crate) fn decode_all(records: &[u8]) -> Vec<Self> {
        records.chunks(Self::SIZE).map(Self::decode).collect()
    }
}
