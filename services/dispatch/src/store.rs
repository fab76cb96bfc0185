//! All SQL of dispatch. One statement per batch and table; every list is read by an index and paged by its key.

pub(crate) mod cases;
pub(crate) mod consumers;
pub(crate) mod feedback;
pub(crate) mod instructions;
pub(crate) mod links;
pub(crate) mod routing;
pub(crate) mod systems;
