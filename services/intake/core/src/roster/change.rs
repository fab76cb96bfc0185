//! A single change of the roster: what may be changed so, and what it touches.

use std::collections::BTreeSet;

use dafei_kernel::{
    credit_code::CreditCode,
    owner::Post,
    region::{Level, Region},
    roster::{Enterprise, Holder, RegionEntry, RosterError, RosterIndex},
    time::Instant,
};

use super::{Limits, rows::named_after, tenure};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds a region, or changes its name, parent, work area or households.
    PutRegion(RegionEntry),
    /// Takes an empty region out, with the record of who held its posts. Whether anything of it is open is for [`OpenMatters::check`].
    RemoveRegion(Region),
    /// Makes a work area be exactly these villages of its township; it is added when it is new.
    PutWorkArea {
        /// The area, with its township as parent.
        area: RegionEntry,
        /// Its villages.
        villages: BTreeSet<Region>,
    },
    /// Someone holds a post from an instant on.
    Appoint(Holder),
    /// The tenure that goes on at an instant ends at it.
    EndTenure {
        /// The post.
        post: Post,
        /// Who holds it.
        person: String,
        /// Until when, exclusive.
        until: Instant,
    },
    /// Adds an enterprise or changes it.
    PutEnterprise(Enterprise),
    /// Takes an enterprise out.
    RemoveEnterprise(CreditCode),
}

/// What a change makes of the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The roster with it.
    pub roster: RosterIndex,
    /// Cities, counties and townships that are not as they were; empty when all is as it was asked.
    pub touched: BTreeSet<Region>,
}

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {description}")]
pub struct Refused {
    /// The field at fault; none when the state of the roster stands against it.
    pub field: &'static str,
    /// Stable reason.
    pub reason: &'static str,
    /// Whether another roster would take the same request.
    pub by_state: bool,
    /// For developers.
    pub description: String,
    /// For clerks.
    pub description_zh: String,
}

/// What is open at a region that is to be taken out. Without the region it could never end: no photo of its result is taken, no reward of its tips
/// is announced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenMatters {
    /// A village's reports that have not ended; those that wait for the outcome of a township or a county.
    pub reports: i64,
    /// Tips that a township's centre or a county's office handles, and true ones whose reward is still to be announced.
    pub tips: i64,
}

impl OpenMatters {
    /// How far each is counted: whoever is refused need not know more.
    pub const MOST: i64 = 100;

    /// Whether the region may go.
    ///
    /// # Errors
    /// `OPEN_MATTERS` on the region, with how many there are.
    pub fn check(self) -> Result<(), Refused> {
        let (mut en, mut zh) = (Vec::new(), Vec::new());
        for (count, name, name_zh) in [(self.reports, "reports", "线索"), (self.tips, "tips", "举报")] {
            if count >= Self::MOST {
                en.push(format!("{name} at least {count}"));
                zh.push(format!("至少{count}条{name_zh}"));
            } else if count > 0 {
                en.push(format!("{name} {count}"));
                zh.push(format!("{count}条{name_zh}"));
            }
        }
        if en.is_empty() {
            return Ok(());
        }
        let en = format!("not at an end: {}", en.join(", "));
        let zh = format!("还有{}没有办结，不能删除", zh.join("、"));
        Err(Refused::state("region", "OPEN_MATTERS", en, zh))
    }
}

impl Refused {
    fn field(field: &'static str, reason: &'static str, en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { field, reason, by_state: false, description: en.into(), description_zh: zh.into() }
    }

    fn state(field: &'static str, reason: &'static str, en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { by_state: true, ..Self::field(field, reason, en, zh) }
    }

    fn unknown(field: &'static str, region: &Region) -> Self {
        let zh = format!("没有这个行政区划：{}", region.code());
        Self::field(field, "UNKNOWN_REGION", format!("{region} is not in the roster"), zh)
    }
}

/// A roster in the course of a change.
struct Draft {
    before: RosterIndex,
    roster: RosterIndex,
    touched: BTreeSet<Region>,
}

/// Carries a change out, at an instant.
///
/// # Errors
/// Why it is refused.
pub fn change(roster: &RosterIndex, change: Change, limits: Limits, now: Instant) -> Result<Changed, Refused> {
    let mut draft = Draft { before: roster.clone(), roster: roster.clone(), touched: BTreeSet::new() };
    match change {
        Change::PutRegion(entry) => draft.put_region(entry, limits)?,
        Change::RemoveRegion(region) => draft.remove_region(&region, now)?,
        Change::PutWorkArea { area, villages } => draft.put_work_area(area, &villages, limits)?,
        Change::Appoint(holder) => draft.appoint(holder)?,
        Change::EndTenure { post, person, until } => draft.end_tenure(&post, &person, until)?,
        Change::PutEnterprise(enterprise) => draft.put_enterprise(enterprise)?,
        Change::RemoveEnterprise(code) => draft.remove_enterprise(&code)?,
    }
    Ok(Changed { roster: draft.roster, touched: draft.touched })
}

impl Draft {
    /// The region's parts, as it was and as it is, are not as they were.
    fn touch(&mut self, region: &Region) {
        self.touched.extend(self.before.part_of(region));
        self.touched.extend(self.roster.part_of(region));
    }

    fn put_region(&mut self, entry: RegionEntry, limits: Limits) -> Result<(), Refused> {
        self.fits(&entry)?;
        let region = entry.region.clone();
        if self.before.get(&region) == Some(&entry) {
            return Ok(());
        }
        let new_city = region.level() == Level::City && self.before.get(&region).is_none();
        if new_city && self.before.of_level(Level::City).count() >= limits.cities {
            return Err(Refused::state("region", "SECOND_CITY", "the roster has another city", "本系统登记的市已满"));
        }
        self.roster.upsert_region(entry).map_err(|error| match &error {
            RosterError::UnknownParent { parent, .. } => Refused::unknown("parent", parent),
            RosterError::NoParent(_) => Refused::field("parent", "REQUIRED", error.to_string(), "须写明上级区划"),
            RosterError::WrongLevel { .. } => {
                Refused::field("parent", "WRONG_LEVEL", error.to_string(), "上级区划的级别有误")
            }
        })?;
        self.touch(&region);
        Ok(())
    }

    /// The optional parts of a region fit its level and its township.
    fn fits(&self, entry: &RegionEntry) -> Result<(), Refused> {
        let level = entry.region.level();
        if level == Level::City && entry.parent.is_some() {
            return Err(Refused::field("parent", "NOT_ALLOWED", "a city has no parent", "市级没有上级"));
        }
        if level == Level::WorkArea && !entry.parent.as_ref().is_some_and(|parent| named_after(&entry.region, parent)) {
            let en = "a work area's code begins with its township's";
            return Err(Refused::field("parent", "WRONG_PARENT", en, "工作区代码须以所属乡镇代码开头"));
        }
        if entry.households > 0 && level != Level::Village {
            let en = "only a village has households";
            return Err(Refused::field("households", "NOT_ALLOWED", en, "只有村居填写户数"));
        }
        let Some(area) = &entry.work_area else { return Ok(()) };
        if level != Level::Village {
            let en = "only a village is of a work area";
            return Err(Refused::field("work_area", "NOT_ALLOWED", en, "只有村居属于工作区"));
        }
        match self.roster.get(area) {
            None => Err(Refused::unknown("work_area", area)),
            Some(known) if known.parent != entry.parent => {
                let en = "is a work area of another township";
                Err(Refused::field("work_area", "WRONG_PARENT", en, "工作区不属于该村居所在乡镇"))
            }
            Some(_) => Ok(()),
        }
    }

    fn remove_region(&mut self, region: &Region, now: Instant) -> Result<(), Refused> {
        let Some(part) = self.before.part_of(region) else { return Err(Refused::unknown("region", region)) };
        if let Some(inner) = self.before.below(region).first() {
            let zh = format!("其下还有{}，不能删除", inner.code());
            return Err(Refused::state("region", "NOT_EMPTY", format!("{inner} lies in it"), zh));
        }
        if self.before.enterprises_of(region).next().is_some() {
            let en = "enterprises are registered to it";
            return Err(Refused::state("region", "NOT_EMPTY", en, "其下还登记有企业，不能删除"));
        }
        let held = |holder: &&Holder| holder.valid_until.is_none_or(|until| now < until);
        if let Some(holder) = self.before.holders(region).iter().find(held) {
            let zh = format!("{}仍在任，请先登记离任", holder.person);
            return Err(Refused::state("region", "POST_HELD", format!("{} holds a post of it", holder.person), zh));
        }
        self.roster.replace_holders(region, Vec::new());
        self.roster.remove_region(region);
        self.touched.insert(part);
        Ok(())
    }

    fn put_work_area(&mut self, area: RegionEntry, villages: &BTreeSet<Region>, limits: Limits) -> Result<(), Refused> {
        let region = area.region.clone();
        let township = area.parent.clone();
        self.put_region(area, limits)?;
        for village in villages {
            let known = self.before.get(village).ok_or_else(|| Refused::unknown("villages", village))?;
            if known.parent != township || village.level() != Level::Village {
                let zh = format!("{}不是该乡镇的村居", known.name);
                return Err(Refused::field(
                    "villages",
                    "WRONG_PARENT",
                    format!("{village} is no village of the township"),
                    zh,
                ));
            }
        }
        let before: Vec<Region> = self.before.below(&region).into_iter().cloned().collect();
        for village in before.iter().filter(|village| !villages.contains(village)) {
            self.group(village, None, limits)?;
        }
        for village in villages {
            self.group(village, Some(&region), limits)?;
        }
        Ok(())
    }

    fn group(&mut self, village: &Region, area: Option<&Region>, limits: Limits) -> Result<(), Refused> {
        let Some(entry) = self.roster.get(village).cloned() else { return Err(Refused::unknown("villages", village)) };
        self.put_region(RegionEntry { work_area: area.cloned(), ..entry }, limits)
    }

    fn appoint(&mut self, holder: Holder) -> Result<(), Refused> {
        if self.before.get(&holder.region).is_none() {
            return Err(Refused::unknown("post.region", &holder.region));
        }
        if holder.valid_until.is_some_and(|until| until <= holder.valid_from) {
            let en = "is not after valid_from";
            return Err(Refused::field("valid_until", "INVALID_TIME", en, "离任时间须晚于到任时间"));
        }
        let known = self.before.holder(&holder.region, holder.key());
        if known == Some(&holder) {
            return Ok(());
        }
        if known.is_some() || tenure::overlaps(&self.before, &holder) {
            let en = format!("{} holds this post already at that time", holder.person);
            let zh = format!("{}在此时间段已担任该岗位", holder.person);
            return Err(Refused::state("valid_from", "TENURE_OVERLAPS", en, zh));
        }
        let region = holder.region.clone();
        self.roster.upsert_holder(holder);
        self.touch(&region);
        Ok(())
    }

    fn end_tenure(&mut self, post: &Post, person: &str, until: Instant) -> Result<(), Refused> {
        if self.before.get(&post.region).is_none() {
            return Err(Refused::unknown("post.region", &post.region));
        }
        let of_post =
            |holder: &&Holder| holder.role == post.role && holder.agency == post.agency && holder.person == person;
        let tenures = || self.before.holders(&post.region).iter().filter(of_post);
        if tenures().any(|holder| holder.valid_until == Some(until)) {
            return Ok(());
        }
        let goes_on = |holder: &&Holder| holder.valid_from < until && holder.holds_at(until);
        let Some(tenure) = tenures().find(goes_on) else {
            let en = format!("{person} does not hold this post at that time");
            return Err(Refused::state("person", "NOT_HELD", en, format!("{person}在此时间未担任该岗位")));
        };
        let ended = Holder { valid_until: Some(until), ..tenure.clone() };
        self.roster.upsert_holder(ended);
        self.touch(&post.region);
        Ok(())
    }

    fn put_enterprise(&mut self, enterprise: Enterprise) -> Result<(), Refused> {
        let region = enterprise.region.clone();
        if !matches!(region.level(), Level::Village | Level::Township) {
            let en = "an enterprise lies in a village or a township";
            return Err(Refused::field("region", "WRONG_LEVEL", en, "企业须登记到村居或乡镇"));
        }
        if self.before.get(&region).is_none() {
            return Err(Refused::unknown("region", &region));
        }
        let before = self.before.enterprise(&enterprise.credit_code).cloned();
        if before.as_ref() == Some(&enterprise) {
            return Ok(());
        }
        self.roster.upsert_enterprise(enterprise);
        for region in before.iter().map(|before| &before.region).chain([&region]) {
            self.touch(region);
        }
        Ok(())
    }

    fn remove_enterprise(&mut self, code: &CreditCode) -> Result<(), Refused> {
        let Some(known) = self.before.enterprise(code).cloned() else {
            let en = format!("{code} is not in the roster");
            return Err(Refused::field("credit_code", "UNKNOWN_ENTERPRISE", en, "没有登记该企业"));
        };
        self.roster.remove_enterprise(code);
        self.touch(&known.region);
        Ok(())
    }
}
