//! Renders a plan into a folder: `cargo run -p portwright-tools --example render -- PLAN.toml FOLDER LIBRARY`, where
//! `LIBRARY` is the folder of the installed Transformers package.

use std::{error::Error, fs, path::Path};

use portwright_core::PortPlan;
use portwright_tools::render::render_code;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [plan, folder, library] = arguments.as_slice() else {
        return Err("usage: render PLAN.toml FOLDER LIBRARY".into());
    };
    let plan = PortPlan::from_toml(&fs::read_to_string(plan)?)?;
    let folder = Path::new(folder).join(plan.model_type.slug());
    for (path, text) in render_code(&plan, None, Path::new(library))? {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&folder))?;
        fs::write(path, text)?;
    }
    Ok(())
}
