//! Ablation: a repair keeps only the changes that it needs.

use portwright_core::{Backend, PortPlan, Verdict};
use portwright_knowledge::difference::{Difference, between, without};

use crate::{fixer::Fixer, protocol::Agent as _};

use super::{DriverError, ground::Phase, launch::Launch, repair::Row};

impl Launch<'_> {
    /// The repaired row without the changes that it passes without. A search tries one change after the other and leaves
    /// some behind that had no part in the cure; each is taken back in turn, and stays out if as much passes as before.
    pub async fn ablated(
        &self,
        before: &PortPlan,
        repaired: Row,
        cured: Backend,
    ) -> Result<Row, DriverError> {
        let mut row = repaired;
        let changes = between(before, &row.plan);
        for change in &changes {
            // The last one is needed: without any the backend did not pass.
            if between(before, &row.plan).len() < 2 {
                break;
            }
            let Some(plan) = without(before, &row.plan, change) else {
                continue;
            };
            if let Some(verdicts) = self.as_good(&plan, &row, cured).await? {
                row = Row { plan, verdicts };
                self.steps.decided(Fixer::NAME, unneeded(cured, change))?;
            }
        }
        Ok(row)
    }

    /// The verdicts on `plan`, if the cured backend passes and as many pass as in `row`.
    async fn as_good(
        &self,
        plan: &PortPlan,
        row: &Row,
        cured: Backend,
    ) -> Result<Option<Vec<portwright_core::verdict::BackendVerdict>>, DriverError> {
        let alone = self.attempt(plan, &[cured], Phase::Search).await?;
        if alone.verdicts.iter().any(|v| v.verdict != Verdict::Pass) {
            return Ok(None);
        }
        let all = self
            .attempt(plan, &self.request.backends, Phase::Search)
            .await?;
        Ok((all.passes() >= row.passes()).then_some(all.verdicts))
    }
}

fn unneeded(cured: Backend, change: &Difference) -> String {
    format!("{cured}: it passes without {} too", change.shown())
}
