//! The documents of a judged skillset: `README.md` and `manifest.json`.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Value, context};
use portwright_core::{
    Digest, InterfaceCard, Verdict,
    markdown::{code, code_cell, plain, plain_cell, prose},
    plan::PortPlan,
    text,
    verdict::{BackendVerdict, Evidence, limits},
};
use serde::Serialize;

use super::{Files, RenderError, context, environment, inputs};

/// The version of the manifest's JSON form.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Manifest<'a> {
    schema: u32,
    model_type: &'a str,
    class: &'a str,
    family: &'a str,
    task: &'a str,
    library_version: &'a str,
    versions: &'a BTreeMap<String, String>,
    plan: Digest,
    files: BTreeMap<&'a str, Digest>,
    verdicts: &'a [BackendVerdict],
}

/// Renders the documents of a skillset whose code is `code`. `versions` holds what is installed, of which the
/// documents name what the skillset needs.
pub fn render_documents(
    plan: &PortPlan,
    card: &InterfaceCard,
    verdicts: &[BackendVerdict],
    versions: &BTreeMap<String, String>,
    code: &Files,
) -> Result<Files, RenderError> {
    let needed = context::requirements(plan);
    let versions: BTreeMap<String, String> = versions
        .iter()
        .filter(|(package, _)| needed.contains(package.as_str()))
        .map(|(package, version)| (package.clone(), version.clone()))
        .collect();
    let versions = &versions;
    let readme = environment()?
        .get_template("readme.md.j2")?
        .render(readme(plan, card, verdicts, versions))?
        + "\n";
    let mut files: BTreeMap<&str, Digest> = code
        .iter()
        .map(|(path, text)| (path.as_str(), Digest::of(text)))
        .collect();
    files.insert("README.md", Digest::of(&readme));
    let manifest = Manifest {
        schema: SCHEMA,
        model_type: plan.model_type.as_str(),
        class: &plan.class,
        family: plan.family.as_str(),
        task: &plan.task,
        library_version: &plan.library_version,
        versions,
        plan: plan.digest()?,
        files,
        verdicts,
    };
    let manifest = text::json(&serde_json::to_string_pretty(&manifest)?) + "\n";
    Ok(Files::from([
        ("README.md".into(), readme),
        ("manifest.json".into(), manifest),
    ]))
}

fn readme(
    plan: &PortPlan,
    card: &InterfaceCard,
    verdicts: &[BackendVerdict],
    versions: &BTreeMap<String, String>,
) -> Value {
    let evidence = verdicts
        .iter()
        .find_map(|verdict| verdict.evidence.as_ref());
    let passed = verdicts.iter().filter(|it| it.verdict == Verdict::Pass);
    let shown_backend = context::shown(passed.map(|verdict| verdict.backend));
    context! {
        model_type => plan.model_type.as_str(),
        slug => plan.model_type.slug(),
        headline => context::headline(plan),
        web => super::web::places(&plan.backends),
        shown_backend => shown_backend.as_str(),
        default_batch => context::batch(plan),
        library_version => plan.library_version.as_str(),
        inputs => plan.inputs.iter().map(|input| context! {
            name => input.name.as_str(),
            dtype => format!("{:?}", input.dtype).to_lowercase(),
            axes => inputs::axes(input),
            modality => plain_cell(&input.modality),
            drawn => inputs::drawn(&input.values),
        }).collect::<Vec<_>>(),
        sizes => plan.dims.iter().map(|(name, dim)| context! { name, example => dim.example, other => dim.other }).collect::<Vec<_>>(),
        mixes_rows => plan.mixes_rows,
        outputs => evidence.map_or_else(Vec::new, |evidence| evidence.outputs.iter().map(|output| context! { name => code_cell(&output.name), dtype => plain_cell(&output.dtype) }).collect()),
        declared_outputs => card.class(&plan.class).map(|class| class.outputs.iter().map(|name| code(name)).collect::<Vec<_>>()).unwrap_or_default(),
        verdicts => verdicts.iter().map(verdict_row).collect::<Vec<_>>(),
        measured => verdicts.iter().filter_map(|verdict| Some(measured_row(verdict, verdict.evidence.as_ref()?))).collect::<Vec<_>>(),
        isolation => isolation(verdicts),
        tried => tried(verdicts),
        limits => limits(verdicts).into_iter().map(|(limit, backends)| context! {
            kind => limit.kind.as_str(),
            backends => backends.iter().map(|backend| backend.as_str()).collect::<Vec<_>>().join(", "),
            sentence => prose(&limit.sentence),
        }).collect::<Vec<_>>(),
        versions,
        adaptations => plan.adaptations.iter().map(|adaptation| context! {
            change => prose(&context::change(&adaptation.kind)),
            source => format!("{:?}", adaptation.provenance.source).to_lowercase(),
            name => plain(&adaptation.provenance.name),
            reason => prose(&adaptation.provenance.reason),
        }).collect::<Vec<_>>(),
        facts => facts(plan, card),
    }
}

/// The sizes of each dimension that every pass was judged on.
fn tried(verdicts: &[BackendVerdict]) -> Vec<Value> {
    let mut passes = verdicts.iter().filter_map(|it| it.evidence.as_ref());
    let Some(first) = passes.next() else {
        return Vec::new();
    };
    let mut tried = first.sizes_tried();
    for evidence in passes {
        let other = evidence.sizes_tried();
        for (name, sizes) in &mut tried {
            sizes.retain(|size| other.get(name).is_some_and(|other| other.contains(size)));
        }
    }
    let shown = tried.into_iter().map(|(name, sizes)| {
        let sizes: Vec<String> = sizes.iter().map(u64::to_string).collect();
        context! { name => plain(name), sizes => sizes.join(", ") }
    });
    shown.collect()
}

/// The walls behind which the verdicts were reached, each named once.
fn isolation(verdicts: &[BackendVerdict]) -> String {
    let named: BTreeSet<&str> = verdicts
        .iter()
        .filter_map(|verdict| Some(verdict.evidence.as_ref()?.isolation.as_str()))
        .collect();
    Vec::from_iter(named).join(", ")
}

fn verdict_row(verdict: &BackendVerdict) -> Value {
    let worst = verdict.evidence.as_ref().and_then(Evidence::worst);
    context! {
        backend => verdict.backend.as_str(),
        verdict => verdict.verdict.as_str(),
        device => verdict.evidence.as_ref().map_or_else(String::new, |evidence| plain_cell(&evidence.device)),
        difference => worst.map_or_else(String::new, |output| format!("{:.1e} ({})", output.difference, code_cell(&output.name))),
        allowed => worst.map_or_else(String::new, |output| format!("{:.1e}", output.allowed)),
        why => verdict.finding.as_ref().map_or_else(String::new, |finding| prose(&finding.message).replace('|', "\\|")),
    }
}

fn measured_row(verdict: &BackendVerdict, evidence: &Evidence) -> Value {
    let mib = |bytes: f64| format!("{:.1} MiB", bytes / f64::from(1 << 20));
    let ms = |seconds: f64| format!("{:.2} ms", seconds * 1e3);
    context! {
        backend => verdict.backend.as_str(),
        load => format!("{:.2} s", evidence.load_seconds),
        p50 => ms(evidence.latency_p50_seconds),
        p95 => ms(evidence.latency_p95_seconds),
        memory => mib(evidence.peak_resident_bytes as f64),
        slope => evidence.memory_slope_bytes.map_or_else(|| "not measured".to_owned(), |bytes| format!("{:.1} KiB", bytes / 1024.0)),
        artefact => mib(evidence.artefact_bytes as f64),
    }
}

/// Where the class, its configuration and the facts that the plan uses were read.
fn facts(plan: &PortPlan, card: &InterfaceCard) -> Vec<Value> {
    let mut facts = Vec::new();
    let mut add = |what: String, source: &portwright_core::card::SourceSpan| {
        facts.push(
            context! { what, place => code_cell(&format!("{}:{}", source.file, source.line)) },
        );
    };
    add(
        format!("configuration {}", code_cell(&card.config_class.name)),
        &card.config_class.source,
    );
    if let Some(class) = card.class(&plan.class) {
        add(format!("class {}", code_cell(&class.name)), &class.source);
        for input in &plan.inputs {
            if let Some(found) = class
                .inputs
                .iter()
                .find(|parameter| parameter.name == input.name)
            {
                add(format!("input {}", code_cell(&found.name)), &found.source);
            }
        }
    }
    for key in plan.config.keys() {
        if let Some(source) = card.field(key).and_then(|field| field.source.as_ref()) {
            add(format!("configuration field {}", code_cell(key)), source);
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use portwright_core::{
        Backend, Finding, Limit, LimitKind, Signature, Stage,
        card::{self, ClassFact, SourceSpan},
        verdict::{InputSetEvidence, OutputEvidence, Placement},
    };

    use super::*;
    use crate::render::render_code;

    fn plan() -> PortPlan {
        PortPlan::from_toml(include_str!("../../tests/plans/bert.toml")).unwrap()
    }

    fn card(plan: &PortPlan) -> InterfaceCard {
        InterfaceCard {
            whole: None,
            schema: card::SCHEMA,
            model_type: plan.model_type.clone(),
            library_version: plan.library_version.clone(),
            family: plan.family,
            config_class: ClassFact {
                name: plan.config_class.clone(),
                module: plan.module.clone(),
                source: SourceSpan {
                    file: "models/bert/configuration_bert.py".into(),
                    line: 24,
                },
            },
            config_fields: Vec::new(),
            attribute_map: BTreeMap::new(),
            sub_configs: BTreeMap::new(),
            classes: Vec::new(),
            modalities: vec!["text".into()],
            processed: BTreeMap::new(),
            demands: Vec::new(),
            export_switches: Vec::new(),
            vocabularies: Vec::new(),
        }
    }

    fn pass(plan: &PortPlan) -> BackendVerdict {
        let evidence = Evidence {
            judge_version: 1,
            device: "CPUExecutionProvider".into(),
            versions: BTreeMap::new(),
            placement: Placement {
                provider: "CPUExecutionProvider".into(),
                nodes_on_provider: 9,
                nodes: 9,
                by_provider: BTreeMap::new(),
            },
            outputs: vec![OutputEvidence {
                name: "last_hidden_state".into(),
                dtype: "float32".into(),
                max_absolute: 4.1e-7,
                max_relative: 1e-7,
                reference_spread: 4.0,
                reference_noise: 0.0,
                difference: 4.1e-7,
                allowed: 4e-3,
                untouched: false,
            }],
            input_sets: vec![InputSetEvidence {
                name: "example".into(),
                sizes: BTreeMap::from([("batch".to_owned(), 2), ("sequence".to_owned(), 8)]),
                seed: 1,
            }],
            sensitivity: Vec::new(),
            load_seconds: 0.25,
            latency_p50_seconds: 0.0012,
            latency_p95_seconds: 0.0031,
            peak_resident_bytes: 300 << 20,
            memory_slope_bytes: Some(2048.0),
            artefact: Digest::of("artefact"),
            artefact_bytes: 1 << 19,
            plan: plan.digest().unwrap(),
            isolation: "namespaces+landlock+seccomp".into(),
            dynamic: true,
            limits: vec![Limit::new(
                LimitKind::Branch,
                "No input set made `length > 24` true (modeling_any.py:7, in forward).",
            )],
        };
        BackendVerdict {
            backend: Backend::ONNXRUNTIME,
            verdict: Verdict::Pass,
            evidence: Some(evidence),
            finding: None,
        }
    }

    fn failure() -> BackendVerdict {
        BackendVerdict {
            backend: Backend::OPENVINO,
            verdict: Verdict::Fail,
            evidence: None,
            finding: Some(Finding {
                stage: Stage::Compare,
                backend: Some(Backend::OPENVINO),
                signature: Signature::phrase("differs"),
                message: "`logits` | differs by 0.4".into(),
                error: None,
                hint: None,
            }),
        }
    }

    #[test]
    fn a_pass_shows_its_evidence_and_a_failure_its_reason() {
        let plan = plan();
        let code = render_code(&plan, None, Path::new("")).unwrap();
        let versions = BTreeMap::from([("torch".to_owned(), "2.13.0".to_owned())]);
        let files = render_documents(
            &plan,
            &card(&plan),
            &[pass(&plan), failure()],
            &versions,
            &code,
        )
        .unwrap();
        let readme = &files["README.md"];
        assert!(readme.contains("| openvino | fail |"), "{readme}");
        assert!(readme.contains("with load(\"onnxruntime\")"), "{readme}");
        assert!(readme.contains(r"`logits` \| differs by 0.4"), "{readme}");
        assert!(
            readme.contains("`models/bert/configuration_bert.py:24`"),
            "{readme}"
        );
        assert!(readme.contains("| torch | 2.13.0 |"), "{readme}");
        insta::assert_snapshot!("readme", readme);
        let manifest: serde_json::Value = serde_json::from_str(&files["manifest.json"]).unwrap();
        assert_eq!(
            manifest["verdicts"][0]["evidence"]["device"],
            "CPUExecutionProvider"
        );
        assert_eq!(manifest["verdicts"][1]["verdict"], "fail");
    }

    #[test]
    fn what_a_model_says_stays_in_its_cell() {
        const HOSTILE: &str = "x\u{1b}[31m\n| pass |\u{202e}<b>";
        let plan = plan();
        let mut card = card(&plan);
        card.config_class.name = HOSTILE.into();
        card.config_class.source.file = HOSTILE.into();
        let (mut passed, mut failed) = (pass(&plan), failure());
        let evidence = passed.evidence.as_mut().unwrap();
        evidence.device = HOSTILE.into();
        evidence.outputs[0].name = HOSTILE.into();
        failed.finding.as_mut().unwrap().message = HOSTILE.into();
        let code = render_code(&plan, None, Path::new("")).unwrap();
        let versions = BTreeMap::new();
        let files = render_documents(&plan, &card, &[passed, failed], &versions, &code).unwrap();
        for text in files.values() {
            assert!(
                !text.contains(|c| text::is_hidden(c) && c != '\n'),
                "{text}"
            );
        }
        let readme = &files["README.md"];
        assert!(!readme.contains("\n| pass"), "{readme}");
        let rows = readme.lines().filter(|line| line.starts_with("| o"));
        insta::assert_snapshot!(rows.collect::<Vec<_>>().join("\n"), @r"
        | output | type |
        | onnxruntime | pass | x\\u\{1b\}\[31m \| pass \|\\u\{202e\}\<b\> | 4.1e-7 (`x\u{1b}[31m \| pass \|\u{202e}<b>`) | 4.0e-3 |  |
        | openvino | fail |  |  |  | x\\u\{1b\}\[31m \| pass \|\\u\{202e\}\<b\> |
        | onnxruntime | 0.25 s | 1.20 ms | 3.10 ms | 300.0 MiB | 2.0 KiB | 0.5 MiB |
        ");
        assert!(serde_json::from_str::<serde_json::Value>(&files["manifest.json"]).is_ok());
    }

    #[test]
    fn whoever_batches_is_told_where_rows_are_not_independent() {
        let mut plan = plan();
        let told = |plan: &PortPlan| {
            let code = render_code(plan, None, Path::new("")).unwrap();
            let files = render_documents(plan, &card(plan), &[], &BTreeMap::new(), &code).unwrap();
            files["README.md"].contains("rows of a batch are not independent")
        };
        assert!(!told(&plan));
        plan.mixes_rows = true;
        assert!(told(&plan));
    }

    #[test]
    fn the_manifest_names_every_other_file_by_its_digest() {
        let plan = plan();
        let code = render_code(&plan, None, Path::new("")).unwrap();
        let files = render_documents(&plan, &card(&plan), &[], &BTreeMap::new(), &code).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&files["manifest.json"]).unwrap();
        for (path, text) in code.iter().chain(files.get_key_value("README.md")) {
            assert_eq!(
                manifest["files"][path],
                serde_json::to_value(Digest::of(text)).unwrap()
            );
        }
    }
}
