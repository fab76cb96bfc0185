//! A file taken into the roster: all of it or nothing.

use std::collections::{BTreeSet, HashMap};

use dafei_kernel::{
    region::{Level, Region},
    roster::RegionEntry,
};

use super::{
    Contents, Errors, File, HolderKey, RowError,
    rows::{self, RegionRow},
    table::{Table, WHOLE_ROW},
};

/// Hints that are told of one file.
const MAX_WARNINGS: usize = 100;

/// What a file makes of the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The roster with it.
    pub contents: Contents,
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
    fn of(contents: &Contents, table: &Table) -> Self {
        Self {
            contents: contents.clone(),
            rows: table.len(),
            changed: 0,
            touched: BTreeSet::new(),
            warnings: Vec::new(),
        }
    }

    fn warn(&mut self, text: String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(text);
        }
    }

    /// The region's part is not as it was.
    fn touch(&mut self, region: &Region) {
        self.touched.extend(self.contents.unit_of(region));
    }
}

/// Takes a file into the roster.
///
/// # Errors
/// Everything that is wrong with it, row by row, at most 100 errors.
pub fn import(contents: &Contents, file: File, bytes: &[u8]) -> Result<Import, Vec<RowError>> {
    match file {
        File::Regions => regions(contents, bytes),
        File::Holders => holders(contents, bytes),
        File::Enterprises => enterprises(contents, bytes),
    }
}

/// A table, or the errors of its form.
fn table(
    bytes: &[u8],
    required: &'static [&'static str],
    optional: &'static [&'static str],
    errors: &mut Errors,
) -> Option<Table> {
    let table = Table::read(bytes, required, optional, errors)?;
    if table.len() == 0 && errors.0.is_empty() {
        errors.push(1, WHOLE_ROW, "EMPTY", "there are no rows", "没有数据行");
        return None;
    }
    Some(table)
}

fn regions(contents: &Contents, bytes: &[u8]) -> Result<Import, Vec<RowError>> {
    let mut errors = Errors::default();
    let Some(table) = table(bytes, &["level", "code", "name", "parent"], &["work_area"], &mut errors) else {
        return Err(errors.0);
    };
    let mut import = Import::of(contents, &table);
    let mut lines: HashMap<Region, u64> = HashMap::new();
    for row in table.rows() {
        let Some(parsed) = rows::region(&row, &mut errors) else { continue };
        if lines.insert(parsed.region.clone(), row.row).is_some() {
            errors.push(row.row, "code", "DUPLICATE_ROW", "stands twice in the file", "文件中重复");
            continue;
        }
        put_region(&mut import, parsed, table.has("work_area"));
    }
    fits(&import.contents, &lines, &mut errors);
    errors.or(import)
}

fn put_region(import: &mut Import, row: RegionRow, with_areas: bool) {
    let before = import.contents.regions.get(&row.region).cloned();
    // A file without the column says nothing of work areas: a village keeps its own, unless it moves to another township.
    let kept = before.as_ref().filter(|before| before.parent == row.parent).and_then(|before| before.work_area.clone());
    let work_area = if with_areas { row.work_area } else { kept };
    let entry = RegionEntry { region: row.region, name: row.name, parent: row.parent, work_area };
    if before.as_ref() == Some(&entry) {
        return;
    }
    import.changed += 1;
    if before.is_some() {
        import.touch(&entry.region);
    }
    let region = entry.region.clone();
    import.contents.regions.insert(region.clone(), entry);
    import.touch(&region);
}

/// Every region of the file has its parent, every village a work area of its own township, and there is one city.
fn fits(contents: &Contents, lines: &HashMap<Region, u64>, errors: &mut Errors) {
    let mut in_file: Vec<(&Region, u64)> = lines.iter().map(|(region, row)| (region, *row)).collect();
    in_file.sort_by_key(|(_, row)| *row);
    let cities = contents.regions.keys().filter(|region| region.level() == Level::City).count();
    for (region, row) in in_file {
        let Some(entry) = contents.regions.get(region) else { continue };
        if region.level() == Level::City && cities > 1 {
            errors.push(row, "code", "SECOND_CITY", "the roster has another city", "本系统只登记一个市");
        }
        if let Some(parent) = &entry.parent
            && !contents.regions.contains_key(parent)
        {
            let en = format!("{parent} is not in the roster");
            errors.push(row, "parent", "UNKNOWN_REGION", en, format!("没有这个上级区划：{}", parent.code()));
        }
        let Some(area) = &entry.work_area else { continue };
        match contents.regions.get(area) {
            Some(known) if known.parent == entry.parent => {}
            Some(_) => errors.push(
                row,
                "work_area",
                "WRONG_PARENT",
                "is a work area of another township",
                "工作区不属于该村居所在乡镇",
            ),
            None => errors.push(
                row,
                "work_area",
                "UNKNOWN_REGION",
                format!("{area} is not in the roster"),
                format!("没有这个工作区：{}", area.code()),
            ),
        }
    }
}

fn holders(contents: &Contents, bytes: &[u8]) -> Result<Import, Vec<RowError>> {
    let required = &["role", "level", "code", "agency", "person", "valid_from"];
    let mut errors = Errors::default();
    let Some(table) = table(bytes, required, &["valid_until"], &mut errors) else { return Err(errors.0) };
    let mut import = Import::of(contents, &table);
    let mut seen = BTreeSet::new();
    for row in table.rows() {
        let Some(holder) = rows::holder(&row, &mut errors) else { continue };
        if !known(contents, &holder.region, row.row, &mut errors) {
            continue;
        }
        let key = HolderKey::of(&holder);
        if !seen.insert(key.clone()) {
            errors.push(row.row, "person", "DUPLICATE_ROW", "stands twice in the file", "文件中重复");
            continue;
        }
        if import.contents.holders.get(&key) != Some(&holder) {
            import.changed += 1;
            import.touch(&holder.region);
            import.contents.holders.insert(key, holder);
        }
    }
    errors.or(import)
}

fn enterprises(contents: &Contents, bytes: &[u8]) -> Result<Import, Vec<RowError>> {
    let required = &["credit_code", "name", "industry", "regulator", "level", "code", "employees"];
    let mut errors = Errors::default();
    let Some(table) = table(bytes, required, &[], &mut errors) else { return Err(errors.0) };
    let mut import = Import::of(contents, &table);
    let mut seen = BTreeSet::new();
    for row in table.rows() {
        let Some(enterprise) = rows::enterprise(&row, &mut errors) else { continue };
        if !known(contents, &enterprise.region, row.row, &mut errors) {
            continue;
        }
        if !seen.insert(enterprise.credit_code.clone()) {
            errors.push(row.row, "credit_code", "DUPLICATE_ROW", "stands twice in the file", "文件中重复");
            continue;
        }
        if !enterprise.credit_code.checksum_ok() {
            import.warn(format!("第{}行：统一社会信用代码 {} 的校验位不符", row.row, enterprise.credit_code));
        }
        let before = import.contents.enterprises.get(&enterprise.credit_code).cloned();
        if before.as_ref() == Some(&enterprise) {
            continue;
        }
        import.changed += 1;
        for region in before.iter().map(|before| &before.region).chain([&enterprise.region]) {
            import.touch(region);
        }
        import.contents.enterprises.insert(enterprise.credit_code.clone(), enterprise);
    }
    errors.or(import)
}

fn known(contents: &Contents, region: &Region, row: u64, errors: &mut Errors) -> bool {
    let known = contents.regions.contains_key(region);
    if !known {
        let en = format!("{region} is not in the roster");
        errors.push(row, "code", "UNKNOWN_REGION", en, format!("没有这个行政区划：{}", region.code()));
    }
    known
}
