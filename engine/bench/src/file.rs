//! The workload as the file its publishers exchange: a header of 16 bytes, then 40 bytes a message.

use sha2::{Digest, Sha256};

use crate::message::Message;

const MAGIC: u64 = u64::from_be_bytes(*b"MEBW_001");
const VERSION: u32 = 1;

/// SHA-256 of the file.
pub(crate) fn file_hash(messages: &[Message]) -> String {
    let count = u32::try_from(messages.len()).expect("a workload has fewer than 2^32 messages");
    let mut hash = Sha256::new();
    hash.update(MAGIC.to_le_bytes());
    hash.update(VERSION.to_le_bytes());
    hash.update(count.to_le_bytes());
    for message in messages {
        hash.update(record(message));
    }
    hex(&hash.finalize())
}

fn record(message: &Message) -> [u8; 40] {
    let mut record = [0; 40];
    record[..3].copy_from_slice(&[message.kind as u8, message.side as u8, message.immediate.into()]);
    record[4..8].copy_from_slice(&message.quantity.to_le_bytes());
    record[8..16].copy_from_slice(&message.seq.to_le_bytes());
    record[16..24].copy_from_slice(&message.order_id.to_le_bytes());
    record[24..32].copy_from_slice(&message.price.to_le_bytes());
    record
}

/// Bytes as people write hashes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
        text
    })
}
