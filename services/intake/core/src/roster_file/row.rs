//! One row of each file.

use std::str::FromStr;

use dafei_kernel::{
    agency::Agency,
    credit_code::CreditCode,
    region::{Level, Region},
    roster::{Enterprise, Holder, RegionEntry},
    role::Role,
    time::{Instant, start_of_day, truncate_micros},
};
use jiff::civil::Date;

use super::{CellError, parse::Cells};

/// Longest name of a region, person or enterprise, in characters.
const NAME: usize = 200;

pub(super) fn region(cells: &Cells<'_>) -> Result<RegionEntry, CellError> {
    let region = place(cells)?;
    let parent = match (above(region.level()), cells.get("parent")) {
        (None, "") => None,
        (None, _) => return Err(cells.wrong("parent", "NOT_ALLOWED", "a city has no parent", "市级没有上级区划")),
        (Some(_), "") => return Err(cells.wrong("parent", "REQUIRED", "is required", "必须填写")),
        (Some(level), code) => Some(coded(cells, "parent", level, code)?),
    };
    let work_area = match cells.get("work_area") {
        "" => None,
        code => Some(coded(cells, "work_area", Level::WorkArea, code)?),
    };
    Ok(RegionEntry { region, name: name(cells, "name")?, parent, work_area })
}

pub(super) fn holder(cells: &Cells<'_>) -> Result<Holder, CellError> {
    let role: Role = code(cells, "role", "UNKNOWN_ROLE", "没有这个岗位")?;
    Ok(Holder {
        role,
        region: place(cells)?,
        agency: agency(cells, "agency")?,
        person: name(cells, "person")?,
        valid_from: instant(cells, "valid_from", cells.required("valid_from")?)?,
        valid_until: match cells.get("valid_until") {
            "" => None,
            text => Some(instant(cells, "valid_until", text)?),
        },
    })
}

pub(super) fn enterprise(cells: &Cells<'_>) -> Result<Enterprise, CellError> {
    let credit_code = CreditCode::parse(cells.required("credit_code")?)
        .map_err(|error| cells.wrong("credit_code", "INVALID_CREDIT_CODE", error.to_string(), "统一社会信用代码有误"))?;
    let industry = match cells.get("industry") {
        "" => dafei_kernel::industry::Industry::General,
        _ => code(cells, "industry", "UNKNOWN_INDUSTRY", "没有这个行业代码")?,
    };
    let employees = match cells.required("employees")?.parse::<i32>() {
        Ok(number) if number >= 0 => number.unsigned_abs(),
        _ => return Err(cells.wrong("employees", "INVALID", "is no number of persons", "人数有误")),
    };
    Ok(Enterprise {
        credit_code,
        name: name(cells, "name")?,
        industry,
        regulator: agency(cells, "regulator")?,
        region: place(cells)?,
        employees,
    })
}

/// The level of a region's parent.
const fn above(level: Level) -> Option<Level> {
    match level {
        Level::City => None,
        Level::County => Some(Level::City),
        Level::Township => Some(Level::County),
        Level::WorkArea | Level::Village => Some(Level::Township),
    }
}

/// The region of the columns `level` and `code`.
fn place(cells: &Cells<'_>) -> Result<Region, CellError> {
    let level: Level = code(cells, "level", "UNKNOWN_LEVEL", "没有这个行政级别")?;
    let text = cells.required("code")?;
    Region::new(level, text)
        .map_err(|error| cells.wrong("code", "INVALID_REGION_CODE", error.to_string(), "行政区划代码有误"))
}

fn coded(cells: &Cells<'_>, column: &str, level: Level, text: &str) -> Result<Region, CellError> {
    Region::new(level, text).map_err(|error| {
        if Level::ALL.iter().any(|other| Region::new(*other, text).is_ok()) {
            cells.wrong(column, "WRONG_LEVEL", format!("{text} is no {level}"), "行政区划的级别不对")
        } else {
            cells.wrong(column, "INVALID_REGION_CODE", error.to_string(), "行政区划代码有误")
        }
    })
}

fn code<T: FromStr>(cells: &Cells<'_>, column: &str, reason: &'static str, zh: &str) -> Result<T, CellError> {
    let text = cells.required(column)?;
    let shown = || text.chars().take(40).collect::<String>();
    text.parse().map_err(|_| cells.wrong(column, reason, format!("{:?} is not known", shown()), zh))
}

fn agency(cells: &Cells<'_>, column: &str) -> Result<Option<Agency>, CellError> {
    match cells.get(column) {
        "" => Ok(None),
        _ => code(cells, column, "UNKNOWN_AGENCY", "没有这个部门代码").map(Some),
    }
}

fn name(cells: &Cells<'_>, column: &str) -> Result<String, CellError> {
    let text = cells.required(column)?;
    if text.chars().count() > NAME {
        return Err(cells.wrong(column, "TOO_LONG", format!("has more than {NAME} characters"), "名称过长"));
    }
    if text.chars().any(char::is_control) {
        return Err(cells.wrong(column, "INVALID", "has control characters", "名称中有控制字符"));
    }
    Ok(text.to_owned())
}

/// RFC 3339, or a date: 00:00 of it in Asia/Shanghai.
fn instant(cells: &Cells<'_>, column: &str, text: &str) -> Result<Instant, CellError> {
    text.parse::<Instant>()
        .map(truncate_micros)
        .or_else(|_| text.parse::<Date>().map(start_of_day))
        .map_err(|_| cells.wrong(column, "INVALID", "is no RFC 3339 instant and no date", "时间应写作“2026-01-31”的样子"))
}
