//! The event catalogue: every event of the suite, its stream, the family of its subject and its fact, in one place.
//!
//! `docs/asyncapi.yaml` is generated from it; a consumer decodes by it; a publisher builds its subject by it.

use dafei_kernel::region::{Level, RegionPath};

use crate::{
    convert::{ConvertError, Field},
    events::v1 as pb,
    subject::{Subject, SubjectError},
};

/// A stream of the bus; one publisher each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// Published by intake.
    Intake,
    /// Published by dispatch: the cases.
    Dispatch,
    /// Published by dispatch: what the agencies read.
    Agency,
    /// Published by the agencies' systems: untrusted.
    Feedback,
    /// Published by sla-monitor.
    Sla,
    /// Published by reporting.
    Reporting,
}

impl Stream {
    /// All streams.
    pub const ALL: [Self; 6] = [Self::Intake, Self::Dispatch, Self::Agency, Self::Feedback, Self::Sla, Self::Reporting];

    /// Name on the server.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intake => "DAFEI_INTAKE",
            Self::Dispatch => "DAFEI_DISPATCH",
            Self::Agency => "DAFEI_AGENCY",
            Self::Feedback => "DAFEI_FEEDBACK",
            Self::Sla => "DAFEI_SLA",
            Self::Reporting => "DAFEI_REPORTING",
        }
    }

    /// The subjects that the stream stores.
    #[must_use]
    pub const fn subjects(self) -> &'static [&'static str] {
        match self {
            Self::Intake => &[
                "dafei.v1.roster.>",
                "dafei.v1.village.>",
                "dafei.v1.tip.>",
                "dafei.v1.reward.>",
                "dafei.v1.inspection.>",
                "dafei.v1.publicity.>",
                "dafei.v1.watermark.intake",
            ],
            Self::Dispatch => {
                &["dafei.v1.township.>", "dafei.v1.county.>", "dafei.v1.city.>", "dafei.v1.watermark.dispatch"]
            }
            Self::Agency => &["dafei.v1.agency.>"],
            Self::Feedback => &["dafei.v1.feedback.>"],
            Self::Sla => &["dafei.v1.sla.>", "dafei.v1.accountability.>", "dafei.v1.watermark.sla-monitor"],
            Self::Reporting => &["dafei.v1.reporting.>", "dafei.v1.watermark.reporting"],
        }
    }

    /// The service that publishes it; none for the agencies' feedback.
    #[must_use]
    pub const fn publisher(self) -> Option<&'static str> {
        match self {
            Self::Intake => Some("intake"),
            Self::Dispatch | Self::Agency => Some("dispatch"),
            Self::Feedback => None,
            Self::Sla => Some("sla-monitor"),
            Self::Reporting => Some("reporting"),
        }
    }
}

/// The family of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `roster.<county|_>.<township|_>.<fact>`
    Roster,
    /// `village.<county>.<township>.<village>.<fact>`
    Village,
    /// `township.<county>.<township>.<fact>`
    Township,
    /// `county.<county>.<fact>`
    County,
    /// `township.…` or `county.…` by the tier that acted.
    ByTier,
    /// `agency.<agency>.<level>.<region>.<fact>`
    Agency,
    /// `sla.<tier>.<county|_>.<township|_>.<village|_>.<clock>.<fact>`
    Sla,
    /// `tip.<county|_>.<township|_>.<fact>`
    Tip,
    /// `reward.<county|_>.<fact>`
    Reward,
    /// `inspection.<level>.<region>.<fact>` by the region of the inspecting post
    Inspection,
    /// `publicity.<county>.<township>.<village>.<fact>`
    Publicity,
    /// `accountability.<county|_>.<fact>`
    Accountability,
    /// `reporting.<unit-kind>.<unit>.<fact>` by the unit that briefed, filed or evaluated
    Reporting,
}

/// An entry of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventKind {
    /// Full name of the message and CloudEvents type, for example `dafei.events.v1.CaseOpened`.
    pub event_type: &'static str,
    /// Where it is published.
    pub stream: Stream,
    /// Family of its subject.
    pub family: Family,
    /// Last token of its subject.
    pub fact: &'static str,
    /// What it does to the clocks, as in the catalogue document; empty when nothing.
    pub clocks: &'static str,
}

/// An event that cannot be published or read as the catalogue says.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The payload is not the JSON of its type.
    #[error("{event_type}: {source}")]
    Payload {
        /// The CloudEvents type.
        event_type: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A field that the catalogue needs is missing or malformed.
    #[error(transparent)]
    Field(#[from] ConvertError),
    /// The subject cannot be built.
    #[error(transparent)]
    Subject(#[from] SubjectError),
}

macro_rules! catalogue {
    ($($name:ident: $stream:ident, $family:ident, $fact:literal, $clocks:literal;)+) => {
        /// An event of the suite.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "the messages are documented in proto/dafei/events/v1")]
        pub enum Event { $($name(pb::$name),)+ }

        /// The whole catalogue.
        pub const KINDS: &[EventKind] = &[$(EventKind {
            event_type: concat!("dafei.events.v1.", stringify!($name)),
            stream: Stream::$stream,
            family: Family::$family,
            fact: $fact,
            clocks: $clocks,
        },)+];

        impl Event {
            /// Its entry in the catalogue.
            #[must_use]
            pub const fn kind(&self) -> EventKind {
                match self { $(Self::$name(_) => EventKind {
                    event_type: concat!("dafei.events.v1.", stringify!($name)),
                    stream: Stream::$stream,
                    family: Family::$family,
                    fact: $fact,
                    clocks: $clocks,
                },)+ }
            }

            /// The part that all events have, if set.
            #[must_use]
            pub const fn meta(&self) -> Option<&pb::EventMeta> {
                match self { $(Self::$name(event) => event.meta.as_ref(),)+ }
            }

            /// Sets the part that all events have.
            pub fn set_meta(&mut self, meta: pb::EventMeta) {
                match self { $(Self::$name(event) => event.meta = Some(meta),)+ }
            }

            /// Canonical proto JSON.
            ///
            /// # Errors
            /// When an enumeration or a timestamp holds a value that JSON cannot carry.
            pub fn to_json(&self) -> Result<Vec<u8>, EventError> {
                match self { $(Self::$name(event) => serde_json::to_vec(event),)+ }
                    .map_err(|source| EventError::Payload { event_type: self.kind().event_type.to_owned(), source })
            }

            /// Reads a payload by its CloudEvents type; `None` for a type that this build does not know (a later version's).
            ///
            /// # Errors
            /// When the payload is not the JSON of its type.
            pub fn from_json(event_type: &str, payload: &[u8]) -> Result<Option<Self>, EventError> {
                match event_type {
                    $(concat!("dafei.events.v1.", stringify!($name)) => serde_json::from_slice(payload)
                        .map(|event| Some(Self::$name(event)))
                        .map_err(|source| EventError::Payload { event_type: event_type.to_owned(), source }),)+
                    _ => Ok(None),
                }
            }
        }

        $(impl From<pb::$name> for Event { fn from(event: pb::$name) -> Self { Self::$name(event) } })+
    };
}

catalogue! {
    RosterSnapshot: Intake, Roster, "snapshot", "";
    PatrolsRecorded: Intake, Village, "patrols-recorded", "W1 - at the third of the week";
    SuspicionRecorded: Intake, Village, "suspicion-recorded", "V1 +";
    SecretaryNotified: Intake, Village, "secretary-notified", "V1 -, V2 +, V3 +";
    PersuasionRecorded: Intake, Village, "persuasion-recorded", "V2 -; heeded: V3 -, V4 +";
    RevisitRecorded: Intake, Village, "revisit-recorded", "V4 -; goes on: V3 +";
    ReportedUp: Intake, Village, "reported-up", "V1 -, V2 -, V3 -, V4 cancelled";
    ReportWithdrawn: Intake, Village, "report-withdrawn", "cancels V1 to V4";
    ResultPublished: Intake, Village, "result-published", "P1 -";
    SuspicionReopened: Intake, Village, "suspicion-reopened", "V3 + (new leg), V4 cancelled";
    ReportMerged: Intake, Village, "report-merged", "cancels V1 to V4";
    HelpGiven: Intake, Village, "help-given", "";
    InspectionRecorded: Intake, Inspection, "inspection-recorded", "";
    NoticePosted: Intake, Publicity, "notice-posted", "N1 - when the village has its valid places";
    NoticeRemoved: Intake, Publicity, "notice-removed", "N1 + when it no longer has them";
    BroadcastMade: Intake, Publicity, "broadcast-made", "W2 -";
    LeafletsDistributed: Intake, Publicity, "leaflets-distributed", "";
    TipReceived: Intake, Tip, "tip-received", "";
    TipLinked: Intake, Tip, "tip-linked", "";
    RewardAnnounced: Intake, Reward, "announced", "";
    RewardPaid: Intake, Reward, "paid", "";
    RewardExpired: Intake, Reward, "expired", "";
    CaseOpened: Dispatch, ByTier, "case-opened", "T1 + (township), K1 + (county)";
    AgencyInstructed: Dispatch, Township, "agency-instructed", "T1 -, T3 -";
    InstructionDelivered: Dispatch, ByTier, "instruction-delivered", "T2 +; K2 +, K3 +";
    ResultSubmitted: Dispatch, ByTier, "result-submitted", "T2 -; K2 -, K3 -, K4 + (lead)";
    ActConfirmed: Dispatch, ByTier, "act-confirmed", "";
    MeasureRecorded: Dispatch, ByTier, "measure-recorded", "";
    AuthorityDeclined: Dispatch, Township, "authority-declined", "T2 cancelled, T3 +";
    Escalated: Dispatch, County, "escalated", "T1 -, T3 -, K1 +";
    DepartmentInstructed: Dispatch, ByTier, "department-instructed", "K1 - (county)";
    DepartmentResponded: Dispatch, ByTier, "department-responded", "K2 - (county)";
    AssignmentReturned: Dispatch, ByTier, "assignment-returned", "K2, K3 cancelled, K1 + (lead's at the county: new leg)";
    ExtensionRequested: Dispatch, ByTier, "extension-requested", "";
    ExtensionDecided: Dispatch, ByTier, "extension-decided", "moves K3 when granted";
    ReworkOrdered: Dispatch, ByTier, "rework-ordered", "T2, K3: new leg with the new instruction's delivery; K4 cancelled (county)";
    FedBack: Dispatch, ByTier, "fed-back", "K4 - (county)";
    OutcomeAvailable: Dispatch, Township, "outcome-available", "P1 + where the case came from a village";
    TipVerified: Dispatch, ByTier, "tip-verified", "";
    ComplianceRecorded: Dispatch, ByTier, "compliance-recorded", "";
    AccessoryRecorded: Dispatch, ByTier, "accessory-recorded", "";
    AccidentRecorded: Dispatch, ByTier, "accident-recorded", "";
    CaseUrged: Dispatch, ByTier, "urged", "";
    CaseSupervised: Dispatch, ByTier, "supervised", "";
    CaseExposed: Dispatch, ByTier, "exposed", "";
    CaseMerged: Dispatch, ByTier, "merged", "cancels all";
    CaseWithdrawn: Dispatch, ByTier, "withdrawn", "cancels all";
    CaseClosed: Dispatch, ByTier, "closed", "settles or cancels all";
    ReopeningRequested: Dispatch, ByTier, "reopening-requested", "";
    ReopeningRefused: Dispatch, ByTier, "reopening-refused", "";
    CaseReopened: Dispatch, ByTier, "reopened", "T1 + (township), K1 + (county): new legs";
    DirectiveIssued: Dispatch, ByTier, "directive-issued", "";
    DirectiveAnswered: Dispatch, ByTier, "directive-answered", "";
    DirectiveClosed: Dispatch, ByTier, "directive-closed", "";
    DailyWorkReported: Dispatch, ByTier, "daily-work-reported", "";
    Instruction: Agency, Agency, "instruction", "";
    CasesAnchored: Dispatch, ByTier, "cases-anchored", "";
    InstructionNotice: Agency, Agency, "notice", "";
    Receipt: Agency, Agency, "receipt", "";
    Warned: Sla, Sla, "warned", "";
    Breached: Sla, Sla, "breached", "";
    Reminded: Sla, Sla, "reminded", "";
    Settled: Sla, Sla, "settled", "";
    Cancelled: Sla, Sla, "cancelled", "";
    Annulled: Sla, Sla, "annulled", "";
    AccountabilityOpened: Sla, Accountability, "opened", "";
    AccountabilityStated: Sla, Accountability, "stated", "";
    AccountabilityDecided: Sla, Accountability, "decided", "";
    AccountabilityAppealed: Sla, Accountability, "appealed", "";
    AccountabilityAppealDecided: Sla, Accountability, "appeal-decided", "";
    AccountabilityWithdrawn: Sla, Accountability, "withdrawn", "";
    AccountabilityReopened: Sla, Accountability, "reopened", "";
    Extended: Sla, Sla, "extended", "";
    Provisional: Sla, Sla, "provisional", "";
    HoleFound: Sla, Sla, "hole-found", "";
    BriefingReleased: Reporting, Reporting, "briefing-released", "W3 - (township), M2 - (county)";
    TableFiled: Reporting, Reporting, "table-filed", "M1 -";
    EvaluationComplete: Reporting, Reporting, "evaluation-complete", "Q1 -";
    BriefingAcknowledged: Reporting, Reporting, "briefing-acknowledged", "";
    EvaluationOpened: Reporting, Reporting, "evaluation-opened", "";
    SheetSubmitted: Reporting, Reporting, "sheet-submitted", "";
    EvaluationClosed: Reporting, Reporting, "evaluation-closed", "";
    TableReleased: Reporting, Reporting, "table-released", "";
    SpotCheckDrawn: Reporting, Reporting, "spot-check-drawn", "";
    SpotCheckRecorded: Reporting, Reporting, "spot-check-recorded", "";
}

impl Event {
    /// The subject it is published on.
    ///
    /// # Errors
    /// When its meta, region path, tier, post or obligation is missing or malformed.
    pub fn subject(&self) -> Result<Subject, EventError> {
        let kind = self.kind();
        let path = self.region_path()?;
        Ok(match kind.family {
            Family::Roster => Subject::roster(&path, kind.fact),
            Family::Village => Subject::village(&path, kind.fact)?,
            Family::Township => Subject::township(&path, kind.fact)?,
            Family::County => Subject::county(&path, kind.fact)?,
            Family::ByTier => match self.tier()? {
                Level::City => Subject::city(&path, kind.fact)?,
                Level::County => Subject::county(&path, kind.fact)?,
                Level::Township | Level::WorkArea | Level::Village => Subject::township(&path, kind.fact)?,
            },
            Family::Agency => self.agency_subject(kind.fact)?,
            Family::Sla => self.sla_subject(&path, kind.fact)?,
            Family::Tip => Subject::tip(&path, kind.fact),
            Family::Reward => Subject::reward(&path, kind.fact),
            Family::Inspection => self.inspection_subject(kind.fact)?,
            Family::Publicity => Subject::publicity(&path, kind.fact)?,
            Family::Accountability => Subject::accountability(&path, kind.fact),
            Family::Reporting => self.reporting_subject(&path, kind.fact)?,
        })
    }

    /// The region path of its meta.
    ///
    /// # Errors
    /// When meta or path is missing or malformed.
    pub fn region_path(&self) -> Result<RegionPath, ConvertError> {
        let meta = self.meta().required("meta")?;
        meta.region_path.parse().map_err(|_| ConvertError::invalid("meta.region_path", "no region path"))
    }

    /// The tier of an event whose family is by tier.
    fn tier(&self) -> Result<Level, ConvertError> {
        let assignee = |assignee: Option<&pb::Assignee>| post_level(assignee.required("assignee")?.post.as_ref());
        let tier = match self {
            Self::CaseOpened(event) => event.tier(),
            Self::InstructionDelivered(event) => event.tier(),
            Self::ResultSubmitted(event) => event.tier(),
            Self::ReworkOrdered(event) => event.tier(),
            Self::FedBack(event) => event.tier(),
            Self::AccessoryRecorded(event) => event.tier(),
            Self::AccidentRecorded(event) => event.tier(),
            Self::CaseUrged(event) => event.tier(),
            Self::CaseSupervised(event) => event.tier(),
            Self::CaseExposed(event) => event.tier(),
            Self::CaseMerged(event) => event.tier(),
            Self::CaseWithdrawn(event) => event.tier(),
            Self::CaseClosed(event) => event.tier(),
            Self::ReopeningRequested(event) => event.tier(),
            Self::ReopeningRefused(event) => event.tier(),
            Self::CaseReopened(event) => event.tier(),
            Self::CasesAnchored(_) => return Ok(Level::City),
            Self::DepartmentInstructed(event) => return assignee(event.assignees.first()),
            Self::DepartmentResponded(event) => return assignee(event.assignee.as_ref()),
            Self::AssignmentReturned(event) => return assignee(event.assignee.as_ref()),
            Self::ExtensionRequested(event) => return assignee(event.assignee.as_ref()),
            Self::ExtensionDecided(event) => return assignee(event.assignee.as_ref()),
            Self::ActConfirmed(event) => return post_level(event.by.as_ref()),
            Self::MeasureRecorded(event) => return post_level(event.by.as_ref()),
            Self::ComplianceRecorded(event) => return post_level(event.by.as_ref()),
            Self::TipVerified(event) => return post_level(event.by.as_ref()),
            Self::DailyWorkReported(event) => return post_level(event.by.as_ref()),
            Self::DirectiveIssued(event) => return post_level(event.commander.as_ref()),
            Self::DirectiveAnswered(event) => return post_level(event.commander.as_ref()),
            Self::DirectiveClosed(event) => return post_level(event.commander.as_ref()),
            _ => pb::Tier::Unspecified,
        };
        match tier {
            pb::Tier::Township => Ok(Level::Township),
            pb::Tier::County => Ok(Level::County),
            pb::Tier::City => Ok(Level::City),
            pb::Tier::Unspecified => Err(ConvertError::invalid("tier", "not given")),
        }
    }

    fn agency_subject(&self, fact: &str) -> Result<Subject, EventError> {
        let post = match self {
            Self::Instruction(event) => event.assignee.as_ref().and_then(|assignee| assignee.post.as_ref()),
            Self::InstructionNotice(event) => event.assignee.as_ref().and_then(|assignee| assignee.post.as_ref()),
            _ => self.meta().and_then(|meta| meta.actor.as_ref()),
        };
        let post = dafei_kernel::owner::Post::try_from(post.required("post")?)?;
        let agency = post.agency.required("post.agency")?;
        Ok(Subject::Agency { agency, region: post.region, fact: fact.to_owned() })
    }

    fn inspection_subject(&self, fact: &str) -> Result<Subject, EventError> {
        let post = match self {
            Self::InspectionRecorded(event) => event.by.as_ref(),
            _ => None,
        };
        let post = dafei_kernel::owner::Post::try_from(post.required("by")?)?;
        Ok(Subject::Inspection { region: post.region, fact: fact.to_owned() })
    }

    fn reporting_subject(&self, path: &RegionPath, fact: &str) -> Result<Subject, EventError> {
        let region = |wire: Option<&crate::types::v1::Region>| Ok((crate::convert::region("unit", wire)?, None));
        let (region, agency) = match self {
            Self::BriefingReleased(event) => region(event.unit.as_ref()),
            Self::BriefingAcknowledged(event) => region(event.unit.as_ref()),
            Self::EvaluationComplete(event) => region(event.county.as_ref()),
            Self::EvaluationOpened(event) => region(event.county.as_ref()),
            Self::SheetSubmitted(event) => region(event.county.as_ref()),
            Self::EvaluationClosed(event) => region(event.county.as_ref()),
            // The city's, wherever it was drawn.
            Self::SpotCheckDrawn(_) | Self::SpotCheckRecorded(_) => {
                let city = path.at(Level::City).required("meta.region_path")?;
                Ok((city.clone(), None))
            }
            Self::TableFiled(pb::TableFiled { unit, .. }) | Self::TableReleased(pb::TableReleased { unit, .. }) => {
                let post = dafei_kernel::owner::Post::try_from(unit.as_ref().required("unit")?)?;
                Ok((post.region, post.agency))
            }
            _ => Err(ConvertError::required("unit")),
        }?;
        Ok(Subject::reporting(&region, agency, fact))
    }

    fn sla_subject(&self, path: &RegionPath, fact: &str) -> Result<Subject, EventError> {
        if let Self::HoleFound(hole) = self {
            let post = dafei_kernel::owner::Post::try_from(hole.loop_owner.as_ref().required("loop_owner")?)?;
            return Ok(Subject::sla(post.region.level(), path, &hole.clock, fact));
        }
        let obligation = match self {
            Self::Warned(event) => &event.obligation,
            Self::Breached(event) => &event.obligation,
            Self::Reminded(event) => &event.obligation,
            Self::Settled(event) => &event.obligation,
            Self::Cancelled(event) => &event.obligation,
            Self::Annulled(event) => &event.obligation,
            Self::Extended(event) => &event.obligation,
            Self::Provisional(event) => &event.obligation,
            _ => &None,
        };
        let obligation = obligation.as_ref().required("obligation")?;
        let owner = obligation.loop_owner.as_ref().and_then(|owner| owner.post.as_ref());
        let post = dafei_kernel::owner::Post::try_from(owner.required("obligation.loop_owner.post")?)?;
        Ok(Subject::sla(post.region.level(), path, &obligation.clock, fact))
    }
}

fn post_level(post: Option<&crate::types::v1::Post>) -> Result<Level, ConvertError> {
    Ok(dafei_kernel::owner::Post::try_from(post.required("by")?)?.region.level())
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
