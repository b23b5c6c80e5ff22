//! How far the values of an output lie apart, without those that fill the place of a value.

/// From this size on a value is a filler whatever lies beside it, such as the least float that masks a score. It measures
/// nothing: taken into the spread it would make every difference look small.
const FILLER: f64 = 1e30;

/// From this size on a value that occurs again and again may be a filler, such as the -10000 that masks a score.
const LARGE: f64 = 1e3;

/// How many times larger than everything beside it such a value is, and than what the places differ by where something
/// small is added to it.
const TIMES: f64 = 100.0;

pub fn is_filler(value: f64) -> bool {
    value.abs() >= FILLER
}

/// The least or the greatest value, how many lie there, and the one next to them.
#[derive(Clone, Copy, Debug)]
struct Edge {
    value: f64,
    /// Of those that lie there the one farthest from the edge.
    inner: f64,
    count: usize,
    next: f64,
}

impl Edge {
    const NONE: Edge = Edge {
        value: f64::INFINITY,
        inner: f64::INFINITY,
        count: 0,
        next: f64::INFINITY,
    };

    /// Takes a value, of which lesser ones lie nearer to the edge.
    fn note(&mut self, value: f64) {
        let near = are_near(value, self.value);
        if value < self.value {
            *self = Edge {
                value,
                inner: if near { self.inner } else { value },
                count: if near { self.count + 1 } else { 1 },
                next: if near { self.next } else { self.value },
            };
        } else if near {
            self.inner = self.inner.max(value);
            self.count += 1;
        } else if value < self.next {
            self.next = value;
        }
    }

    /// Whether the value at the edge is about the same large number in several places, far from the others, which lie
    /// between `next` and `far`. Values that lead to the edge in small steps are not the same number.
    fn is_filler(self, far: f64) -> bool {
        let beside = self.next.abs().max(far.abs());
        let same = self.count > 1 && are_near(self.inner, self.value);
        same && self.value.abs() >= LARGE.max(TIMES * beside)
    }
}

/// Whether two values differ by no more than a small part of themselves.
fn are_near(one: f64, other: f64) -> bool {
    (one - other).abs() <= one.abs().min(other.abs()) / TIMES
}

/// The least and the greatest of the values that were seen.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    low: Edge,
    /// Of the values with the other sign.
    high: Edge,
}

impl Spread {
    pub const NONE: Spread = Spread {
        low: Edge::NONE,
        high: Edge::NONE,
    };

    pub fn note(&mut self, value: f64) {
        if !is_filler(value) {
            self.low.note(value);
            self.high.note(-value);
        }
    }

    /// The greatest minus the least value, fillers left out; zero where there is none.
    pub fn width(&self) -> f64 {
        let (low, high) = (self.low, self.high);
        if low.count == 0 {
            0.0
        } else if low.is_filler(high.value) {
            -high.value - low.next
        } else if high.is_filler(low.value) {
            -high.next - low.value
        } else {
            -high.value - low.value
        }
    }
}

impl Spread {
    /// The largest value without its sign, fillers left out; zero where there is none.
    pub fn largest(&self) -> f64 {
        let (low, high) = (self.low, self.high);
        if low.count == 0 {
            return 0.0;
        }
        let least = if low.is_filler(high.value) {
            low.next
        } else {
            low.value
        };
        let most = if high.is_filler(low.value) {
            high.next
        } else {
            high.value
        };
        let size = |edge: f64| if edge.is_finite() { edge.abs() } else { 0.0 };
        size(least).max(size(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn width(values: &[f64]) -> f64 {
        let mut spread = Spread::NONE;
        values.iter().for_each(|value| spread.note(*value));
        spread.width()
    }

    #[test]
    fn a_large_number_in_several_places_far_from_the_rest_is_a_filler() {
        assert_eq!(width(&[1.0, -1e4, 3.0, -1e4]), 2.0);
        assert_eq!(width(&[1e4, 1.0, 3.0, 1e4]), 2.0);
        // Something small was added in each place.
        assert_eq!(width(&[1.0, -9_999.9, 3.0, -10_000.1, -10_000.0]), 2.0);
    }

    #[test]
    fn a_number_that_stands_once_or_near_the_rest_was_computed() {
        assert_eq!(width(&[1.0, -1e4, 3.0]), 10_003.0);
        assert_eq!(width(&[-1e4, -1e4, 3.0, 200.0]), 10_200.0);
        assert_eq!(width(&[0.0, 0.0, 500.0, 501.0]), 501.0);
        // One small step after the other leads far.
        let steps: Vec<f64> = (0..200).map(|n| -5_000.0 * 1.005_f64.powi(n)).collect();
        let all = [&[3.0], steps.as_slice()].concat();
        assert_eq!(width(&all), 3.0 - steps[199]);
    }

    #[test]
    fn what_is_the_same_everywhere_has_no_width() {
        assert_eq!(width(&[-1e4, -1e4]), 0.0);
        assert_eq!(width(&[]), 0.0);
        assert_eq!(width(&[f64::from(f32::MIN)]), 0.0);
    }
}
