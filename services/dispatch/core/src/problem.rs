//! What is wrong with a text of the routing table or of the townships' authority: each problem with its place, a stable reason, and a
//! sentence for clerks. All problems of a text are found at once.

use std::fmt;

/// Longest version label, in characters.
const LABEL: usize = 40;

macro_rules! flaws {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $zh:literal;)+) => {
        /// What kind of problem it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Flaw { $($(#[$doc])* $variant,)+ }

        impl Flaw {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable reason, for programs.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The sentence for clerks.
            #[must_use]
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$variant => $zh,)+ }
            }
        }
    };
}

flaws! {
    /// No JSON of this form.
    Malformed = "MALFORMED", "格式有误，无法读取";
    /// More than 256 KiB.
    TooLarge = "TEXT_TOO_LARGE", "文本超过256千字节";
    /// More rules than a table may have.
    TooManyRules = "TOO_MANY_RULES", "规则条数超过上限";
    /// Not 1 to 40 letters, digits, dots, hyphens or underscores.
    InvalidVersion = "INVALID_VERSION", "版本号须为1至40个字母、数字、点、连字符或下划线";
    /// Not a date.
    InvalidDate = "INVALID_DATE", "核对日期须为年-月-日";
    /// A rule without an id.
    NoRuleId = "RULE_ID_REQUIRED", "规则缺少编号";
    /// Two rules with one id.
    DuplicateRule = "DUPLICATE_RULE", "规则编号重复";
    /// A rule that names no act.
    NoAct = "ACT_REQUIRED", "规则没有列明行为";
    /// Not an act, nor a pattern of acts.
    UnknownAct = "UNKNOWN_ACT", "没有这个行为代码";
    /// Not an industry.
    UnknownIndustry = "UNKNOWN_INDUSTRY", "没有这个行业代码";
    /// Not a kind of subject.
    UnknownSubject = "UNKNOWN_SUBJECT_KIND", "没有这类对象";
    /// None of the 14 agencies.
    UnknownAgency = "UNKNOWN_AGENCY", "不是十四个部门之一";
    /// A rule without its basis.
    NoBasis = "BASIS_REQUIRED", "规则缺少依据";
    /// A text with control characters, by an escape of JSON: PostgreSQL takes no NUL.
    Unprintable = "INVALID", "含有不能使用的控制字符";
    /// `regulator` in a rule that also takes subjects without one.
    NoRegulator = "REGULATOR_NOT_GIVEN", "只有适用于有行业监管部门的单位的规则才能写“行业监管部门”";
    /// A case would have no lead.
    NoLead = "NO_LEAD", "有的案件没有牵头部门";
    /// One of the 14 is never asked.
    AgencyNeverAsked = "AGENCY_NEVER_ASKED", "有部门从不牵头也不配合";
    /// A rule that never matches, because those before it take all its cases.
    Unreachable = "UNREACHABLE_RULE", "规则永远不会生效：前面的规则已涵盖";
    /// Not a county, or none of the roster.
    UnknownCounty = "UNKNOWN_COUNTY", "没有这个县（市、区）";
    /// A missing agency for which nobody stands in.
    NoStandIn = "STAND_IN_REQUIRED", "缺少的部门没有指定代行部门";
    /// A stand-in that the county lacks as well.
    StandInMissing = "STAND_IN_MISSING", "代行部门本身也缺少";
}

/// One thing wrong with one place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `rules[fw].lead`, `counties[371302].stand_ins[postal]`; the id of a rule stands in its brackets.
    pub place: String,
    /// What kind.
    pub flaw: Flaw,
    /// What exactly, in English; the wrong value in it.
    pub detail: String,
}

impl Problem {
    pub(crate) fn new(place: impl Into<String>, flaw: Flaw, detail: impl Into<String>) -> Self {
        Self { place: place.into(), flaw, detail: detail.into() }
    }
}

/// A text that cannot be used, with all that is wrong with it; not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// What was made of a text, if nothing is wrong with it.
    ///
    /// # Errors
    /// The problems, if there are any.
    pub fn none_of<T>(problems: Vec<Problem>, made: T) -> Result<T, Self> {
        if problems.is_empty() { Ok(made) } else { Err(Self(problems)) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}{} {}: {}", problem.place, problem.flaw.code(), problem.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A version label, as an office chooses it.
pub(crate) fn check_version(version: &str, problems: &mut Vec<Problem>) {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if version.is_empty() || version.len() > LABEL || !version.bytes().all(allowed) {
        problems.push(Problem::new("version", Flaw::InvalidVersion, format!("{version:?} is no version label")));
    }
}

/// The text as JSON of its form, if it is not too large.
pub(crate) fn read<'de, T: serde::Deserialize<'de>>(text: &'de str, most: usize) -> Result<T, Problems> {
    if text.len() > most {
        return Err(Problems(vec![Problem::new("", Flaw::TooLarge, format!("has more than {most} bytes"))]));
    }
    serde_json::from_str(text).map_err(|error| Problems(vec![Problem::new("", Flaw::Malformed, error.to_string())]))
}
