//! The 32-bit Mersenne Twister, as Matsumoto and Nishimura published it in 1998.

/// Words of state.
const WORDS: usize = 624;
/// How far ahead the word lies that is mixed in.
const AHEAD: usize = 397;
/// The bit that belongs to this word; the others come from the next one.
const HIGH_BIT: u32 = 0x8000_0000;
const TWIST: u32 = 0x9908_B0DF;

/// A stream of 32-bit words that every implementation of the algorithm gives for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Mt19937 {
    words: [u32; WORDS],
    used: usize,
}

impl Mt19937 {
    /// The stream of a seed.
    pub(crate) fn new(seed: u32) -> Self {
        let mut words = [seed; WORDS];
        let mut word = seed;
        for (place, slot) in (1u32..).zip(&mut words[1..]) {
            word = 1_812_433_253u32.wrapping_mul(word ^ (word >> 30)).wrapping_add(place);
            *slot = word;
        }
        Self { words, used: WORDS }
    }

    /// The next word.
    pub(crate) fn word(&mut self) -> u32 {
        if self.used == WORDS {
            self.renew();
        }
        let mut word = self.words[self.used];
        self.used += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9D2C_5680;
        word ^= (word << 15) & 0xEFC6_0000;
        word ^ (word >> 18)
    }

    fn renew(&mut self) {
        for place in 0..WORDS {
            let next = self.words[(place + 1) % WORDS];
            let joined = (self.words[place] & HIGH_BIT) | (next & !HIGH_BIT);
            let twist = if joined & 1 == 0 { 0 } else { TWIST };
            self.words[place] = self.words[(place + AHEAD) % WORDS] ^ (joined >> 1) ^ twist;
        }
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_seed_gives_the_published_words() {
        let mut words = Mt19937::new(5489);
        let first: Vec<u32> = (0..3).map(|_| words.word()).collect();
        assert_eq!(first, [3_499_211_612, 581_869_302, 3_890_346_734]);
        // The C++ standard names the ten thousandth word.
        assert_eq!((3..10_000).map(|_| words.word()).last(), Some(4_123_659_995));
    }
}
