//! The rows of the three files, read one by one.

use std::{fmt::Display, str::FromStr};

use dafei_kernel::{
    agency::Agency,
    credit_code::CreditCode,
    industry::Industry,
    region::{Level, Region},
    role::Role,
    roster::{Enterprise, Holder},
    time::{EARLIEST, Instant, start_of_day, truncate_micros},
};
use jiff::civil::Date;

use super::{Errors, table::TableRow};

/// Characters of a name.
const MAX_NAME: usize = 100;

/// A row of the file of regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RegionRow {
    pub(super) region: Region,
    pub(super) name: String,
    pub(super) parent: Option<Region>,
    /// None when the file does not have the column.
    pub(super) work_area: Option<Option<Region>>,
    /// None when the file does not have the column.
    pub(super) households: Option<u32>,
}

impl TableRow<'_> {
    /// A column that must be filled, parsed; or an error that names row and column.
    fn parsed<T>(&self, column: &'static str, reason: &'static str, what_zh: &str, errors: &mut Errors) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.filled(column, errors)?;
        text.parse().inspect_err(|error: &T::Err| self.wrong(column, reason, error, what_zh, errors)).ok()
    }

    /// As [`Self::parsed`], for a column that may be empty. The outer option is none when it is wrong.
    fn optional<T>(
        &self,
        column: &'static str,
        reason: &'static str,
        what_zh: &str,
        errors: &mut Errors,
    ) -> Option<Option<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        if self.get(column).is_empty() {
            return Some(None);
        }
        self.parsed(column, reason, what_zh, errors).map(Some)
    }

    fn filled(&self, column: &'static str, errors: &mut Errors) -> Option<&str> {
        let text = self.get(column);
        if text.is_empty() {
            errors.push(self.row, column, "REQUIRED", "is required", "必须填写");
            return None;
        }
        Some(text)
    }

    fn wrong(&self, column: &'static str, reason: &'static str, why: &dyn Display, what_zh: &str, errors: &mut Errors) {
        let text: String = self.get(column).chars().take(40).collect();
        errors.push(self.row, column, reason, why.to_string(), format!("{what_zh}有误：{text}"));
    }

    fn name(&self, column: &'static str, errors: &mut Errors) -> Option<String> {
        let text = self.filled(column, errors)?;
        if text.chars().count() > MAX_NAME {
            errors.push(
                self.row,
                column,
                "TOO_LONG",
                format!("has more than {MAX_NAME} characters"),
                format!("超过{MAX_NAME}个字"),
            );
            return None;
        }
        if text.chars().any(char::is_control) {
            errors.push(self.row, column, "INVALID", "has control characters", "含有控制字符");
            return None;
        }
        Some(text.to_owned())
    }

    fn region(&self, errors: &mut Errors) -> Option<Region> {
        let level: Level = self.parsed("level", "UNKNOWN_LEVEL", "行政级别", errors)?;
        let code = self.filled("code", errors)?;
        self.coded("code", level, code, errors)
    }

    fn coded(&self, column: &'static str, level: Level, code: &str, errors: &mut Errors) -> Option<Region> {
        Region::new(level, code)
            .inspect_err(|error| self.wrong(column, "INVALID_REGION_CODE", error, "行政区划代码", errors))
            .ok()
    }

    /// An instant, or the beginning of a civil date; not before the year 1, which no event could carry.
    fn instant(&self, column: &'static str, errors: &mut Errors) -> Option<Instant> {
        let text = self.filled(column, errors)?;
        let at = if text.len() == 10 {
            text.parse::<Date>().ok().map(start_of_day)
        } else {
            text.parse::<Instant>().ok().map(truncate_micros)
        };
        let at = at.filter(|at| *at >= EARLIEST);
        if at.is_none() {
            let why = "is neither a date 2026-01-31 nor an instant of RFC 3339";
            self.wrong(column, "INVALID_TIME", &why, "日期", errors);
        }
        at
    }
}

/// The level that administers another.
const fn above(level: Level) -> Option<Level> {
    match level {
        Level::City => None,
        Level::County => Some(Level::City),
        Level::Township => Some(Level::County),
        Level::WorkArea | Level::Village => Some(Level::Township),
    }
}

/// A region; `columns` says which optional ones the file has: work area, households.
pub(super) fn region(row: &TableRow<'_>, columns: (bool, bool), errors: &mut Errors) -> Option<RegionRow> {
    let region = row.region(errors);
    let name = row.name("name", errors);
    let region = region?;
    let parent = match above(region.level()) {
        None if row.get("parent").is_empty() => None,
        None => {
            errors.push(row.row, "parent", "NOT_ALLOWED", "a city has no parent", "市级没有上级");
            return None;
        }
        Some(level) => Some(row.coded("parent", level, row.filled("parent", errors)?, errors)?),
    };
    let work_area = if columns.0 { Some(work_area(row, region.level(), errors)?) } else { None };
    let households = if columns.1 { Some(households(row, region.level(), errors)?) } else { None };
    if region.level() == Level::WorkArea && !parent.as_ref().is_some_and(|parent| named_after(&region, parent)) {
        let zh = "工作区代码须以所属乡镇代码开头";
        errors.push(row.row, "parent", "WRONG_PARENT", "a work area's code begins with its township's", zh);
        return None;
    }
    Some(RegionRow { region, name: name?, parent, work_area, households })
}

/// Whether a work area's code is made of its township's.
pub(super) fn named_after(area: &Region, township: &Region) -> bool {
    area.code().as_str().split_once('-').is_some_and(|(prefix, _)| prefix == township.code().as_str())
}

fn work_area(row: &TableRow<'_>, level: Level, errors: &mut Errors) -> Option<Option<Region>> {
    match (row.get("work_area"), level) {
        ("", _) => Some(None),
        (code, Level::Village) => row.coded("work_area", Level::WorkArea, code, errors).map(Some),
        (_, _) => {
            errors.push(row.row, "work_area", "NOT_ALLOWED", "only a village is of a work area", "只有村居属于工作区");
            None
        }
    }
}

fn households(row: &TableRow<'_>, level: Level, errors: &mut Errors) -> Option<u32> {
    let households: u32 = row.optional("households", "INVALID_NUMBER", "户数", errors)?.unwrap_or(0);
    if i32::try_from(households).is_err() {
        errors.push(row.row, "households", "INVALID_NUMBER", "is too large", "户数过大");
        return None;
    }
    if households > 0 && level != Level::Village {
        errors.push(row.row, "households", "NOT_ALLOWED", "only a village has households", "只有村居填写户数");
        return None;
    }
    Some(households)
}

pub(super) fn holder(row: &TableRow<'_>, errors: &mut Errors) -> Option<Holder> {
    let role: Option<Role> = row.parsed("role", "UNKNOWN_ROLE", "岗位", errors);
    let region = row.region(errors);
    let agency: Option<Option<Agency>> = row.optional("agency", "UNKNOWN_AGENCY", "部门代码", errors);
    let person = row.name("person", errors);
    let valid_from = row.instant("valid_from", errors);
    let valid_until = match row.get("valid_until") {
        "" => Some(None),
        _ => row.instant("valid_until", errors).map(Some),
    };
    let (role, region, agency, valid_from, valid_until) = (role?, region?, agency?, valid_from?, valid_until?);
    if role.level().is_some_and(|level| level != region.level()) {
        let en = format!("{role} is no post of a {}", region.level());
        errors.push(row.row, "level", "WRONG_LEVEL", en, format!("{}不是该级岗位", role.name_zh()));
        return None;
    }
    if role.needs_agency() != agency.is_some() {
        let (reason, zh) = if agency.is_none() {
            ("REQUIRED", "该岗位须写明部门")
        } else {
            ("NOT_ALLOWED", "该岗位不填部门")
        };
        errors.push(row.row, "agency", reason, format!("does not fit the role {role}"), zh);
        return None;
    }
    if valid_until.is_some_and(|until| until <= valid_from) {
        errors.push(row.row, "valid_until", "INVALID_TIME", "is not after valid_from", "离任时间须晚于到任时间");
        return None;
    }
    Some(Holder { role, region, agency, person: person?, valid_from, valid_until })
}

pub(super) fn enterprise(row: &TableRow<'_>, errors: &mut Errors) -> Option<Enterprise> {
    let credit_code: Option<CreditCode> = row.parsed("credit_code", "INVALID_CREDIT_CODE", "统一社会信用代码", errors);
    let name = row.name("name", errors);
    let industry: Option<Option<Industry>> = row.optional("industry", "UNKNOWN_INDUSTRY", "行业代码", errors);
    let regulator: Option<Option<Agency>> = row.optional("regulator", "UNKNOWN_AGENCY", "部门代码", errors);
    let region = row.region(errors);
    let employees: Option<Option<u32>> = row.optional("employees", "INVALID_NUMBER", "职工人数", errors);
    let region = region?;
    if !matches!(region.level(), Level::Village | Level::Township) {
        errors.push(
            row.row,
            "level",
            "WRONG_LEVEL",
            "an enterprise lies in a village or a township",
            "企业须登记到村居或乡镇",
        );
        return None;
    }
    let employees = employees?.unwrap_or(0);
    if i32::try_from(employees).is_err() {
        errors.push(row.row, "employees", "INVALID_NUMBER", "is too large", "职工人数过大");
        return None;
    }
    Some(Enterprise {
        credit_code: credit_code?,
        name: name?,
        industry: industry?.unwrap_or_default(),
        regulator: regulator?,
        region,
        employees,
    })
}
