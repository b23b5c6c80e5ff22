//! Lists from several ways to search, made one by reciprocal rank: places count and scores do not, for scores of
//! different ways do not compare.

use std::{collections::HashMap, hash::Hash};

/// Dampens the first places, as in the method's first description: a place late in two lists is better than one early
/// in one list only if both are early enough.
const DAMPING: f32 = 60.0;

/// The items of all lists, the best first, each with its score. Of equal ones that of the earlier list comes first.
pub fn fuse<T: Clone + Eq + Hash>(lists: &[Vec<T>]) -> Vec<(T, f32)> {
    let mut scores: HashMap<&T, (f32, usize)> = HashMap::new();
    for (order, item, place) in lists
        .iter()
        .flat_map(|list| list.iter().zip(1u16..))
        .enumerate()
        .map(|(order, (item, place))| (order, item, place))
    {
        let entry = scores.entry(item).or_insert((0.0, order));
        entry.0 += 1.0 / (DAMPING + f32::from(place));
    }
    let mut fused: Vec<(&T, f32, usize)> = scores
        .into_iter()
        .map(|(item, (score, order))| (item, score, order))
        .collect();
    fused.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.2.cmp(&b.2)));
    fused
        .into_iter()
        .map(|(item, score, _)| (item.clone(), score))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_lists_hold_comes_before_what_one_holds() {
        let fused = fuse(&[vec!["a", "b", "c"], vec!["d", "c"]]);
        let items: Vec<&str> = fused.iter().map(|(item, _)| *item).collect();
        assert_eq!(items, ["c", "a", "d", "b"]);
        assert!(fuse::<u8>(&[]).is_empty());
    }
}
