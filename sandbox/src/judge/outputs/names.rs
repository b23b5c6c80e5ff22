//! The names of outputs.

/// The name without the prefix that some exporters put before it.
pub fn plain(name: &str) -> &str {
    name.strip_prefix("output.").unwrap_or(name)
}

/// What an output is, for signatures: its name without the places in lists, so that `hidden_states.3` of one model and
/// `hidden_states.7` of another are one thing.
pub fn role(name: &str) -> String {
    let parts: Vec<String> = name
        .split('.')
        .filter(|part| !part.bytes().all(|byte| byte.is_ascii_digit()))
        .map(|part| {
            part.split(|c: char| c.is_ascii_digit())
                .filter(|piece| !piece.is_empty())
                .collect::<Vec<_>>()
                .join("#")
        })
        .collect();
    let role = parts.join(".");
    if role.is_empty() {
        "#".to_owned()
    } else {
        role
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exporters_prefix_is_stripped() {
        assert_eq!(plain("output.logits"), "logits");
        assert_eq!(plain("output"), "output");
    }

    #[test]
    fn places_in_lists_are_not_part_of_a_role() {
        assert_eq!(role("hidden_states.3"), "hidden_states");
        assert_eq!(role("past.0.key"), "past.key");
        assert_eq!(role("conv2_out"), "conv#_out");
    }
}
