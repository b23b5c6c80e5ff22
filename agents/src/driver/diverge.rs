//! Says of an artefact whose values differ where they first do, so that a person, or a model, looks at the right lines.

use portwright_core::{
    Backend, PortPlan, Stage,
    job::{Divergence, Job, JobError},
    text,
    verdict::BackendVerdict,
};

use super::{
    DriverError,
    analyse::answer,
    ground::{Failure, Phase, path_text},
    launch::Launch,
    steps::subfolder,
};

/// Who says so in the events.
const NAME: &str = "driver";

impl Launch<'_> {
    /// Adds to the finding of an ONNX file whose values differ the first module that does not agree, and answers whether it
    /// did. It changes no verdict, and a file that cannot be looked into keeps the finding that it has.
    pub async fn explain(
        &self,
        plan: &PortPlan,
        verdict: &mut BackendVerdict,
    ) -> Result<bool, DriverError> {
        let backend = verdict.backend;
        let Some(finding) = verdict.finding.as_mut().filter(|finding| {
            backend == Backend::ONNXRUNTIME
                && finding.stage == Stage::Compare
                && finding.signature.0.starts_with("values differ")
        }) else {
            return Ok(false);
        };
        let message = finding.message.clone();
        // What could not be looked into now may be later.
        let looked = |answer: &Option<Divergence>| answer.is_some();
        let answer = self
            .steps
            .remembered("diverge", &(plan, &message), looked, async || {
                self.first_difference(plan, backend, &message).await
            })
            .await?;
        let Some(found) = answer
            .and_then(|answer| answer.found)
            .map(JobError::bounded)
        else {
            return Ok(false);
        };
        self.steps
            .decided(NAME, format!("{backend}: {}", hint(&found, None)))?;
        finding.hint = Some(hint(&found, finding.hint.as_deref()));
        finding.error = Some(found);
        Ok(true)
    }

    /// What the worker answers; nothing, and an event that says why, where it could not look.
    async fn first_difference(
        &self,
        plan: &PortPlan,
        backend: Backend,
        message: &str,
    ) -> Result<Option<Divergence>, DriverError> {
        let Some((ground, main)) = self.artefact(plan, backend, Phase::Search).await? else {
            return Ok(None);
        };
        // The set that the judge names; a probe may be the only one that shows it.
        let named = |name: &str| message.contains(&format!("for set `{name}`"));
        let sets = &ground.reference.sets;
        let Some(set) = sets.iter().find(|set| named(&set.name)).or(sets.first()) else {
            return Ok(None);
        };
        let inputs = ground.input_folder.join(set.file_name());
        let job = Job::Diverge {
            plan: Box::new(plan.clone()),
            source: self.request.target.source.clone(),
            checkpoint: path_text(&ground.checkpoint),
            artefact: path_text(&main),
            inputs: vec![path_text(&inputs)],
        };
        let work = subfolder(&self.steps.scratch("diverge")?, "job")?;
        let report = self.job_in(job, &work, Vec::new()).await?;
        Ok(match answer::<Divergence>(&report) {
            Ok(answer) => Some(answer),
            Err(_) => {
                let why = Failure::of_report(Stage::Compare, &report)
                    .map_or_else(String::new, |failure| failure.finding.message);
                self.steps
                    .decided(NAME, format!("{backend}: no module was compared: {why}"))?;
                None
            }
        })
    }
}

/// What was found, with the line of the library nearest to it, and then what is always worth trying.
fn hint(found: &JobError, known: Option<&str>) -> String {
    let mut parts = vec![text::line(&found.message)];
    if let Some(frame) = found.frames.last() {
        let file = frame.file.rsplit('/').next().unwrap_or(&frame.file);
        parts.push(format!("it is computed at {file}:{}", frame.line));
    }
    parts.extend(known.map(str::to_owned));
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use portwright_core::job::Frame;

    use super::*;

    #[test]
    fn a_person_is_told_the_module_the_line_and_what_to_try() {
        let found = JobError {
            message: "the artefact first differs from PyTorch in `layer.1` (Linear)".into(),
            frames: vec![Frame {
                file: "/somewhere/modeling_any.py".into(),
                line: 7,
                function: "forward".into(),
                code: "return self.layer(x)".into(),
                ..Frame::default()
            }],
            ..JobError::default()
        };
        assert_eq!(
            hint(&found, Some("try another exporter")),
            "the artefact first differs from PyTorch in `layer.1` (Linear); it is computed at modeling_any.py:7; \
             try another exporter"
        );
    }
}
