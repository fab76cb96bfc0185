//! The words of the domain: regions, sectors, acts, agencies, credit codes, money, working days, the clock and ids. No async, no I/O, no wire
//! types; every service's core and every shell speaks with these.

mod codes;

pub mod act;
pub mod agency;
pub mod claimed;
pub mod clock;
pub mod conduct;
pub mod credit_code;
pub mod geo;
pub mod ids;
pub mod industry;
pub mod inspection;
pub mod measure;
pub mod money;
pub mod owner;
pub mod period;
pub mod region;
pub mod role;
pub mod roster;
pub mod sector;
pub mod subject;
pub mod time;
pub mod workdays;
