//! How many names pass, of those that were asked for.

use portwright_core::{Backend, Verdict, sweep::Row};
use serde::Serialize;

use super::{Cell, Check, Column, Matrix, State};

/// What a group of names comes to in one column. The fields from `passed` to `missing`, less `passed_static` and
/// `passed_without_limits`, add up to `asked`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tally {
    pub check: Check,
    pub backend: Backend,
    /// The denominator: every name of the group to which the column applies, whatever became of it.
    pub asked: usize,
    pub passed: usize,
    /// Those of `passed` whose artefact has fixed axes only.
    pub passed_static: usize,
    /// Those of `passed` of which the judge states nothing that they leave open.
    pub passed_without_limits: usize,
    /// `None` of nothing, and while it is not known how much was asked.
    pub percent: Option<f64>,
    pub converted: usize,
    pub fail: usize,
    pub timed_out: usize,
    pub crashed: usize,
    pub out_of_memory: usize,
    pub unavailable: usize,
    pub unsupported: usize,
    /// Recorded as a pass, but without evidence.
    pub unproven: usize,
    /// Without a verdict, names that have not ended among them.
    pub missing: usize,
}

/// The names that share a property.
#[derive(Debug, PartialEq, Serialize)]
pub struct Group<K> {
    /// `None` for names that have not ended: nothing is known of them yet.
    pub group: Option<K>,
    pub names: usize,
    pub tallies: Vec<Tally>,
}

/// A share in percent, rounded down to a tenth, so that only everything is 100 %. `None` of nothing.
pub fn percent(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| (part * 1000 / whole) as f64 / 10.0)
}

/// One tally per column over all names.
pub fn totals(matrix: &Matrix<'_>) -> Vec<Tally> {
    tallies(matrix, &matrix.rows, &matrix.missing)
}

/// The names by a property, in the order of `keys`; a group of nobody is left out.
pub fn by<K: Copy + PartialEq>(
    matrix: &Matrix<'_>,
    keys: &[K],
    key: impl Fn(&Row) -> K,
) -> Vec<Group<K>> {
    let mut groups: Vec<Group<K>> = keys
        .iter()
        .filter_map(|&group| {
            let rows: Vec<&Row> = matrix
                .rows
                .iter()
                .copied()
                .filter(|row| key(row) == group)
                .collect();
            (!rows.is_empty()).then(|| Group {
                group: Some(group),
                names: rows.len(),
                tallies: tallies(matrix, &rows, &[]),
            })
        })
        .collect();
    if !matrix.missing.is_empty() {
        groups.push(Group {
            group: None,
            names: matrix.missing.len(),
            tallies: tallies(matrix, &[], &matrix.missing),
        });
    }
    groups
}

fn tallies(matrix: &Matrix<'_>, rows: &[&Row], missing: &[&str]) -> Vec<Tally> {
    matrix
        .columns
        .iter()
        .map(|&column| {
            let states = rows
                .iter()
                .filter_map(|row| Some(Cell::of(row, column)?.state()));
            // Nobody knows yet whether a name that has not ended generates.
            let missing = match column.check {
                Check::Port => missing.len(),
                Check::Generation => 0,
            };
            let mut tally = tally(
                column,
                states.chain(std::iter::repeat_n(State::Missing, missing)),
            );
            // Of names that are missing, nobody knows to which other figure they belong.
            if missing == matrix.missing.len() {
                tally.percent = percent(tally.passed, tally.asked);
            }
            tally
        })
        .collect()
}

fn tally(column: Column, states: impl Iterator<Item = State>) -> Tally {
    let mut tally = Tally {
        check: column.check,
        backend: column.backend,
        asked: 0,
        passed: 0,
        passed_static: 0,
        passed_without_limits: 0,
        percent: None,
        converted: 0,
        fail: 0,
        timed_out: 0,
        crashed: 0,
        out_of_memory: 0,
        unavailable: 0,
        unsupported: 0,
        unproven: 0,
        missing: 0,
    };
    for state in states {
        tally.asked += 1;
        *match state {
            State::Passed { dynamic, limited } => {
                tally.passed_static += usize::from(!dynamic);
                tally.passed_without_limits += usize::from(dynamic && !limited);
                &mut tally.passed
            }
            // A verdict of `Pass` never is `Not`; were it, it would have no evidence.
            State::Unproven | State::Not(Verdict::Pass) => &mut tally.unproven,
            State::Not(Verdict::Converted) => &mut tally.converted,
            State::Not(Verdict::Fail) => &mut tally.fail,
            State::Not(Verdict::TimedOut) => &mut tally.timed_out,
            State::Not(Verdict::Crashed) => &mut tally.crashed,
            State::Not(Verdict::OutOfMemory) => &mut tally.out_of_memory,
            State::Not(Verdict::Unavailable) => &mut tally.unavailable,
            State::Not(Verdict::Unsupported) => &mut tally.unsupported,
            State::Missing => &mut tally.missing,
        } += 1;
    }
    tally
}

#[cfg(test)]
mod tests {
    use portwright_core::{Family, Kind, Stage, verdict::BackendVerdict};

    use super::{
        super::{Goals, samples::*},
        *,
    };

    #[test]
    fn the_denominator_is_every_name_that_was_asked_for() {
        let sweep = sweep(&["bert", "vit", "sam", "t5"]);
        let rows = [
            row("bert"),
            Row {
                verdicts: vec![static_pass(TORCH)],
                ..row("vit")
            },
            // Ended, but without a verdict on the only backend.
            Row {
                verdicts: Vec::new(),
                ..row("sam")
            },
        ];
        let [total] = &totals(&Matrix::new(&sweep, &rows))[..] else {
            panic!("one column");
        };
        assert_eq!((total.passed, total.passed_static), (2, 1));
        assert_eq!(total.passed_without_limits, 1);
        assert_eq!((total.missing, total.asked), (2, 4));
        assert_eq!(total.percent, Some(50.0));
    }

    /// The planted hollow figure: whatever is no pass is given the evidence of one, and must raise no pass count
    /// anywhere.
    #[test]
    fn no_verdict_but_a_pass_raises_a_pass_count() {
        let hollow = |verdict: Option<portwright_core::Verdict>| match verdict {
            Some(verdict) => BackendVerdict {
                verdict,
                ..pass(TORCH)
            },
            None => BackendVerdict {
                evidence: None,
                ..pass(TORCH)
            },
        };
        for verdict in NOT_PASSES.into_iter().map(Some).chain([None]) {
            let sweep = sweep(&["base", "part"]);
            let of = |row: Row| Row {
                verdicts: vec![hollow(verdict)],
                generation: vec![hollow(verdict)],
                ..row
            };
            let rows = [of(row("base")), of(part("part", "base"))];
            let matrix = Matrix::new(&sweep, &rows);
            let groups = by(&matrix, &Family::ALL, |row| row.family)
                .into_iter()
                .flat_map(|group| group.tallies);
            let kinds = by(&matrix, &Kind::ALL, |row| row.kind)
                .into_iter()
                .flat_map(|group| group.tallies);
            let all: Vec<Tally> = totals(&matrix)
                .into_iter()
                .chain(groups)
                .chain(kinds)
                .collect();
            assert_eq!(all.len(), 10);
            for tally in all {
                assert_eq!((tally.passed, tally.passed_static), (0, 0), "{verdict:?}");
                assert_eq!(tally.percent, Some(0.0));
                assert!(tally.asked > 0);
            }
            let goals = Goals::new(&matrix);
            let parts = goals.parts.as_ref().unwrap();
            assert_eq!((parts.passed, parts.of), (0, 1), "{verdict:?}");
            for share in goals.auto_class.iter().chain(&goals.generation) {
                assert_eq!(share.passed, 0, "{verdict:?}");
                assert!(share.of > 0);
            }
        }
    }

    #[test]
    fn what_is_counted_adds_up_to_what_was_asked() {
        let names: Vec<String> = (0..9).map(|n| format!("m{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let sweep = sweep(&names);
        let rows: Vec<Row> = NOT_PASSES
            .iter()
            .zip(&names)
            .map(|(verdict, name)| Row {
                verdicts: vec![not_passed(TORCH, *verdict, Stage::Load, "x", None)],
                ..row(name)
            })
            .chain([row("m7")])
            .collect();
        let total = &totals(&Matrix::new(&sweep, &rows))[0];
        assert_eq!(total.asked, 9);
        let each = [
            total.passed,
            total.converted,
            total.fail,
            total.timed_out,
            total.crashed,
            total.out_of_memory,
            total.unavailable,
            total.unsupported,
            total.missing,
        ];
        assert_eq!(each, [1; 9]);
    }

    #[test]
    fn names_that_have_not_ended_are_a_group_of_their_own() {
        let sweep = sweep(&["bert", "gpt2", "t5"]);
        let rows = [row("bert")];
        let groups = by(&Matrix::new(&sweep, &rows), &Family::ALL, |row| row.family);
        let seen: Vec<_> = groups
            .iter()
            .map(|group| (group.group, group.names))
            .collect();
        assert_eq!(seen, [(Some(Family::EncoderOnly), 1), (None, 2)]);
        assert_eq!(groups[1].tallies[0].missing, 2);
        // All of a family that have ended are no hundred percent of it.
        assert_eq!(groups[0].tallies[0].passed, 1);
        assert_eq!(groups[0].tallies[0].percent, None);
    }

    #[test]
    fn generation_counts_only_types_that_generate() {
        let sweep = sweep(&["bert", "gpt2"]);
        let rows = [
            row("bert"),
            Row {
                generation: vec![pass(TORCH)],
                ..row("gpt2")
            },
        ];
        let totals = totals(&Matrix::new(&sweep, &rows));
        let asked: Vec<_> = totals
            .iter()
            .map(|total| (total.check, total.asked))
            .collect();
        assert_eq!(asked, [(Check::Port, 2), (Check::Generation, 1)]);
    }

    #[test]
    fn only_everything_is_a_hundred_percent() {
        assert_eq!(percent(9999, 10_000), Some(99.9));
        assert_eq!(percent(10_000, 10_000), Some(100.0));
        assert_eq!(percent(2, 3), Some(66.6));
        assert_eq!(percent(0, 0), None);
    }
}
