//! The closed lists of the accountability ledger.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$entry:meta])* $variant:ident = $code:literal, $zh:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$entry])* $variant,)+ }

        impl $name {
            /// All of them, in this order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// What clerks call it.
            #[must_use]
            pub const fn name_zh(self) -> &'static str {
                match self { $(Self::$variant => $zh,)+ }
            }

            /// The entry of a code.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.code() == code)
            }
        }
    };
}
pub(super) use codes;

codes! {
    /// Conduct that an entry may rest on beside a breach (clause E4).
    Conduct {
        /// It was known and not reported.
        Concealed = "concealed", "知情不报";
        /// Premises, water, power or the like were provided knowingly.
        Support = "support", "提供场所、水电等支持";
        /// An order to cut off water or power was refused or carried out for show.
        CutOffDefied = "cut-off-defied", "拒不执行或敷衍停水停电指令";
        /// Anything else, as its text says.
        Other = "other", "其他情形";
    }
}

codes! {
    /// What becomes of a person; from the mildest to the gravest.
    Outcome {
        /// Nothing is held against him.
        NotPursued = "not-pursued", "不予追究";
        /// Relieved of responsibility, with a reason.
        Exempted = "exempted", "免责";
        /// Responsibility reduced, with a reason.
        Reduced = "reduced", "减责";
        /// A warning talk: column 9 for leading cadres.
        WarningTalk = "warning-talk", "警示约谈";
        /// Held accountable: column 10 for leading cadres.
        HeldAccountable = "held-accountable", "问责";
    }
}

impl Outcome {
    /// Whether it needs a reason of its own.
    #[must_use]
    pub const fn needs_reason(self) -> bool {
        matches!(self, Self::Exempted | Self::Reduced)
    }

    /// Whether it holds something against the person.
    #[must_use]
    pub const fn blames(self) -> bool {
        matches!(self, Self::Reduced | Self::WarningTalk | Self::HeldAccountable)
    }
}

codes! {
    /// For which responsibility somebody is charged (clause C15).
    Part {
        /// Directly responsible.
        Direct = "direct", "直接责任";
        /// Owner of the loop.
        Loop = "loop", "闭环责任";
    }
}

codes! {
    /// Where an entry stands.
    State {
        /// Those charged are told.
        Opened = "opened", "已告知";
        /// One of them has stated his case.
        Stated = "stated", "已陈述";
        /// The basis of a decision was disproved: to be decided anew.
        Reopened = "reopened", "依据撤销，待重新决定";
        /// Decided.
        Decided = "decided", "已决定";
        /// An appeal waits.
        Appealed = "appealed", "申诉中";
        /// All appeals are decided.
        AppealDecided = "appeal-decided", "申诉已决定";
        /// The breach was disproved, or others were found to have held the post, before anyone decided.
        Withdrawn = "withdrawn", "已撤回";
    }
}
