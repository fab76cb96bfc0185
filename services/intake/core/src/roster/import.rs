//! A file taken into the roster: all of it or nothing.

use std::collections::{BTreeSet, HashMap};

use dafei_kernel::{
    agency::Agency,
    credit_code::CreditCode,
    region::{Level, Region},
    role::Role,
    roster::{Enterprise, Holder, RegionEntry, RosterError, RosterIndex},
    time::Instant,
};

use super::{Errors, Limits, Parsed, RowError, read::Rows, rows::RegionRow, table::WHOLE_ROW, tenure};

/// Hints that are told of one file.
const MAX_WARNINGS: usize = 100;

/// What a file makes of the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The roster with it.
    pub roster: RosterIndex,
    /// Rows read.
    pub rows: usize,
    /// Rows that are new or change something.
    pub changed: usize,
    /// Cities, counties and townships that are not as they were.
    pub touched: BTreeSet<Region>,
    /// Hints for clerks that refuse nothing.
    pub warnings: Vec<String>,
}

impl Import {
    fn warn(&mut self, text: String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(text);
        }
    }

    /// The region's part is not as it was.
    fn touch(&mut self, region: &Region) {
        self.touched.extend(self.roster.part_of(region));
    }
}

/// Takes a file into the roster.
///
/// # Errors
/// Everything that is wrong with it, row by row, at most 100 errors.
pub fn import(roster: &RosterIndex, file: Parsed, limits: Limits) -> Result<Import, Vec<RowError>> {
    let Parsed { rows, count, mut errors } = file;
    let mut import =
        Import { roster: roster.clone(), rows: count, changed: 0, touched: BTreeSet::new(), warnings: Vec::new() };
    match rows {
        Rows::Regions(rows) => regions(&mut import, rows, limits, &mut errors),
        Rows::Holders(rows) => holders(&mut import, rows, &mut errors),
        Rows::Enterprises(rows) => enterprises(&mut import, rows, &mut errors),
    }
    errors.or(import)
}

fn regions(import: &mut Import, rows: Vec<(u64, RegionRow)>, limits: Limits, errors: &mut Errors) {
    let mut lines: HashMap<Region, u64> = HashMap::with_capacity(rows.len());
    for (line, row) in rows {
        if lines.insert(row.region.clone(), line).is_some() {
            errors.push(line, "code", "DUPLICATE_ROW", "stands twice in the file", "文件中重复");
        } else if let Err(error) = put_region(import, row) {
            errors.push(line, WHOLE_ROW, "WRONG_PARENT", error.to_string(), "上级区划的级别有误");
        }
    }
    fits(&import.roster, &lines, limits, errors);
}

fn put_region(import: &mut Import, row: RegionRow) -> Result<(), RosterError> {
    let before = import.roster.get(&row.region).cloned();
    // A file without the column says nothing of work areas: a village keeps its own, unless it moves to another township.
    let kept = before.as_ref().filter(|before| before.parent == row.parent).and_then(|before| before.work_area.clone());
    let entry = RegionEntry {
        work_area: row.work_area.unwrap_or(kept),
        households: row.households.unwrap_or_else(|| before.as_ref().map_or(0, |before| before.households)),
        region: row.region,
        name: row.name,
        parent: row.parent,
    };
    if before.as_ref() == Some(&entry) {
        return Ok(());
    }
    import.changed += 1;
    if before.is_some() {
        import.touch(&entry.region);
    }
    let region = entry.region.clone();
    import.roster.place_region(entry)?;
    import.touch(&region);
    Ok(())
}

/// Every region of the file has its parent, every village a work area of its own township, and there are no more cities than may be.
fn fits(roster: &RosterIndex, lines: &HashMap<Region, u64>, limits: Limits, errors: &mut Errors) {
    let mut in_file: Vec<(&Region, u64)> = lines.iter().map(|(region, row)| (region, *row)).collect();
    in_file.sort_by_key(|(_, row)| *row);
    let too_many = roster.of_level(Level::City).count() > limits.cities;
    for (region, row) in in_file {
        let Some(entry) = roster.get(region) else { continue };
        if region.level() == Level::City && too_many {
            errors.push(row, "code", "SECOND_CITY", "the roster has another city", "本系统登记的市已满");
        }
        if let Some(parent) = entry.parent.as_ref().filter(|parent| roster.get(parent).is_none()) {
            let en = format!("{parent} is not in the roster");
            errors.push(row, "parent", "UNKNOWN_REGION", en, format!("没有这个上级区划：{}", parent.code()));
        }
        let Some(area) = &entry.work_area else { continue };
        match roster.get(area) {
            Some(known) if known.parent == entry.parent => {}
            Some(_) => {
                let en = "is a work area of another township";
                errors.push(row, "work_area", "WRONG_PARENT", en, "工作区不属于该村居所在乡镇");
            }
            None => {
                let en = format!("{area} is not in the roster");
                errors.push(row, "work_area", "UNKNOWN_REGION", en, format!("没有这个工作区：{}", area.code()));
            }
        }
    }
}

/// What makes a row of holders the same one.
type HolderKey = (Region, Role, Option<Agency>, Instant, String);

fn holders(import: &mut Import, rows: Vec<(u64, Holder)>, errors: &mut Errors) {
    let mut lines: HashMap<HolderKey, u64> = HashMap::with_capacity(rows.len());
    let mut regions: BTreeSet<Region> = BTreeSet::new();
    for (line, holder) in rows {
        if !known(&import.roster, &holder.region, line, errors) {
            continue;
        }
        if lines.insert(key(&holder), line).is_some() {
            errors.push(line, "person", "DUPLICATE_ROW", "stands twice in the file", "文件中重复");
            continue;
        }
        if import.roster.holder(&holder.region, holder.key()) == Some(&holder) {
            continue;
        }
        import.changed += 1;
        import.touch(&holder.region);
        regions.insert(holder.region.clone());
        import.roster.upsert_holder(holder);
    }
    for region in &regions {
        no_overlaps(&import.roster, region, &lines, errors);
    }
}

/// Nobody of the file holds the same post twice at the same time. Of two tenures the file may hold the earlier one only.
fn no_overlaps(roster: &RosterIndex, region: &Region, lines: &HashMap<HolderKey, u64>, errors: &mut Errors) {
    for (earlier, later) in tenure::overlapping(roster, region) {
        if let Some(line) = lines.get(&key(later)).or_else(|| lines.get(&key(earlier))) {
            let en = format!("{} holds this post already at that time", later.person);
            let zh = format!("{}在此时间段已担任该岗位", later.person);
            errors.push(*line, "valid_from", "TENURE_OVERLAPS", en, zh);
        }
    }
}

fn key(holder: &Holder) -> HolderKey {
    let (role, agency, from, person) = holder.key();
    (holder.region.clone(), role, agency, from, person.to_owned())
}

fn enterprises(import: &mut Import, rows: Vec<(u64, Enterprise)>, errors: &mut Errors) {
    let mut seen: BTreeSet<CreditCode> = BTreeSet::new();
    for (line, enterprise) in rows {
        if !known(&import.roster, &enterprise.region, line, errors) {
            continue;
        }
        if !seen.insert(enterprise.credit_code.clone()) {
            errors.push(line, "credit_code", "DUPLICATE_ROW", "stands twice in the file", "文件中重复");
            continue;
        }
        if !enterprise.credit_code.checksum_ok() {
            import.warn(format!("第{line}行：统一社会信用代码 {} 的校验位不符", enterprise.credit_code));
        }
        let before = import.roster.enterprise(&enterprise.credit_code).cloned();
        if before.as_ref() == Some(&enterprise) {
            continue;
        }
        import.changed += 1;
        for region in before.iter().map(|before| &before.region).chain([&enterprise.region]) {
            import.touch(region);
        }
        import.roster.upsert_enterprise(enterprise);
    }
}

fn known(roster: &RosterIndex, region: &Region, row: u64, errors: &mut Errors) -> bool {
    let known = roster.get(region).is_some();
    if !known {
        let en = format!("{region} is not in the roster");
        errors.push(row, "code", "UNKNOWN_REGION", en, format!("没有这个行政区划：{}", region.code()));
    }
    known
}
