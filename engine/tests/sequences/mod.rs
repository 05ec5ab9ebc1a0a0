//! Shrinking command sequences: each unit is drawn from its own numbers, so that leaving one out changes no
//! other, and zero is the plainest choice.

use proptest::prelude::*;

use crate::draw::{Draw, Given, Shape};
use crate::model::wire::Command;

pub(crate) fn settings(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

pub(crate) fn sequence(units: usize, shape: Shape) -> impl Strategy<Value = Vec<Command>> {
    let unit = prop::collection::vec(any::<u16>(), 0..90);
    prop::collection::vec(unit, 1..units).prop_map(move |units| {
        let mut draw = Draw::new(shape);
        for numbers in units {
            draw.unit(&mut Given(numbers.into_iter()));
        }
        draw.commands
    })
}
