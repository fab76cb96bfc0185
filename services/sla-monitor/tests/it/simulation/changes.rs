//! What the city changes in mid-run: the rules and the calendar.

use dafei_contracts::sla::v1::{LoadCalendarRequest, ReplaceRulesRequest};
use dafei_kernel::{
    ids::{IdSource as _, SystemIds},
    role::Role,
};

use super::{
    laws::Laws,
    monitor::{Monitor, all},
    tell::instant,
};
use crate::events::CITY;

impl Monitor {
    /// The city replaces its limits, from an instant that is still to come.
    pub(super) async fn replace_rules(&mut self, laws: &Laws) {
        let message = ReplaceRulesRequest {
            request_id: SystemIds.random().to_string(),
            expected_revision: 1,
            text: laws.second_text(),
            in_force_from: Some(instant(laws.replaced_from).into()),
        };
        let request = self.world.request(Role::CityOffice, CITY, message);
        self.world.rules().replace_rules(request).await.unwrap();
        self.replaced = true;
    }

    /// A calendar is loaded while both replicas fire. All that was published is known by then: what was not would be moved or not by chance.
    pub(super) async fn load_calendar(&mut self, laws: &Laws) {
        self.caught_up().await;
        let firing = self.fire();
        let text = laws.calendar.clone();
        let message = LoadCalendarRequest { request_id: SystemIds.random().to_string(), text, dry_run: false };
        let request = self.world.request(Role::CityOffice, CITY, message);
        let answer = self.world.calendar().load_calendar(request).await.unwrap().into_inner();
        assert!(answer.complete, "all that was to be moved is moved");
        self.moved = Some(usize::try_from(answer.moved).unwrap());
        all(firing).await;
    }
}
