//! Embeds every template of `templates`, by listing the folder.

fn main() {
    minijinja_embed::embed_templates!("templates", &[".j2"][..]);
}
