//! Numbers that look random and are the same for the same seed, for ever and everywhere.
//!
//! Each place that draws has a stream of its own, derived from the seed and the place's name,
//! so that one more draw in one place shifts nothing in the others.

use jiff::SignedDuration;

/// One stream of numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of a place.
    pub fn at(seed: u64, place: &str) -> Random {
        let mut state = mix(seed ^ 0x7472_6169_6e6d_6173);
        for byte in place.bytes() {
            state = mix(state ^ u64::from(byte));
        }
        Random { state }
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number below `end`, which must not be zero; the tiny bias of the remainder does not matter here.
    pub fn below(&mut self, end: usize) -> usize {
        (self.draw() % end as u64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn range(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True in this many of a hundred cases.
    pub fn percent(&mut self, share: u32) -> bool {
        self.draw() % 100 < u64::from(share)
    }

    /// One of several; there must be at least one.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// One of several by weight; the weights must not all be zero.
    pub fn weighted<T: Copy>(&mut self, from: &[(u32, T)]) -> T {
        let total: u32 = from.iter().map(|(weight, _)| weight).sum();
        let mut left = (self.draw() % u64::from(total)) as u32;
        for (weight, choice) in from {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        unreachable!("the weights add up to the total")
    }

    /// A length of time: most often short, now and then long.
    pub fn time(&mut self, shortest: SignedDuration, longest: SignedDuration) -> SignedDuration {
        let (low, high) = (
            shortest.as_millis().max(1) as f64,
            longest.as_millis().max(1) as f64,
        );
        // Evenly spread over orders of magnitude.
        let share = (self.draw() >> 11) as f64 / (1u64 << 53) as f64;
        let steps = (high / low).max(1.0);
        let millis = low * steps.powf(share);
        SignedDuration::from_millis(millis as i64)
    }
}

fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_its_seed_and_its_place_only() {
        let drawn = |seed, place| {
            let mut random = Random::at(seed, place);
            [random.draw(), random.draw(), random.draw()]
        };
        assert_eq!(drawn(1, "people"), drawn(1, "people"));
        assert_ne!(drawn(1, "people"), drawn(1, "outside"));
        assert_ne!(drawn(1, "people"), drawn(2, "people"));
    }

    #[test]
    fn draws_stay_within_their_limits() {
        let mut random = Random::at(7, "limits");
        let (short, long) = (SignedDuration::from_secs(1), SignedDuration::from_hours(1));
        for _ in 0..1_000 {
            assert!((3..=5).contains(&random.range(3, 5)));
            let time = random.time(short, long);
            assert!(short <= time && time <= long, "{time}");
            assert_eq!(random.weighted(&[(0, 'a'), (3, 'b')]), 'b');
        }
        assert!(!random.percent(0) && random.percent(100));
    }
}
