//! The names that people use, each with the type or the folder that a sweep ports for it.

use portwright_core::{Catalogue, Family, ModelType};
use serde::Serialize;
use serde_json::{Map, Value};

use super::seeds::seeds;

/// The row of a sweep that stands for one name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedRow {
    /// As people write it, e.g. `FLAN-T5`.
    pub name: String,
    pub family: Family,
    pub target: SeedTarget,
    /// Configuration that makes the variant; empty where the name is the type itself.
    pub variant: Map<String, Value>,
    /// Further types that the name covers, those of them that the release has.
    pub also: Vec<ModelType>,
}

/// What is ported for a name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeedTarget {
    /// A model type of the release.
    Type(ModelType),
    /// A type that the release does not have.
    Absent(ModelType),
    /// The name of a folder with modelling code of its own, below the folder that holds such models.
    Folder(String),
}

/// One row per name, in the order of the list.
pub fn rows(catalogue: &Catalogue) -> Result<Vec<SeedRow>, toml::de::Error> {
    let has = |name: &str| catalogue.get(name).is_some();
    let rows = seeds()?.into_iter().map(|seed| {
        let target = match (seed.model_type, seed.folder) {
            (Some(name), _) if has(&name) => SeedTarget::Type(ModelType::new(name)),
            (Some(name), _) => SeedTarget::Absent(ModelType::new(name)),
            (None, folder) => SeedTarget::Folder(folder.unwrap_or_default()),
        };
        let also = seed.also.into_iter().filter(|name| has(name));
        SeedRow {
            target,
            also: also.map(ModelType::new).collect(),
            name: seed.name,
            family: seed.family,
            variant: seed.config,
        }
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portwright_core::{CatalogueEntry, Digest, Kind, catalogue};

    use super::*;

    /// The names that the plan of the project promises, by family.
    const PROMISED: [(Family, &[&str]); 6] = [
        (
            Family::EncoderOnly,
            &[
                "BERT",
                "RoBERTa",
                "ALBERT",
                "DistilBERT",
                "ELECTRA",
                "DeBERTa",
                "XLM-RoBERTa",
                "MPNet",
                "ERNIE",
                "CANINE",
                "Longformer",
                "BigBird",
                "ConvBERT",
                "LUKE",
                "RoFormer",
                "MobileBERT",
                "SqueezeBERT",
                "FNet",
            ],
        ),
        (
            Family::DecoderOnly,
            &[
                "GPT-2",
                "LLaMA",
                "Mistral",
                "Falcon",
                "Phi",
                "CodeLLama",
                "MPT",
                "OPT",
                "BLOOM",
                "Gemma",
                "Pythia",
                "RWKV",
                "StableLM",
                "GPT-Neo",
                "GPT-J",
                "GPT-NeoX",
                "TinyLlama",
                "Zephyr",
                "OpenLLaMA",
                "PaLM",
            ],
        ),
        (
            Family::EncoderDecoder,
            &[
                "T5",
                "BART",
                "Pegasus",
                "mT5",
                "FLAN-T5",
                "BigBird-Pegasus",
                "LED",
                "Marian",
                "ProphetNet",
                "MASS",
                "M2M100",
                "mBART",
            ],
        ),
        (
            Family::Vision,
            &[
                "ViT",
                "Swin",
                "DeiT",
                "ConvNeXT",
                "ConvNext",
                "ResNet",
                "MobileNet",
                "EfficientNet",
                "RegNet",
                "BEiT",
                "MAE",
                "DiNO",
                "MobileViT",
                "ConvViT",
            ],
        ),
        (
            Family::Speech,
            &["Whisper", "Wav2Vec2", "HuBERT", "SEW", "UniSpeech"],
        ),
        (
            Family::Multimodal,
            &["LLaVA", "CLIP", "BLIP", "GIT", "FLAVA"],
        ),
    ];

    /// A catalogue with every type that a name leads to, but the given one.
    fn without(absent: &str) -> Catalogue {
        let mut types: Vec<CatalogueEntry> = Vec::new();
        for seed in seeds().unwrap() {
            for name in seed.model_type.into_iter().chain(seed.also) {
                if name != absent {
                    types.push(CatalogueEntry {
                        model_type: ModelType::new(name),
                        kind: Kind::Base,
                        family: seed.family,
                        config_class: String::new(),
                        auto_classes: BTreeMap::new(),
                        own_classes: vec![],
                        modalities: vec![],
                        parents: vec![],
                        deprecated: false,
                        generative: false,
                        interface: Digest::of(""),
                        problems: vec![],
                    });
                }
            }
        }
        Catalogue {
            schema: catalogue::SCHEMA,
            library_version: "9.0.0".into(),
            types,
        }
    }

    fn row(rows: &[SeedRow], name: &str) -> SeedRow {
        rows.iter().find(|row| row.name == name).unwrap().clone()
    }

    #[test]
    fn every_promised_name_has_a_row_of_its_family() {
        let rows = rows(&without("")).unwrap();
        let mut promised = 0;
        for (family, names) in PROMISED {
            promised += names.len();
            for name in names {
                assert_eq!(row(&rows, name).family, family, "{name}");
            }
        }
        assert_eq!((promised, rows.len()), (74, 74));
    }

    #[test]
    fn every_row_has_something_to_port() {
        for row in rows(&without("")).unwrap() {
            match row.target {
                SeedTarget::Type(name) => assert!(!name.as_str().is_empty(), "{}", row.name),
                SeedTarget::Folder(name) => assert!(!name.is_empty(), "{}", row.name),
                SeedTarget::Absent(name) => panic!("{} is {name}", row.name),
            }
        }
    }

    #[test]
    fn names_that_are_no_type_lead_to_one_or_to_a_folder() {
        let rows = rows(&without("")).unwrap();
        let type_of = |name| SeedTarget::Type(ModelType::new(name));
        assert_eq!(row(&rows, "CodeLLama").target, type_of("llama"));
        assert_eq!(row(&rows, "GPT-2").target, type_of("gpt2"));
        assert_eq!(row(&rows, "PaLM").target, SeedTarget::Folder("palm".into()));
        assert_eq!(row(&rows, "MASS").target, SeedTarget::Folder("mass".into()));
    }

    #[test]
    fn a_variant_keeps_its_configuration_and_a_name_its_further_types() {
        let rows = rows(&without("")).unwrap();
        assert!(row(&rows, "T5").variant.is_empty());
        assert_eq!(
            row(&rows, "FLAN-T5").variant["feed_forward_proj"],
            "gated-gelu"
        );
        assert_eq!(row(&rows, "DeBERTa").also, [ModelType::new("deberta-v2")]);
    }

    #[test]
    fn a_type_that_the_release_lacks_keeps_its_row() {
        let absent = |name: &str| SeedTarget::Absent(ModelType::new(name));
        assert_eq!(
            row(&rows(&without("bloom")).unwrap(), "BLOOM").target,
            absent("bloom")
        );
        assert!(
            row(&rows(&without("sew-d")).unwrap(), "SEW")
                .also
                .is_empty()
        );
    }
}
