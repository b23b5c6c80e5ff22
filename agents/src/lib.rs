//! Who decides.
//!
//! The four agents, [`analyst`], [`generator`], [`porter`] and [`fixer`], are pure step machines: they are given an
//! [`protocol::Observation`] and answer with an [`protocol::Action`]. They do no input or output, hold no handle,
//! and do not know one another; the dialogue with a language model is a part that an agent may hold. The [`driver`] alone carries actions out, keeps what they answered in the ledger,
//! and hands the observation back.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod analyst;
mod dialogue;
pub mod driver;
pub mod fixer;
pub mod generator;
pub mod llm;
pub mod porter;
pub mod protocol;
pub mod suite;
pub mod sweep;
#[cfg(test)]
mod testing;
