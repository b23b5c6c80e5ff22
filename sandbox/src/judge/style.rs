//! In which style a set's values are drawn: what is masked, and how far values reach.
//!
//! The usual set is what a batch of sentences looks like. The other styles are the corners of what a model takes: a branch on
//! padding at the left, on a hole in the mask or on a rare id is met by none of the usual sets.

use std::collections::BTreeMap;

use portwright_core::plan::InputSpec;

use super::inputs::Random;

/// How the values of a set are drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Style {
    /// Padding at the end of every row but the first.
    Usual,
    /// As usual, and more of everything masked: one input's values beside those of the example.
    Probe,
    /// No padding.
    Unpadded,
    /// Padding at the beginning of every row, of another length in each.
    Left,
    /// Holes between tokens that count.
    Holes,
    /// One token that counts in every row, at another place in each.
    OneToken,
    /// No padding, padding at the left, and padding at the right, in turn.
    Sides,
    /// Another pattern in each row: no padding, padding at the left, padding at the right with a hole.
    Mixed,
    /// Ids of the whole vocabulary, special ones included, and the ends of the range of everything that is drawn from one.
    WholeRange {
        /// The size of the table that an input's ids look up, by the name of the input, where it is known.
        tables: BTreeMap<String, i64>,
    },
    /// These whole numbers at a quarter of all places, next to each other in this order, by the name of the input.
    Aimed { values: BTreeMap<String, Vec<i64>> },
}

impl Style {
    /// From which numbers the ids of an input are drawn; `low` and `high` are those of the plan.
    pub(super) fn ids(&self, spec: &InputSpec, low: i64, high: i64) -> (i64, i64) {
        match self {
            Style::WholeRange { tables } if spec.modality == "text" => {
                let table = tables.get(&spec.name).copied().unwrap_or(high);
                (low.min(0), high.max(table))
            }
            _ => (low, high),
        }
    }

    /// Puts numbers into the drawn ids of an input that must not be missing by chance: those that are aimed at, or the first
    /// ones and the last of the range, where special ids are, and one of each of as many equal parts of the range as there are
    /// places left.
    pub(super) fn place(
        &self,
        spec: &InputSpec,
        range: (i64, i64),
        values: &mut [i64],
        random: &mut Random,
    ) {
        if let (Style::WholeRange { .. }, true) = (self, spec.modality == "text") {
            let (low, high) = range;
            let first = values.len() / 3;
            let ids = (low..high).take(first).chain([high - 1]);
            let parts = values.len().saturating_sub(ids.clone().count()) as f64;
            let span = high.saturating_sub(low) as f64;
            let spread = (0..).map(|part| {
                low.saturating_add(((f64::from(part) + random.unit()) / parts * span) as i64)
            });
            for (value, id) in values.iter_mut().zip(ids.chain(spread)) {
                *value = id.min(high - 1);
            }
        }
        let Style::Aimed { values: aimed } = self else {
            return;
        };
        let Some(wanted) = aimed.get(&spec.name).filter(|it| !it.is_empty()) else {
            return;
        };
        // Once at least, however few places there are.
        let room = values.len().saturating_sub(wanted.len()) + 1;
        let once = (random.unit() * room as f64) as usize;
        let mut at = 0;
        while at < values.len() {
            let chosen = random.unit() < 0.25 && (at + wanted.len() <= once || at > once);
            if chosen || at == once {
                let places = values.iter_mut().skip(at);
                for (value, wanted) in places.zip(wanted) {
                    *value = *wanted;
                }
                at += wanted.len();
            } else {
                at += 1;
            }
        }
    }

    /// Ones and zeros along the second axis (the first, where there is no other). No row is ever empty: attention over
    /// nothing is not finite.
    pub(super) fn mask(&self, shape: &[usize]) -> Vec<f64> {
        let (rows, length) = match shape {
            [] => return vec![1.0],
            [length] => (1, *length),
            [rows, length, ..] => (*rows, *length),
        };
        let inner: usize = shape.iter().skip(2).product();
        let mut values = Vec::with_capacity(rows * length * inner);
        for row in 0..rows {
            let kept: Vec<bool> = (0..length).map(|at| self.keeps(row, at, length)).collect();
            let empty = !kept.contains(&true);
            for (at, kept) in kept.into_iter().enumerate() {
                let value = if kept || (empty && at == 0) { 1.0 } else { 0.0 };
                values.extend(std::iter::repeat_n(value, inner));
            }
        }
        values
    }

    /// Whether a place of a row counts.
    fn keeps(&self, row: usize, at: usize, length: usize) -> bool {
        let quarter = (length / 4).max(1);
        match self {
            Style::Usual | Style::WholeRange { .. } | Style::Aimed { .. } => {
                row == 0 || at < length.saturating_sub(quarter)
            }
            Style::Probe => at < length.saturating_sub(quarter * (1 + usize::from(row > 0))),
            Style::Unpadded => true,
            Style::Left => at >= quarter + row % quarter.max(2),
            Style::Holes => (at + row) % 3 != 1,
            Style::OneToken => at == (row + 1) * length / 3 % length.max(1),
            Style::Sides => match row % 3 {
                0 => true,
                1 => at >= quarter,
                _ => at < length.saturating_sub(quarter),
            },
            Style::Mixed => match row % 3 {
                0 => true,
                1 => at >= quarter,
                _ => at < length.saturating_sub(quarter) && at != length / 2,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(style: &Style, length: usize) -> Vec<String> {
        style
            .mask(&[3, length])
            .chunks(length)
            .map(|row| {
                row.iter()
                    .map(|it| if *it > 0.0 { '1' } else { '.' })
                    .collect()
            })
            .collect()
    }

    #[test]
    fn each_style_masks_another_pattern() {
        assert_eq!(rows(&Style::Usual, 8), ["11111111", "111111..", "111111.."]);
        assert_eq!(rows(&Style::Probe, 8), ["111111..", "1111....", "1111...."]);
        assert_eq!(rows(&Style::Unpadded, 8), ["11111111"; 3]);
        assert_eq!(rows(&Style::Left, 8), ["..111111", "...11111", "..111111"]);
        assert_eq!(rows(&Style::Holes, 8), ["1.11.11.", ".11.11.1", "11.11.11"]);
        assert_eq!(
            rows(&Style::OneToken, 8),
            ["..1.....", ".....1..", "1......."]
        );
        assert_eq!(rows(&Style::Sides, 8), ["11111111", "..111111", "111111.."]);
        assert_eq!(rows(&Style::Mixed, 8), ["11111111", "..111111", "1111.1.."]);
    }

    #[test]
    fn no_row_is_empty_whatever_its_length() {
        let styles = [
            Style::Usual,
            Style::Probe,
            Style::Left,
            Style::Holes,
            Style::OneToken,
            Style::Sides,
            Style::Mixed,
        ];
        for style in styles {
            for length in 1..6 {
                for row in rows(&style, length) {
                    assert!(row.contains('1'), "{style:?} {length}: {row}");
                }
            }
        }
    }

    #[test]
    fn the_second_axis_of_more_is_the_one_that_is_masked() {
        let values = Style::Usual.mask(&[2, 2, 3]);
        assert_eq!(values[..6], [1.0; 6]);
        assert_eq!(values[6..], [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    }
}
