//! Whether a smaller plan meets a failure too. It is a question that reduces the failure: no verdict is recorded, and it
//! counts neither as an attempt nor as a proposal. What it costs is counted with the rest, and its steps are remembered as
//! all are.

use crate::protocol::{Observation, Reproduction};

use super::{DriverError, analyse::Probed, ground::Phase, launch::Launch};

impl Launch<'_> {
    /// Takes the plan as far as the failure was met, or further: to its backend, or where there is none to the reference.
    pub async fn reproduce(
        &self,
        agent: &str,
        reproduction: &Reproduction,
    ) -> Result<Observation, DriverError> {
        let (plan, finding) = (&reproduction.plan, &reproduction.finding);
        let found = match finding.backend {
            Some(backend) => {
                let silent = |_: &_| Ok(());
                match self.judged(plan, &[backend], Phase::Search, &silent).await {
                    Ok(judged) => judged.verdicts.into_iter().find_map(|v| v.finding),
                    // A plan from which no code can be rendered fails in another way.
                    Err(DriverError::Render(_)) => None,
                    Err(error) => return Err(error),
                }
            }
            None => match self.probe(plan).await? {
                Probed::Sound { .. } => None,
                Probed::Failed(failure) => Some(*failure.finding),
            },
        };
        let met = found.is_some_and(|found| found.is_same(finding));
        let is = if met { "is" } else { "is not" };
        let without = reproduction.without.join(", ");
        self.steps
            .decided(agent, format!("the failure {is} met without {without}"))?;
        Ok(Observation::Reproduced { met })
    }
}
