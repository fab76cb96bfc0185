//! Tests of the rules of dispatch, from outside.

mod agreement;
mod authority;
mod case_properties;
mod case_results;
mod case_rules;
mod case_tips;
mod case_turns;
mod directives;
mod fixture;
mod refusals;
mod routing;
mod routing_routes;
