//! Events of a village's posts name the person who acted (clause F6), and those of tips and rewards nobody.

use dafei_contracts::{Event, intake::v1 as api};
use dafei_kernel::{ids, role::Role};

use crate::{
    patrols::{patrol, record},
    tips::{CLERK, tip},
    village::HEEDED,
    world::{MEMBER, SECRETARY, VILLAGE, WORK_AREA, World, den, new_id, wire},
};

impl World {
    /// Fact and person of all events, in their order.
    async fn persons(&self) -> Vec<(&'static str, String)> {
        let rows: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT event_type, payload FROM event_log ORDER BY position")
                .fetch_all(&self.db.pool)
                .await
                .expect("the log");
        rows.iter()
            .map(|(kind, payload)| {
                let event = Event::from_json(kind, payload).expect("JSON").expect("known");
                (event.kind().fact, event.meta().expect("meta").person.clone())
            })
            .collect()
    }
}

fn of<'a>(persons: &'a [(&'static str, String)], fact: &str) -> Vec<&'a str> {
    persons.iter().filter(|(told, _)| *told == fact).map(|(_, person)| person.as_str()).collect()
}

#[tokio::test]
async fn steps_and_publicity_of_a_village_name_the_token_s_name_or_subject() {
    let world = World::start().await;
    let suspicion = world.record(den()).await.expect("recorded");
    world.notify(MEMBER, &suspicion.case_id).await.expect("notified");
    world.persuade(&suspicion.case_id, HEEDED).await.expect("persuasion-recorded");
    let broadcast = |seconds| api::RecordBroadcastRequest {
        request_id: new_id(),
        village: Some(wire(VILLAGE)),
        made_at: Some(world.clock_now().into()),
        seconds,
        text: "严禁非法生产".to_owned(),
    };
    for caller in [SECRETARY, (Role::TownshipCentre, "township:371302001")] {
        world.publicity().record_broadcast(world.request(caller, broadcast(60))).await.expect("recorded");
    }
    let (member, secretary) = (format!("{}@{}", MEMBER.0, MEMBER.1), format!("{}@{}", SECRETARY.0, SECRETARY.1));
    let persons = world.persons().await;
    assert_eq!(of(&persons, "suspicion-recorded"), [member.as_str()]);
    assert_eq!(of(&persons, "persuasion-recorded"), [secretary.as_str()]);
    assert_eq!(of(&persons, "broadcast-made"), [secretary.as_str(), ""], "a centre's clerk is not named");
    assert!(of(&persons, "snapshot").iter().all(|person| person.is_empty()));
}

#[tokio::test]
async fn a_patrol_s_item_names_who_patrolled_and_the_suspicion_that_it_starts_who_recorded_it() {
    let world = World::start().await;
    record(&world, api::RecordPatrolRequest { inspector: "王五".to_owned(), ..patrol("甲") }).await;
    let by_area = world.request((Role::WorkAreaSecretary, WORK_AREA), patrol("乙"));
    world.patrols().record_patrol(by_area).await.expect("recorded");
    let book = ids::derived(&["patrol-book", "371302001001"]).to_string();
    let items: Vec<(String, bool, String)> = world
        .history(&book)
        .await
        .into_iter()
        .flat_map(|event| {
            let Event::PatrolsRecorded(told) = event else { panic!("patrols") };
            let person = told.meta.expect("meta").person;
            told.patrols.into_iter().map(move |item| (item.inspector, item.counts, person.clone()))
        })
        .collect();
    let area = format!("{}@{WORK_AREA}", Role::WorkAreaSecretary);
    assert_eq!(items, [("王五".to_owned(), true, String::new()), (area, false, String::new())]);
}

#[tokio::test]
async fn events_of_tips_and_rewards_name_nobody_whoever_took_them_down() {
    let world = World::start().await;
    world.submit(tip(), &[]).await.expect("taken");
    world.phone(CLERK, tip()).await.expect("taken");
    world.release().await;
    let persons = world.persons().await;
    assert_eq!(of(&persons, "tip-received"), ["", ""]);
    let world = World::with_rewards().await;
    world.announced().await;
    let persons = world.persons().await;
    assert_eq!(of(&persons, "announced").len(), 1);
    assert!(persons.iter().all(|(_, person)| person.is_empty()), "{persons:?}");
}
