//! Tests of the rules of dispatch, from outside.

mod authority;
mod case_properties;
mod case_rules;
mod case_tips;
mod fixture;
mod routing;
mod routing_routes;
