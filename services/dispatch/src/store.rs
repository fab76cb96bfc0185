//! All SQL of dispatch. One statement per batch and table; every list is read by an index and paged by its key.

pub(crate) mod cases;
pub(crate) mod deliveries;
pub(crate) mod directives;
pub(crate) mod feedback;
pub(crate) mod filtered;
pub(crate) mod inbox;
pub(crate) mod instructions;
pub(crate) mod lights;
pub(crate) mod links;
pub(crate) mod proof;
pub(crate) mod routing;
pub(crate) mod systems;
