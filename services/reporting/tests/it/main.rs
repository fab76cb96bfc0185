//! The service against a real PostgreSQL and a real NATS: events come over the bus as dispatch and intake publish them, tables are read
//! by gRPC with tokens.

mod accountability;
mod activity;
mod assessment;
mod briefing;
mod briefing_refused;
mod city_year;
mod county_start;
mod delivery;
mod disclosure;
mod disclosure_refused;
mod evaluation;
mod evaluation_measured;
mod evaluation_refused;
mod events;
mod export;
mod export_page;
mod export_refused;
mod file;
mod filing;
mod filing_refused;
mod independent;
mod intake_columns;
mod intake_events;
mod rebuild;
mod received;
mod scope;
mod split;
mod spot_checks;
mod spot_checks_refused;
mod table;
mod turns;
mod work;
mod world;
