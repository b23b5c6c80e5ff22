//! What a language model is told: a folder per agent, a Markdown template per prompt, a typed context for each.
//!
//! What comes from elsewhere (source, errors, plans, documents) is data. A template can put it into a prompt only
//! through the `data` filter, which fences it, cuts what is too long where everyone can see it, and cannot be left from
//! inside; anything else that a template prints is reduced to the characters of a name. The instruction on the form of
//! the answer is appended here, so it always comes last.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod analyst;
mod data;
pub mod fixer;
mod render;

pub use render::{Prompt, PromptError, render};
