//! Giving, answering and ending directives (clause C20): rare writes, each in a transaction of its own.

use dafei_contracts::{chain, dispatch::v1 as api};
use dafei_dispatch_core::directive::{
    Command, Context, Directive, Draft, NamedCase, Obstacle, Rejection, decide, evolve,
};
use dafei_kernel::{owner::Post, region::RegionPath, time::Instant};
use dafei_messaging::{log, requests::RequestKey};
use dafei_runtime::status::Fault;
use dafei_shell::{
    faults,
    once::{self, Begun, Once},
    publish::{self, Outgoing},
};
use uuid::Uuid;

use crate::{
    app::App,
    publisher::Meta,
    store::directives::{self as store, Kept},
    wire::directives as wire,
};

/// A directive on its way; the path leads to the command's region.
pub(crate) struct NewDirective {
    pub(crate) commander: Post,
    pub(crate) path: RegionPath,
    pub(crate) text: String,
    pub(crate) addressees: Vec<Post>,
    pub(crate) due_at: Instant,
    pub(crate) cases: Vec<Uuid>,
}

/// Gives a directive; answers it with all its addressees.
///
/// # Errors
/// When the rules refuse it, or the database is away.
pub(crate) async fn issue(
    app: &App,
    (key, hash): (RequestKey, [u8; 32]),
    new: NewDirective,
) -> Result<api::Directive, Fault> {
    let mut once = match Once::begin(&app.pool, &*app.clock, key, &hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let places = store::places(once.conn(), &new.cases).await.map_err(faults::database)?;
    let NewDirective { commander, path, text, addressees, due_at, cases } = new;
    let cases = cases.into_iter().map(|id| NamedCase { id, place: places.get(&id).cloned() }).collect();
    let id = app.ids.ordered(once.now);
    let draft = Draft { id, commander: commander.clone(), path, text, addressees, due_at, cases };
    let kept = carry_out(app, &mut once, None, &Command::Issue(Box::new(draft)), &commander).await?;
    store::insert(once.conn(), &kept).await.map_err(faults::database)?;
    let answer = wire::directive(&kept.directive, None, once.now);
    once.finish(answer).await
}

/// Answers or ends a directive; answers it as the caller sees it.
///
/// # Errors
/// When there is none, the rules refuse it, or the database is away.
pub(crate) async fn change(
    app: &App,
    (key, hash): (RequestKey, [u8; 32]),
    id: Uuid,
    command: Command,
    actor: &Post,
) -> Result<api::Directive, Fault> {
    let mut once = match Once::begin(&app.pool, &*app.clock, key, &hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let before = store::lock(once.conn(), id).await.map_err(faults::database)?;
    let kept = carry_out(app, &mut once, before, &command, actor).await?;
    store::update(once.conn(), &kept).await.map_err(faults::database)?;
    let only = matches!(command, Command::Answer { .. }).then_some(actor);
    let answer = wire::directive(&kept.directive, only, once.now);
    once.finish(answer).await
}

/// Decides, evolves and tells; the state is still to be written.
async fn carry_out(
    app: &App,
    once: &mut Once,
    before: Option<Kept>,
    command: &Command,
    actor: &Post,
) -> Result<Kept, Fault> {
    let now = once.now;
    let (directive, head) = before.map_or((None, String::new()), |kept| (Some(kept.directive), kept.chain_head));
    let roster = app.roster.current();
    let event = decide(directive.as_ref(), command, &Context { now, roster: &roster }).map_err(|why| refused(&why))?;
    let directive = evolve(directive, &event).ok_or_else(|| Fault::internal("an event without its directive"))?;
    let mut public = wire::event(&directive, &event);
    public.set_meta(meta(&directive, actor, now, &head).wire());
    let outgoing = Outgoing {
        event: public,
        aggregate_id: directive.id,
        sequence: directive.sequence,
        event_id: app.ids.ordered(now),
        recorded_at: now,
    };
    let row = publish::encode(App::SERVICE, &outgoing).map_err(Fault::internal)?;
    let chain_head = chain::next_head(&head, &row.payload);
    log::append(once.conn(), &[row]).await.map_err(|error| once::failed(error.into()))?;
    Ok(Kept { directive, chain_head })
}

fn meta(directive: &Directive, actor: &Post, now: Instant, head: &str) -> Meta {
    Meta {
        aggregate: directive.id,
        sequence: directive.sequence,
        region_path: directive.path.to_string(),
        actor: Some(actor.clone()),
        received_at: now,
        chain_head: head.to_owned(),
    }
}

fn refused(rejection: &Rejection) -> Fault {
    let (reason, zh, english) = (rejection.reason.code(), rejection.reason.zh(), rejection.obstacle.to_string());
    match &rejection.obstacle {
        Obstacle::Actor => Fault::denied(reason, zh),
        Obstacle::State(state) => Fault::precondition(reason, format!("directive/{state}"), english, zh),
        Obstacle::Field(field) => Fault::field(field.clone(), reason, english, zh),
        Obstacle::Absent => Fault::not_found("directive", "", zh),
    }
}
