//! What a launch may spend on a model: tokens, money and time.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::LlmError;

/// Characters of a token, for an estimate before the endpoint has counted.
const CHARACTERS: u64 = 3;

/// The limits of one launch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Tokens of questions and answers together.
    pub tokens: u64,
    /// US dollars; 0 sets no limit.
    pub dollars: f64,
    /// Seconds of waiting for answers.
    pub seconds: u64,
    /// Questions.
    pub steps: u32,
}

/// What a million tokens cost, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub input: f64,
    pub output: f64,
}

impl Price {
    fn of(self, input: u64, output: u64) -> f64 {
        (input as f64 * self.input + output as f64 * self.output) / 1e6
    }
}

/// The embedded table of prices, and a user's own over it.
pub fn prices(own: Option<&Path>) -> Result<BTreeMap<String, Price>, LlmError> {
    let read = |place: &str, text: &str| -> Result<BTreeMap<String, Price>, LlmError> {
        toml::from_str(text).map_err(|error| LlmError::Prices {
            place: place.to_owned(),
            why: error.to_string(),
        })
    };
    let mut table = read("of Portwright", include_str!("prices.toml"))?;
    if let Some(path) = own {
        let place = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| LlmError::Prices {
            place: place.clone(),
            why: error.to_string(),
        })?;
        table.extend(read(&place, &text)?);
    }
    Ok(table)
}

/// Tokens of one question and its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
    /// The endpoint did not count: the numbers are an estimate by length.
    #[serde(default)]
    pub estimated: bool,
}

/// An estimate of the tokens of a text of so many characters, rather too many than too few.
pub fn estimate(characters: usize) -> u64 {
    (characters as u64).div_ceil(CHARACTERS)
}

/// What was spent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    pub questions: u32,
    pub tokens: u64,
    pub dollars: f64,
    pub seconds: f64,
}

/// Counts what one launch spends.
#[derive(Debug)]
pub struct Meter {
    budget: Budget,
    price: Option<Price>,
    spent: Mutex<Spent>,
}

impl Meter {
    pub fn new(budget: Budget, price: Option<Price>) -> Self {
        Self {
            budget,
            price,
            spent: Mutex::default(),
        }
    }

    pub fn spent(&self) -> Spent {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// What tokens cost; `None` where the price is not known.
    pub fn dollars(&self, usage: Usage) -> Option<f64> {
        Some(self.price?.of(usage.input, usage.output))
    }

    /// Refuses a question whose estimate does not fit what is left; answers with the seconds that are left.
    pub fn admit(&self, input: u64, output: u64) -> Result<f64, LlmError> {
        let (spent, budget) = (self.spent(), self.budget);
        let refuse = |what: String| Err(LlmError::Spent { what });
        if spent.questions >= budget.steps {
            return refuse(format!("all {} questions are asked", budget.steps));
        }
        let left = budget.tokens.saturating_sub(spent.tokens);
        if input + output > left {
            return refuse(format!(
                "the next question and its answer take up to {} tokens, and {left} of {} are left",
                input + output,
                budget.tokens
            ));
        }
        if let (Some(price), true) = (self.price, budget.dollars > 0.0) {
            let (needed, left) = (price.of(input, output), budget.dollars - spent.dollars);
            if needed > left {
                return refuse(format!(
                    "the next question costs up to {needed:.4} dollars, and {left:.4} of {:.4} are left",
                    budget.dollars
                ));
            }
        }
        let seconds = budget.seconds as f64 - spent.seconds;
        if seconds <= 0.0 {
            return refuse(format!("{} s of waiting are over", budget.seconds));
        }
        Ok(seconds)
    }

    /// Counts a question, whether it was answered or not.
    pub fn count(&self, usage: Usage, seconds: f64) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.questions += 1;
        spent.tokens += usage.input + usage.output;
        spent.dollars += self.dollars(usage).unwrap_or_default();
        spent.seconds += seconds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(price: Option<Price>) -> Meter {
        let budget = Budget {
            tokens: 1000,
            dollars: 0.001,
            seconds: 60,
            steps: 2,
        };
        Meter::new(budget, price)
    }

    fn usage(input: u64, output: u64) -> Usage {
        Usage {
            input,
            output,
            estimated: false,
        }
    }

    fn refused(meter: &Meter, input: u64, output: u64) -> String {
        meter.admit(input, output).unwrap_err().to_string()
    }

    #[test]
    fn a_question_that_does_not_fit_the_tokens_is_not_asked() {
        let meter = meter(None);
        assert!(meter.admit(600, 300).is_ok());
        meter.count(usage(600, 100), 1.0);
        assert!(refused(&meter, 600, 300).contains("300 of 1000 are left"));
    }

    #[test]
    fn money_is_counted_by_the_table_and_limited() {
        let meter = meter(Some(Price {
            input: 1.0,
            output: 4.0,
        }));
        assert_eq!(meter.admit(100, 100).unwrap(), 60.0);
        meter.count(usage(300, 100), 1.0);
        assert!((meter.spent().dollars - 0.0007).abs() < 1e-12);
        assert!(refused(&meter, 200, 100).contains("dollars"));
    }

    #[test]
    fn questions_and_seconds_are_limited() {
        let meter = meter(None);
        meter.count(usage(1, 1), 61.0);
        assert!(refused(&meter, 1, 1).contains("60 s of waiting"));
        meter.count(usage(1, 1), 0.0);
        assert!(refused(&meter, 1, 1).contains("all 2 questions"));
    }

    #[test]
    fn a_users_prices_go_over_the_embedded_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prices.toml");
        std::fs::write(&path, "[\"some/model\"]\ninput = 0.5\noutput = 2\n").unwrap();
        let table = prices(Some(&path)).unwrap();
        assert_eq!(table["some/model"].output, 2.0);
        std::fs::write(&path, "[\"some/model\"]\ninput = 0.5\n").unwrap();
        let error = prices(Some(&path)).unwrap_err();
        assert!(error.to_string().contains("prices.toml"), "{error}");
    }

    #[test]
    fn the_local_models_cost_nothing() {
        let table = prices(None).unwrap();
        assert!(!table.is_empty());
        assert!(
            table
                .values()
                .all(|price| price.input == 0.0 && price.output == 0.0)
        );
    }
}
