//! SQL and metadata in, plans out. Runs nothing, reads no configuration, knows no SQLSTATE.
//!
//! The way of a query here, in order:
//! 1. [`parse`]: text to statements; [`depth`] refuses what would overflow a stack, [`dialect`],
//!    [`catalog_rewrite`], [`explain_options`], [`cursors`], [`copies`] and [`names`] put
//!    PostgreSQL's SQL into words DataFusion plans alike; [`commands`] are those it has no
//!    words for. [`places`] says where in a text something stands.
//! 2. [`resolve`]: names to tables, types ([`types`]) and functions ([`functions`]).
//! 3. [`arithmetic`]: literals, overflow and decimals as PostgreSQL has them ([`integers`],
//!    [`decimals`], [`floats`]); [`casts`] and [`dates`] as it has those.
//! 4. What DataFusion's rules would answer wrongly, put otherwise or kept from them: [`not_in`],
//!    [`dependencies`], [`ends_of_knowledge`], [`offsets`], [`barriers`], [`volatile_items`]; what
//!    it cannot plan, as what it can: [`lateral`], [`reg_values`].
//! 5. [`query`]: logical plan, optimized plan, physical plan.
//!
//! [`stages`] cuts a physical plan into stages of tasks. [`session`] builds the state all of this
//! works on; [`tables`] makes a table of files.

pub mod arithmetic;
mod averages;
mod barriers;
pub mod casts;
pub mod catalog_rewrite;
mod children;
pub mod commands;
mod conjunctions;
mod cooperative;
pub mod copies;
pub mod cursors;
pub mod dates;
mod decimals;
mod dependencies;
pub mod depth;
pub mod dialect;
mod dialect_casts;
mod distinct_sums;
mod dynamic_filters;
mod ends_of_knowledge;
mod explain_options;
mod fast_decimals;
mod floats;
pub mod functions;
mod grammar;
mod grouping_sets;
mod in_lists;
mod integers;
mod lateral;
pub mod names;
mod not_in;
mod offsets;
mod operators;
mod orders;
mod outer_types;
pub mod parse;
pub mod places;
pub mod query;
mod reg_values;
pub mod resolve;
mod rounding;
mod scalars;
pub mod session;
pub mod stages;
mod sums;
mod table_query;
pub mod tables;
mod transaction_modes;
pub mod types;
mod unions;
mod volatile_items;
