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
    DriverError, Request,
    analyse::{answer, code},
    ground::{Failure, job_in, path_text},
    steps::Steps,
};

/// Runs the skillset's own tests in the sandbox; the failure of any is the failure of the skillset.
pub async fn test(
    steps: &Steps<'_>,
    request: &Request,
    skillset: &Path,
) -> Result<Option<Failure>, DriverError> {
    let step = steps
        .step("test the skillset", &json!([skillset]), async |folder| {
            let job = Job::Pytest {
                skillset: path_text(skillset),
            };
            // Pytest imports the skillset as a package, by listing the folder that holds it.
            let holder = skillset.parent().unwrap_or(skillset).to_owned();
            job_in(steps, request, job, folder, vec![holder]).await
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

/// The commit of a skillset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub branch: String,
    pub commit: String,
}

/// Commits the skillset on a branch of the run's own. Where nothing passes, nothing is committed.
pub async fn publish(
    steps: &Steps<'_>,
    request: &Request,
    card: &InterfaceCard,
    plan: &PortPlan,
    verdicts: &[BackendVerdict],
) -> Result<Option<Commit>, DriverError> {
    let Some(repository) = &request.repository else {
        return Ok(None);
    };
    if !verdicts
        .iter()
        .any(|verdict| verdict.verdict == Verdict::Pass)
    {
        return Ok(None);
    }
    let step = steps
        .step(
            "commit",
            &json!([repository, plan, verdicts]),
            async |_folder| {
                let versions = &steps.session.environment.versions;
                let mut files = code(steps, request, plan)?;
                files.extend(render::render_documents(
                    plan, card, verdicts, versions, &files,
                )?);
                let files = files
                    .into_iter()
                    .map(|(name, text)| (name, text.into_bytes()))
                    .collect();
                let message = repository::message(&repository::Summary {
                    model_type: &plan.model_type,
                    run: &steps.run,
                    plan: &plan.digest()?,
                    library_version: &plan.library_version,
                    verdicts,
                });
                let branch = format!("portwright/{}", steps.run);
                let slug = plan.model_type.slug();
                let made = repository::commit(repository, &branch, &slug, &files, &message, None)?;
                Ok(Commit {
                    branch: made.branch,
                    commit: made.commit,
                })
            },
        )
        .await?;
    Ok(Some(step.value))
}
