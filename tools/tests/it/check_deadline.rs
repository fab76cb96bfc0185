//! The check of a deadline from its stored inputs, by the binary, as an office runs it on a machine of its own.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use dafei_kernel::workdays::Calendar;
use dafei_sla_core::{Clock, Inputs, Rules, deadline::deadline};
use serde_json::Value;

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/calendar/cn-2020-2026.csv");

/// K3 over National Day 2026.
fn stored() -> Inputs {
    of(Clock::K3, &Calendar::builtin())
}

fn of(clock: Clock, calendar: &Calendar) -> Inputs {
    let start = "2026-09-29T15:00:00+08:00".parse().expect("an instant");
    deadline(&Rules::builtin(), calendar, clock, start).inputs
}

/// A directory with the inputs in it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    }
}

fn check(arguments: &[&Path]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dafei"));
    let output = command.env_clear().arg("check-deadline").args(arguments).output().expect("the binary runs");
    told(&output)
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The stored inputs with one of their members changed.
fn tampered(pointer: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut json: Value = serde_json::from_str(&stored().to_json()).expect("JSON");
    let member = json.pointer_mut(pointer).expect("the member");
    let before = member.clone();
    change(member);
    assert_ne!(*member, before, "the change changes nothing");
    json.to_string()
}

#[test]
fn inputs_as_they_are_stored_agree_and_are_explained() {
    let file = Desk::new();
    for clock in Clock::CASES {
        let inputs = of(clock, &Calendar::builtin());
        let path = file.put("inputs.json", &inputs.to_json());
        let (code, out, err) = check(&[&path]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        assert!(out.starts_with(&inputs.lines().join("\n")), "{out}");
        assert!(out.ends_with("\n一致\n"), "{out}");
    }
    let path = file.put("inputs.json", &stored().to_json());
    let (code, out, _) = check(&[&path, Path::new("--calendar"), Path::new(SHIPPED)]);
    assert_eq!(code, Some(0));
    assert!(out.contains("截止：2026-10-12 24:00") && out.contains("已按日历cn-2026.1逐日核对"), "{out}");
}

#[test]
fn inputs_are_read_from_standard_input_too() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dafei"));
    command.args(["check-deadline", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(format!("\u{feff}{}\n", stored().to_json()).as_bytes()).expect("written");
    drop(input);
    let (code, out, err) = told(&child.wait_with_output().expect("the binary ends"));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.ends_with("一致\n"), "{out}");
}

#[test]
fn every_tampering_is_told_and_fails_the_check() {
    let file = Desk::new();
    let refused = |json: &str, parts: &[&str]| {
        let path = file.put("inputs.json", json);
        let (code, out, err) = check(&[&path]);
        assert_eq!(code, Some(1), "{out}{err}");
        assert!(!out.contains("\n一致"), "{out}");
        for part in parts {
            assert!(out.contains(part), "{part} is not in:\n{out}");
        }
        assert!(err.contains("处不一致"), "{err}");
    };
    let due = tampered("/timing/due", |due| *due = "2026-10-13T16:00:00Z".into());
    refused(&due, &["不一致：timing.due：存储为2026-10-13 24:00，推算应为2026-10-12 24:00"]);
    let removed = tampered("/days/counted", |days| _ = days.as_array_mut().expect("a list").remove(1));
    refused(&removed, &["days.counted：存储为计入4日，推算应为计入5日", "缺少2026-10-08至2026-10-08"]);
    let start = tampered("/start", |start| *start = "2026-09-28T07:00:00Z".into());
    refused(&start, &["timing.started_at", "缺少2026-09-29至2026-09-29"]);
    let provisional = tampered("/provisional", |flag| *flag = true.into());
    refused(&provisional, &["不一致：provisional：存储为是，推算应为否"]);
    // Two days' kinds exchanged: as many are counted as before, and only the calendar knows better.
    let holiday = tampered("/days", |days| {
        days["counted"][1] = "2026-10-01".into();
        days["skipped"][0]["date"] = "2026-10-08".into();
        days["skipped"].as_array_mut().expect("a list").sort_by_key(|skipped| skipped["date"].to_string());
    });
    refused(
        &holiday,
        &["days.counted：存储为计入2026-10-01，推算应为不计（国庆节）", "days.skipped：存储为不计2026-10-08"],
    );
}

#[test]
fn an_older_deadline_is_checked_in_itself_until_its_calendar_is_given() {
    let file = Desk::new();
    let text = fs::read_to_string(SHIPPED).expect("the calendar").replace("cn-2026.1", "cn-2026.0");
    let older = Calendar::parse(&text).expect("a calendar");
    let inputs = file.put("inputs.json", &of(Clock::K3, &older).to_json());
    let (code, out, _) = check(&[&inputs]);
    assert_eq!(code, Some(0));
    assert!(out.contains("没有该版本的日历") && out.ends_with("一致\n"), "{out}");
    let calendar = file.put("calendar.csv", &text);
    let (code, out, _) = check(&[&inputs, Path::new("--calendar"), &calendar]);
    assert_eq!(code, Some(0));
    assert!(out.contains("已按日历cn-2026.0逐日核对"), "{out}");
    // With another calendar nothing can be said.
    let (code, _, err) = check(&[&inputs, Path::new("--calendar"), Path::new(SHIPPED)]);
    assert_eq!(code, Some(2));
    assert!(err.contains("cn-2026.1") && err.contains("cn-2026.0"), "{err}");
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    let file = Desk::new();
    let unreadable = |arguments: &[&Path], parts: &[&str]| {
        let (code, out, err) = check(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        for part in parts {
            assert!(err.contains(part), "{part} is not in: {err}");
        }
    };
    let broken = file.put("broken.json", "{\n  \"clock\": \"K3\",\n  \"name\": ,\n}");
    unreadable(&[&broken], &["broken.json，第3行"]);
    let other = file.put("other.json", &stored().to_json().replace("\"K3\"", "\"K9\""));
    unreadable(&[&other], &["第1行", "K9"]);
    let lacking = file.put("lacking.json", &stored().to_json().replace("\"start\"", "\"begin\""));
    unreadable(&[&lacking], &["第1行", "start"]);
    unreadable(&[&file.0.path().join("none.json")], &["none.json"]);
    let inputs = file.put("inputs.json", &stored().to_json());
    let calendar =
        file.put("calendar.csv", "# version: cn-2026.1\n# covered_through: 2026-12-31\n2026-01-01,maybe,元旦\n");
    unreadable(&[&inputs, Path::new("--calendar"), &calendar], &["calendar.csv，第3行", "maybe"]);
    unreadable(&[&inputs, Path::new("--calendar"), &file.0.path().join("none.csv")], &["none.csv"]);
}
