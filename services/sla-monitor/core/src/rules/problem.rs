//! What is wrong with a rules file.

use std::fmt;

macro_rules! flaws {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $zh:literal,)+) => {
        /// Kinds of problems.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Flaw { $($(#[$doc])* $name,)+ }

        impl Flaw {
            /// Stable reason, for programs.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What is wrong, for clerks.
            #[must_use]
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$name => $zh,)+ }
            }
        }
    };
}

flaws! {
    /// No JSON, or another kind of value than is needed.
    Malformed = "MALFORMED", "格式有误",
    /// A key that nothing reads.
    UnknownKey = "UNKNOWN_KEY", "有不认识的项目",
    /// A key that is needed.
    MissingKey = "MISSING_KEY", "缺少必填的项目",
    /// A text with control characters, by an escape of JSON: PostgreSQL takes no NUL.
    Unprintable = "INVALID", "含有不能使用的控制字符",
    /// A key, a clock or a fact that stands twice.
    Twice = "TWICE", "重复出现",
    /// A clock of the table is not there.
    MissingClock = "MISSING_CLOCK", "缺少时限",
    /// No clock has this code.
    UnknownClock = "UNKNOWN_CLOCK", "没有这个时限代码",
    /// No fact has this code.
    UnknownFact = "UNKNOWN_FACT", "没有这个事件代码",
    /// No owner has this code.
    UnknownOwner = "UNKNOWN_OWNER", "没有这个责任岗位",
    /// No tier has this code.
    UnknownTier = "UNKNOWN_TIER", "没有这个层级",
    /// No rule for reminders has this code.
    UnknownReminders = "UNKNOWN_REMINDERS", "没有这种催办办法",
    /// A periodic duty that is not as duties are.
    Duty = "WRONG_DUTY", "定期责任有误",
    /// The version label is empty, too long, or has signs that it must not have.
    Version = "WRONG_VERSION", "版本号有误",
    /// Zero, or far above anything meant.
    LimitRange = "LIMIT_OUT_OF_RANGE", "时限数值超出范围",
    /// Longer than the document allows, or in another kind of days.
    AboveDocument = "LIMIT_ABOVE_DOCUMENT", "时限超过通知规定",
    /// The yellow light does not lie within the limit.
    Warn = "WRONG_WARN", "黄灯设置有误",
    /// The mark of a local default is not as the document says.
    LocalDefault = "WRONG_LOCAL_DEFAULT", "本地核定标记与通知不符",
    /// Runnings are told apart in another way than this clock's.
    Legs = "WRONG_LEGS", "计时段划分方式有误",
    /// Start or stop names no fact.
    NoFact = "NO_FACT", "起止事件不能为空",
    /// A start that does not name whom the clock is to charge.
    NoOwner = "NO_OWNER", "起算事件不能确定责任人",
    /// Only the city's text sets it.
    NotLocal = "NOT_LOCAL", "县区不能自行规定此项",
    /// Hours that are no hours.
    Hours = "WRONG_HOURS", "时段有误",
}

/// One thing wrong with a rules file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// The clock, where the fault is in one.
    pub clock: Option<String>,
    /// What kind of fault.
    pub flaw: Flaw,
    /// What exactly, English.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(clock) = &self.clock {
            write!(f, ", clock {clock}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// All that is wrong with a rules file, by lines; at least one. The file is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("clock rules")?;
        self.0.iter().enumerate().try_for_each(|(at, problem)| {
            let between = if at == 0 { ", " } else { "; " };
            write!(f, "{between}{problem}")
        })
    }
}
