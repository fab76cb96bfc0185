//! Checks a deadline from its stored inputs, as `ExplainDeadline` gives them out: no service, no database, no network.

use std::{
    fmt, fs,
    io::{self, Read as _},
    path::Path,
};

use anyhow::{Result, bail};
use dafei_kernel::workdays::Calendar;
use dafei_sla_core::{Inputs, Limit, deadline::check};

/// Something that cannot be read as what it should be, so that nothing was checked.
#[derive(Debug)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

/// Prints how the deadline came about, and `一致` or every difference.
///
/// # Errors
/// [`Unreadable`] with file, line and reason for what cannot be read, and for a calendar of another version; another error when something differs.
pub fn run(file: &Path, calendar: Option<&Path>) -> Result<()> {
    let inputs = read_inputs(file)?;
    let given = calendar.map(read_calendar).transpose()?;
    let needed = inputs.days.as_ref().filter(|_| matches!(inputs.limit, Limit::WorkingDays(_)));
    let version = needed.map(|days| days.calendar_version.as_str()).filter(|version| !version.trim().is_empty());
    if let (Some(version), Some(path), Some(given)) = (version, calendar, &given)
        && given.version() != version
    {
        let (path, other) = (path.display(), given.version());
        bail!(Unreadable(format!("{path}: 日历版本为{other}，该期限按{version}计算，不能用它核对")));
    }
    // The calendar that the tool was built with serves for what was counted by it.
    let calendar = given.or_else(|| version.map(|_| Calendar::builtin())).filter(|one| Some(one.version()) == version);
    for line in inputs.lines() {
        println!("{line}");
    }
    match (&calendar, needed) {
        (Some(calendar), Some(_)) => println!("核对：已按日历{}逐日核对。", calendar.version()),
        (None, Some(_)) => {
            println!(
                "核对：没有该版本的日历，未核对各日是否工作日，催办时刻只核对到不早于何日；可用 --calendar 给出日历。"
            );
        }
        (_, None) => println!("核对：此时限不需日历。"),
    }
    let differences = check::verify(&inputs, calendar.as_ref());
    if differences.is_empty() {
        println!("一致");
        return Ok(());
    }
    for difference in &differences {
        println!("不一致：{difference}");
    }
    bail!("{}处不一致", differences.len())
}

fn read_inputs(file: &Path) -> Result<Inputs> {
    let text = read(file)?;
    // Editors put a byte order mark before the text.
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
        Unreadable(format!("{}，第{}行第{}列：{error}", name(file), error.line(), error.column())).into()
    })
}

fn read_calendar(file: &Path) -> Result<Calendar> {
    let text = read(file)?;
    Calendar::parse(&text)
        .map_err(|error| Unreadable(format!("{}，第{}行：{}", name(file), error.line, error.reason)).into())
}

fn read(file: &Path) -> Result<String> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    read.map_err(|error| Unreadable(format!("{}：{error}", name(file))).into())
}

fn name(file: &Path) -> String {
    if file == Path::new("-") { "标准输入".to_owned() } else { file.display().to_string() }
}
