//! Whether an engine is right: its reports as lines of text, sorted, hashed. Right engines agree to the byte.

use std::io::Write as _;

use sha2::{Digest, Sha256};

use crate::file::hex;
use crate::report::{Answer, Report};

/// Text is hashed in pieces of about this size.
const PIECE: usize = 1 << 16;

/// SHA-256 of the lines. Reports of one message are sorted by kind; trades stay in their order.
pub(crate) fn report_hash(mut reports: Vec<Report>) -> String {
    reports.sort_by_key(|report| (report.seq, report.answer));
    let mut hash = Sha256::new();
    let mut text = Vec::with_capacity(2 * PIECE);
    for (place, report) in reports.iter().enumerate() {
        if place > 0 {
            text.push(b'\n');
        }
        write_line(report, &mut text);
        if text.len() >= PIECE {
            hash.update(&text);
            text.clear();
        }
    }
    hash.update(&text);
    hex(&hash.finalize())
}

fn write_line(report: &Report, text: &mut Vec<u8>) {
    let &Report { answer, side, quantity, seq, order_id, price, maker } = report;
    let (number, side) = (answer as u8, side as u8);
    match answer {
        Answer::Accepted | Answer::Modified => {
            write!(text, "{number},{seq},{side},{order_id},{price},{quantity}")
        }
        Answer::Trade => write!(text, "{number},{seq},{price},{quantity},{maker},{order_id}"),
        Answer::Cancelled => write!(text, "{number},{seq},{side},{order_id},{price}"),
        Answer::CancelRejected | Answer::ModifyRejected => write!(text, "{number},{seq},{order_id}"),
    }
    .expect("memory takes all that is written");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Side;

    fn text_hash(text: &str) -> String {
        hex(&Sha256::digest(text))
    }

    #[test]
    fn reports_become_sorted_lines_without_a_last_newline() {
        let report = |answer, seq| Report {
            answer,
            side: Side::Sell,
            quantity: 5,
            seq,
            order_id: 7,
            price: 100,
            maker: 3,
        };
        let second = Report { maker: 4, ..report(Answer::Trade, 1) };
        let reports = vec![
            report(Answer::ModifyRejected, 3),
            report(Answer::Trade, 1),
            second,
            report(Answer::Accepted, 1),
            report(Answer::Cancelled, 1),
            report(Answer::CancelRejected, 2),
            report(Answer::Modified, 0),
        ];
        assert_eq!(
            report_hash(reports),
            text_hash(
                "3,0,1,7,100,5\n0,1,1,7,100,5\n1,1,100,5,3,7\n1,1,100,5,4,7\n2,1,1,7,100\n4,2,7\n5,3,7"
            )
        );
        assert_eq!(report_hash(vec![]), text_hash(""));
    }
}
