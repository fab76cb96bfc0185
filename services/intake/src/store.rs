//! All SQL of the service. Each module has the statements of one thing; what is written in a batch is one UNNEST statement.

pub(crate) mod evidence;
pub(crate) mod parts;
pub(crate) mod patrols;
pub(crate) mod roster;
pub(crate) mod suspicions;

use sqlx::migrate::Migrator;

/// Intake's own tables; versions 100 to 199.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");
