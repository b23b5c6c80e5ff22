//! What a sweep cost: processor time by step, memory, and time on the clock.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Matrix;

/// What the rows say they cost. Percentiles are by nearest rank.
#[derive(Debug, PartialEq, Serialize)]
pub struct Cost {
    /// The dearest step first.
    pub steps: Vec<StepCost>,
    /// Over all steps of a name; `None` where no row has any.
    pub cpu_seconds: Option<Spread>,
    /// Of the largest job of each name; `None` where no row measured any.
    pub peak_resident_bytes: Option<Spread>,
    /// On the clock, by name.
    pub seconds: Option<Spread>,
    /// From the sweep's beginning to its end; `None` while it has none. A sweep that was cut off and resumed counts the
    /// pause too.
    pub sweep_seconds: Option<f64>,
    /// Rows that were found in the ledger: what they cost was paid before.
    pub reused: usize,
}

/// The processor time of one step.
#[derive(Debug, PartialEq, Serialize)]
pub struct StepCost {
    pub step: String,
    pub cpu_seconds: Spread,
}

/// How a measure is spread over the names that have it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// How many names have it.
    pub names: usize,
    pub median: f64,
    pub p90: f64,
    pub max: f64,
    pub sum: f64,
}

impl Spread {
    /// `None` of nothing.
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let names = values.len();
        Some(Self {
            names,
            median: *values.get(rank(names, 50)?)?,
            p90: *values.get(rank(names, 90)?)?,
            max: *values.last()?,
            sum: values.iter().sum(),
        })
    }
}

/// The place of a percentile among sorted values, by nearest rank.
fn rank(count: usize, percentile: usize) -> Option<usize> {
    (count * percentile).div_ceil(100).checked_sub(1)
}

impl Cost {
    pub fn new(matrix: &Matrix<'_>) -> Self {
        let rows = &matrix.rows;
        let mut by_step: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (step, seconds) in rows.iter().flat_map(|row| &row.cpu_seconds) {
            by_step.entry(step).or_default().push(*seconds);
        }
        let mut steps: Vec<StepCost> = by_step
            .into_iter()
            .filter_map(|(step, seconds)| {
                Some(StepCost {
                    step: step.to_owned(),
                    cpu_seconds: Spread::of(seconds)?,
                })
            })
            .collect();
        steps.sort_by(|a, b| b.cpu_seconds.sum.total_cmp(&a.cpu_seconds.sum));
        let sweep = matrix.sweep;
        Self {
            steps,
            cpu_seconds: Spread::of(
                rows.iter()
                    .filter(|row| !row.cpu_seconds.is_empty())
                    .map(|row| row.cpu_seconds.values().sum()),
            ),
            // A row that ran no job measured nothing; its zero would flatter the rest.
            peak_resident_bytes: Spread::of(
                rows.iter()
                    .map(|row| row.peak_resident_bytes as f64)
                    .filter(|bytes| *bytes > 0.0),
            ),
            seconds: Spread::of(rows.iter().map(|row| row.seconds)),
            sweep_seconds: sweep
                .finished_ms
                .map(|end| end.saturating_sub(sweep.started_ms) as f64 / 1e3),
            reused: rows.iter().filter(|row| row.reused).count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::sweep::Row;

    use super::{super::samples::*, *};

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let spread = Spread::of((1..=10).map(f64::from)).unwrap();
        assert_eq!((spread.median, spread.p90, spread.max), (5.0, 9.0, 10.0));
        assert_eq!((spread.names, spread.sum), (10, 55.0));
        let one = Spread::of([3.0]).unwrap();
        assert_eq!((one.median, one.p90), (3.0, 3.0));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn the_dearest_step_comes_first_and_counts_the_names_that_took_it() {
        let sweep = sweep(&["a", "b"]);
        let steps = |steps: &[(&str, f64)]| {
            steps
                .iter()
                .map(|(step, seconds)| ((*step).to_owned(), *seconds))
                .collect()
        };
        let rows = [
            Row {
                cpu_seconds: steps(&[("introspect", 1.0), ("build onnx", 9.0)]),
                ..row("a")
            },
            Row {
                cpu_seconds: steps(&[("introspect", 3.0)]),
                ..row("b")
            },
        ];
        let cost = Cost::new(&Matrix::new(&sweep, &rows));
        let seen: Vec<_> = cost
            .steps
            .iter()
            .map(|step| {
                (
                    step.step.as_str(),
                    step.cpu_seconds.names,
                    step.cpu_seconds.sum,
                )
            })
            .collect();
        assert_eq!(seen, [("build onnx", 1, 9.0), ("introspect", 2, 4.0)]);
        assert_eq!(cost.cpu_seconds.unwrap().sum, 13.0);
        assert_eq!(cost.sweep_seconds, Some(7200.0));
    }

    #[test]
    fn a_row_that_measured_no_memory_does_not_lower_the_median() {
        let sweep = sweep(&["a", "b", "c"]);
        let of = |name, bytes| Row {
            peak_resident_bytes: bytes,
            reused: bytes == 0,
            ..row(name)
        };
        let rows = [of("a", 0), of("b", 0), of("c", 500)];
        let cost = Cost::new(&Matrix::new(&sweep, &rows));
        let memory = cost.peak_resident_bytes.unwrap();
        assert_eq!((memory.names, memory.median), (1, 500.0));
        assert_eq!(cost.reused, 2);
    }
}
