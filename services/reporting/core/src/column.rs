//! The 12 columns of 附件2.

/// A column of the monthly table, in the form's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    /// 1 执法检查生产经营单位.
    InspectedEnterprises,
    /// 2 查出非法行为.
    IllegalActs,
    /// 3 停产整顿企业.
    StoppedEnterprises,
    /// 4 行政处罚.
    Fines,
    /// 5 采取刑事措施, at the case's lead. Each person is reported once, by whoever decided the measure: two measures add up.
    CriminalMeasures,
    /// 6 核实举报线索.
    VerifiedTips,
    /// 7 关闭取缔非法生产经营窝点.
    ClosedDens,
    /// 8 兑现举报奖励.
    RewardsPaid,
    /// 9 警示约谈领导干部.
    WarningTalks,
    /// 10 问责领导干部.
    HeldAccountable,
    /// 11 张贴有奖举报公告.
    NoticesPosted,
    /// 12 发放有奖举报明白纸.
    LeafletsHandedOut,
}

/// The merged header above columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// 日常检查情况, columns 1 to 5.
    DailyChecks,
    /// 举报落实情况, columns 6 to 8.
    Tips,
    /// 问责情况, columns 9 and 10.
    Accountability,
    /// 宣传情况, columns 11 and 12.
    Publicity,
}

impl Group {
    /// As the form prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DailyChecks => "日常检查情况",
            Self::Tips => "举报落实情况",
            Self::Accountability => "问责情况",
            Self::Publicity => "宣传情况",
        }
    }
}

impl Column {
    /// How many there are.
    pub const COUNT: usize = 12;

    /// All of them, in the form's order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::InspectedEnterprises,
        Self::IllegalActs,
        Self::StoppedEnterprises,
        Self::Fines,
        Self::CriminalMeasures,
        Self::VerifiedTips,
        Self::ClosedDens,
        Self::RewardsPaid,
        Self::WarningTalks,
        Self::HeldAccountable,
        Self::NoticesPosted,
        Self::LeafletsHandedOut,
    ];

    /// Its number on the form, 1 to 12.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::InspectedEnterprises => 1,
            Self::IllegalActs => 2,
            Self::StoppedEnterprises => 3,
            Self::Fines => 4,
            Self::CriminalMeasures => 5,
            Self::VerifiedTips => 6,
            Self::ClosedDens => 7,
            Self::RewardsPaid => 8,
            Self::WarningTalks => 9,
            Self::HeldAccountable => 10,
            Self::NoticesPosted => 11,
            Self::LeafletsHandedOut => 12,
        }
    }

    /// The column of a number, 1 to 12.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|column| u32::from(column.number()) == number)
    }

    /// Its place in a row, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.number() as usize - 1
    }

    /// Its head, as the form prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InspectedEnterprises => "执法检查生产经营单位",
            Self::IllegalActs => "查出非法行为",
            Self::StoppedEnterprises => "停产整顿企业",
            Self::Fines => "行政处罚",
            Self::CriminalMeasures => "采取刑事措施",
            Self::VerifiedTips => "核实举报线索",
            Self::ClosedDens => "关闭取缔非法生产经营窝点",
            Self::RewardsPaid => "兑现举报奖励",
            Self::WarningTalks => "警示约谈领导干部",
            Self::HeldAccountable => "问责领导干部",
            Self::NoticesPosted => "张贴有奖举报公告",
            Self::LeafletsHandedOut => "发放有奖举报明白纸",
        }
    }

    /// Its unit, as the form prints it.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::InspectedEnterprises | Self::StoppedEnterprises => "家",
            Self::IllegalActs => "项",
            Self::Fines | Self::RewardsPaid => "万元",
            Self::CriminalMeasures | Self::WarningTalks | Self::HeldAccountable => "人",
            Self::VerifiedTips => "条",
            Self::ClosedDens => "个",
            Self::NoticesPosted => "张",
            Self::LeafletsHandedOut => "份",
        }
    }

    /// The merged header above it.
    #[must_use]
    pub const fn group(self) -> Group {
        match self {
            Self::InspectedEnterprises
            | Self::IllegalActs
            | Self::StoppedEnterprises
            | Self::Fines
            | Self::CriminalMeasures => Group::DailyChecks,
            Self::VerifiedTips | Self::ClosedDens | Self::RewardsPaid => Group::Tips,
            Self::WarningTalks | Self::HeldAccountable => Group::Accountability,
            Self::NoticesPosted | Self::LeafletsHandedOut => Group::Publicity,
        }
    }

    /// Whether it is money, kept in fen and printed in 万元.
    #[must_use]
    pub const fn is_money(self) -> bool {
        matches!(self, Self::Fines | Self::RewardsPaid)
    }

    /// Whether it counts distinct things (enterprises, dens) within a leaf unit, sector and month.
    #[must_use]
    pub const fn is_distinct(self) -> bool {
        matches!(self, Self::InspectedEnterprises | Self::StoppedEnterprises | Self::ClosedDens)
    }
}

#[cfg(test)]
mod tests {
    use super::Column;

    #[test]
    fn numbers_are_the_form_s_order() {
        for (index, column) in Column::ALL.into_iter().enumerate() {
            assert_eq!(column.index(), index);
            assert_eq!(Column::from_number(u32::from(column.number())), Some(column));
        }
        assert_eq!(Column::from_number(0), None);
        assert_eq!(Column::from_number(13), None);
    }
}
