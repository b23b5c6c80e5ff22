//! What an agent can do, as typed tools: rendering a skillset and committing it.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod render;
pub mod repository;
