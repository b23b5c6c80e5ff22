//! The number of placeholder tokens where the error tells them by their id: `8 feature vectors for 32 placeholder tokens
//! (id 3)`.

use portwright_core::{
    Finding, PortPlan,
    plan::{Run, Values},
};

use super::{
    candidate::{Candidate, searched},
    placeholders::one_length,
    stated::STATED,
    text,
};
use crate::propose::senses::placeholders::{resize, without};

/// The plan whose placeholders of this id are as many as the features that the error counts; or without its video, where
/// a video is looked for among the placeholders of images: as both give features, one would be written over the other.
pub fn candidates(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (before, after) = said.split_once(" feature vectors for ")?;
    let features = text::numbers(before).last().copied()?;
    let [tokens, id, ..] = text::numbers(after)[..] else {
        return None;
    };
    let run = runs(plan)
        .iter()
        .find(|run| run.id == i64::try_from(id).unwrap_or(-1))?;
    let line = text::code(finding);
    if let Some(next) = one_length(plan, run.count, tokens) {
        let reason = "a length that changes gives as many features as no text has room for";
        let provenance = searched(STATED, finding, reason);
        return Some(Candidate::setting(next, "dims", provenance));
    }
    let (next, reason) = if run.marks != "video" && line.contains("video_") {
        let reason = "videos have the placeholders of images";
        (without(plan, "video")?, reason.to_owned())
    } else {
        // The error counts all rows.
        let wanted = (run.count * features)
            .checked_div(tokens)
            .filter(|count| *count > 0)?;
        let reason = format!("{features} features stand against {tokens} placeholders");
        (resize(plan, &run.marks, wanted)?, reason)
    };
    let provenance = searched(STATED, finding, reason);
    (next != *plan).then(|| Candidate::setting(next, "inputs.input_ids.values.runs", provenance))
}

/// What torch says where one tensor is put together as if it were a list of tensors.
const NO_LIST: &str = "must be tuple of Tensors, not Tensor";

/// The plan without its video, where the model puts together what it has made of a video as if that were a list: no video
/// of any shape gets past that line.
pub fn unlisted(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let code = text::code(finding);
    let line = code.lines().next()?;
    if !text::said(finding).contains(NO_LIST) || !line.contains("[\"video\"]") {
        return None;
    }
    let next = without(plan, "video")?;
    let reason = "the model cannot put together what it makes of a video";
    let provenance = searched(STATED, finding, reason);
    Some(Candidate::setting(next, "inputs.video", provenance))
}

fn runs(plan: &PortPlan) -> &[Run] {
    match plan.input("input_ids").map(|spec| &spec.values) {
        Some(Values::Tokens { runs, .. }) => runs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::Stage;

    use super::*;
    use crate::search::fixtures;

    fn plan() -> PortPlan {
        fixtures::prompt(
            r#"{ id = 3, at = 1, count = 4, marks = "image" }, { id = 4, at = 6, count = 4, marks = "video" }"#,
            r#"[[inputs]]
name = "pixel_values_videos"
dtype = "float32"
shape = ["batch", 2, 3, 32, 32]
modality = "video"
values = { kind = "normal", mean = 0.0, std = 1.0 }
"#,
        )
    }

    const COUNTED: &str = "Got 2 feature vectors for 8 placeholder tokens (id 3)";

    fn met(said: &str, code: &str) -> Finding {
        fixtures::met(Stage::Forward, "ValueError", said, code)
    }

    fn tried(code: &str) -> PortPlan {
        candidates(&plan(), &met(COUNTED, code)).unwrap().plan
    }

    #[test]
    fn a_video_that_the_model_cannot_put_together_is_left_out() {
        let said = "cat(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor";
        let line = |sense: &str| format!("embeds = torch.cat(outputs[\"{sense}\"].pooled, dim=0)");
        let next = unlisted(&plan(), &met(said, &line("video"))).unwrap();
        assert!(next.plan.input("pixel_values_videos").is_none());
        assert!(unlisted(&plan(), &met(said, &line("image"))).is_none());
    }

    #[test]
    fn placeholders_that_the_error_tells_by_id_become_as_many_as_the_features() {
        let next = tried("mask = self.get_mask(input_ids, image_embeds, self.image_token_id)");
        assert_eq!(runs(&next)[0].count, 1);
        assert_eq!(runs(&next).len(), 2);
    }

    #[test]
    fn a_video_that_is_looked_for_among_the_placeholders_of_images_is_left_out() {
        let next = tried("mask = self.get_mask(input_ids, video_embeds, self.image_token_id)");
        assert!(next.input("pixel_values_videos").is_none());
        assert_eq!(runs(&next).len(), 1);
    }
}
