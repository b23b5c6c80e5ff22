//! The end of the way: the skillset's own tests, its documents, and the commit.

use std::path::Path;

use portwright_core::{
    Finding, InterfaceCard, PortPlan, Signature, Stage, Verdict,
    job::{Job, TestReport},
    verdict::BackendVerdict,
};
use portwright_tools::{render, repository};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    DriverError,
    analyse::answer,
    ground::{Failure, path_text},
    launch::Launch,
};

impl Launch<'_> {
    /// Runs the skillset's own tests in the sandbox; the failure of any is the failure of the skillset.
    pub async fn test_skillset(&self, skillset: &Path) -> Result<Option<Failure>, DriverError> {
        let step = self
            .steps
            .step("test the skillset", &json!([skillset]), async |folder| {
                let job = Job::Pytest {
                    skillset: path_text(skillset),
                };
                // Pytest imports the skillset as a package, by listing the folder that holds it.
                let holder = skillset.parent().unwrap_or(skillset).to_owned();
                self.job_in(job, folder, vec![holder]).await
            })
            .await?;
        if let Some(failure) = Failure::of_report(Stage::Test, &step.value) {
            return Ok(Some(failure));
        }
        let message = match answer::<TestReport>(&step.value) {
            Ok(report) if report.failed == 0 && report.passed > 0 => return Ok(None),
            Ok(report) => format!(
                "of the skillset's own tests {} failed and {} passed: {}",
                report.failed,
                report.passed,
                report.messages.join("; ")
            ),
            Err(error) => format!("the tests answered with no report: {error}"),
        };
        Ok(Some(Failure::fail(Box::new(Finding {
            stage: Stage::Test,
            backend: None,
            signature: Signature::phrase("the skillset's own tests fail"),
            message,
            error: None,
            hint: Some("run pytest in the skillset's folder to see the whole output".to_owned()),
        }))))
    }
}

/// The commit of a skillset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub branch: String,
    pub commit: String,
}

impl Launch<'_> {
    /// Commits the skillset on a branch of the run's own. Where nothing passes, nothing is committed.
    pub async fn publish(
        &self,
        card: &InterfaceCard,
        plan: &PortPlan,
        verdicts: &[BackendVerdict],
    ) -> Result<Option<Commit>, DriverError> {
        let Some(repository) = &self.request.repository else {
            return Ok(None);
        };
        if !verdicts
            .iter()
            .any(|verdict| verdict.verdict == Verdict::Pass)
        {
            return Ok(None);
        }
        let step = self
            .steps
            .step(
                "commit",
                &json!([repository, plan, verdicts]),
                async |_folder| {
                    let versions = &self.steps.session.environment.versions;
                    let mut files = self.code(plan)?;
                    files.extend(render::render_documents(
                        plan, card, verdicts, versions, &files,
                    )?);
                    let files = files
                        .into_iter()
                        .map(|(name, text)| (name, text.into_bytes()))
                        .collect();
                    let message = repository::message(&repository::Summary {
                        model_type: &plan.model_type,
                        run: &self.steps.run,
                        plan: &plan.digest()?,
                        library_version: &plan.library_version,
                        verdicts,
                    });
                    let branch = format!("portwright/{}", self.steps.run);
                    let slug = plan.model_type.slug();
                    let made =
                        repository::commit(repository, &branch, &slug, &files, &message, None)?;
                    Ok(Commit {
                        branch: made.branch,
                        commit: made.commit,
                    })
                },
            )
            .await?;
        Ok(Some(step.value))
    }
}
