//! A developer's bench: proposes plans from introspections, and answers findings with the next plan.
//!
//! `knowledge_cli propose LIBRARY IN.json... OUT_DIR` writes a plan for each introspection.
//! `knowledge_cli card LIBRARY IN.json` prints the interface card.
//! `knowledge_cli search LIBRARY IN_DIR` reads lines `{"type", "plan", "finding"}` and answers each with a plan or
//! `null`.

use std::{collections::HashMap, error::Error, fs, io::BufRead, path::Path};

use portwright_core::{Finding, InterfaceCard, PortPlan, job::Introspection};
use portwright_knowledge::{
    card,
    propose::{ProposeOptions, propose},
    search::Frontier,
    tracing::Sources,
};

#[derive(serde::Deserialize)]
struct Question {
    #[serde(rename = "type")]
    model_type: String,
    plan: PortPlan,
    finding: Finding,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["propose", library, files @ .., out] => proposals(library, files, out),
        ["card", library, file] => {
            let card = read(Path::new(file), &Sources::new(library, None))?;
            println!("{}", serde_json::to_string_pretty(&card)?);
            Ok(())
        }
        ["search", library, folder] => search(library, folder),
        _ => Err(
            "usage: knowledge_cli propose LIBRARY IN.json... OUT_DIR | search LIBRARY IN_DIR"
                .into(),
        ),
    }
}

fn read(file: &Path, sources: &Sources) -> Result<InterfaceCard, Box<dyn Error>> {
    let seen: Introspection = serde_json::from_str(&fs::read_to_string(file)?)?;
    Ok(card::assemble(&seen, sources)?)
}

fn proposals(library: &str, files: &[&str], out: &str) -> Result<(), Box<dyn Error>> {
    let sources = Sources::new(library, None);
    for file in files {
        let made = read(Path::new(file), &sources)
            .and_then(|card| Ok(propose(&card, &ProposeOptions::default())?));
        match made {
            Ok(plan) => {
                let path = Path::new(out).join(format!("{}.json", plan.model_type.slug()));
                fs::write(path, serde_json::to_string_pretty(&plan)?)?;
            }
            Err(error) => println!("{file}: {error}"),
        }
    }
    Ok(())
}

fn search(library: &str, folder: &str) -> Result<(), Box<dyn Error>> {
    let sources = Sources::new(library, None);
    let mut open: HashMap<String, (InterfaceCard, Frontier)> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line?)?;
        if !open.contains_key(&question.model_type) {
            let file = Path::new(folder).join(format!("{}.json", question.model_type));
            let card = read(&file, &sources)?;
            open.insert(question.model_type.clone(), (card, Frontier::default()));
        }
        if let Some((card, frontier)) = open.get_mut(&question.model_type) {
            frontier.observe(card, &question.plan, &question.finding);
            let next = frontier.advance().map(|candidate| candidate.plan);
            println!("{}", serde_json::to_string(&next)?);
        }
    }
    Ok(())
}
