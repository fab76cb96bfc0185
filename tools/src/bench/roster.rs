//! The divisions of the whole country, imported as one file: 620,573 villages in 41,352 townships, 2,978 counties and 342 cities.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use dafei_kernel::{region::Level, role::Role};

use super::figures;
use crate::{
    client::{self, Caller, Keys, Suite},
    exercise,
    roster::{self, Kind},
};

/// The import's limit (clause B1 at the scale of the country).
const LIMIT: Duration = Duration::from_secs(120);

/// How long the other services may take to follow.
const PATIENCE: Duration = Duration::from_secs(900);

/// Files of the package from the top down, without the provinces, which the roster does not have: level, file, column of the parent.
const FILES: [(Level, &str, Option<&str>); 4] = [
    (Level::City, "cities.csv", None),
    (Level::County, "areas.csv", Some("cityCode")),
    (Level::Township, "streets.csv", Some("areaCode")),
    (Level::Village, "villages.csv", Some("streetCode")),
];

pub(super) async fn run(suite: &Suite, keys: &Keys, data: &Path) -> anyhow::Result<()> {
    let (bytes, rows) = converted(data)?;
    eprintln!("    {rows} regions, {} MiB", bytes.len() / 1024 / 1024);
    let admin = Caller::new(Role::Admin, client::city()?);
    let began = Instant::now();
    let answer = roster::import(suite, keys, &admin, Kind::Regions, &bytes, false).await?;
    let imported = began.elapsed();
    ensure!(usize::try_from(answer.rows)? == rows, "{} rows were read, not {rows}", answer.rows);
    if imported > LIMIT {
        eprintln!("    OVER THE LIMIT of {LIMIT:?}");
    }
    figures::print("roster_import_s", imported.as_secs_f64(), "s", Some(("limit", LIMIT.as_secs_f64())));
    figures::print("roster_import_rows", f64::from(answer.rows), "1", None);
    while let Err(error) = exercise::settle_system(suite, keys).await {
        ensure!(began.elapsed() < PATIENCE, "the other services do not catch up: {error:#}");
        eprintln!("    {error:#}");
    }
    figures::print("roster_followed_s", began.elapsed().as_secs_f64(), "s", None);
    Ok(())
}

/// The package's files as one file of regions, and how many rows it has.
fn converted(data: &Path) -> anyhow::Result<(Vec<u8>, usize)> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["level", "code", "name", "parent"])?;
    let mut rows = 0;
    for (level, name, parent) in FILES {
        let path = data.join(name);
        let mut reader = csv::Reader::from_path(&path).with_context(|| path.display().to_string())?;
        let head = reader.headers()?.clone();
        let at = |column: &str| head.iter().position(|known| known == column).with_context(|| format!("no {column}"));
        let (code, name, parent) = (at("code")?, at("name")?, parent.map(at).transpose()?);
        for row in reader.records() {
            let row = row?;
            let field = |at: usize| row.get(at).unwrap_or_default();
            let (code, parent) = (padded(field(code)), padded(parent.map_or("", field)));
            writer.write_record([level.code(), &code, field(name), &parent])?;
            rows += 1;
        }
    }
    Ok((writer.into_inner().context("the last rows")?, rows))
}

/// The package writes cities with four digits, the roster with six.
fn padded(code: &str) -> String {
    if code.len() == 4 { format!("{code}00") } else { code.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::converted;

    #[test]
    fn the_package_becomes_a_file_of_regions_with_codes_of_their_levels() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            ("cities.csv", "code,name,provinceCode\n3713,\"临沂市\",37\n"),
            ("areas.csv", "code,name,cityCode,provinceCode\n371302,\"兰山区\",3713,37\n"),
            ("streets.csv", "code,name,areaCode,provinceCode,cityCode\n371302001,\"兰山街道\",371302,37,3713\n"),
            ("villages.csv", "code,name,streetCode\n371302001001,\"前十,社区\",371302001\n"),
        ] {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        let (bytes, rows) = converted(folder.path()).expect("converted");
        let expected = "level,code,name,parent\ncity,371300,临沂市,\ncounty,371302,兰山区,371300\n\
                        township,371302001,兰山街道,371302\nvillage,371302001001,\"前十,社区\",371302001\n";
        assert_eq!((String::from_utf8(bytes).expect("UTF-8").as_str(), rows), (expected, 4));
    }
}
