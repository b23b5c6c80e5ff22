//! What is known: the catalogue of names, what the library's source says, and how a small valid plan is found.
//!
//! [`catalogue`] leads from a name to a model type, [`tracing`] reads Python source with tree-sitter, [`card`] joins
//! that with what introspection saw, [`propose`] finds a first small configuration and its inputs, and [`rules`] and
//! [`search`] say what to try next after a finding; [`reduce`] says what of a plan a failure does not need. [`corpus`]
//! makes documents of all that can be looked up, and [`retrieval`] finds the ones that answer a question. Apart from
//! reading source files in [`tracing`] and [`corpus`], and from the index of [`retrieval`], everything here is a pure
//! function.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod card;
pub mod catalogue;
pub mod corpus;
pub mod difference;
pub mod guard;
pub mod propose;
pub mod reduce;
pub mod retrieval;
pub mod rules;
pub mod search;
pub mod tracing;
